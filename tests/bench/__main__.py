"""``python -m tests.bench``: the numbers to hold, measured, in one table. What each means: docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.agents import BenchError
from tests.bench.commands import measure_start, measure_status
from tests.bench.commits import measure_commits
from tests.bench.detection import measure_detection
from tests.bench.drawings import measure_drawing
from tests.bench.faults import measure_faults
from tests.bench.figures import Figure
from tests.bench.forwards import measure_forwards
from tests.bench.idleness import measure_idle
from tests.bench.lab_places import lab_place
from tests.bench.loopback_places import loopback_place
from tests.bench.losses import measure_losses, simulate_losses
from tests.bench.machines import describe_machine
from tests.bench.monitoring import measure_metrics
from tests.bench.notices import measure_notices
from tests.bench.pages import measure_page
from tests.bench.peers import measure_peers
from tests.bench.places import Place
from tests.bench.recovery import measure_hundred, measure_recovery
from tests.bench.replays import measure_replay
from tests.bench.tables import render_table
from tests.bench.traffic import measure_traffic
from tests.bench.what_ifs import measure_what_ifs
from tests.bench.years import measure_year

from connmon_agent.errors import ConnmonError


@dataclass(frozen=True, slots=True)
class BenchSetup:
    """What the benches may use. ``kubectl`` None: there is none. ``runs`` None: each bench has its own number."""

    folder: Path
    places: tuple[Place, ...]
    kubectl: str | None
    runs: int | None


# The lab builds a kubectl of its own, which need not be in the PATH.
LAB_KUBECTL = Path(os.environ.get("CONNMON_LAB") or Path.home() / ".cache/connmon-lab") / "bin/kubectl"

Bench = Callable[[BenchSetup], Iterator[list[Figure]]]


def _in_places(measure: Callable[..., list[Figure]], runs: int, *, called: str = "runs") -> Bench:
    """A bench that is carried out in every place."""

    def bench(setup: BenchSetup) -> Iterator[list[Figure]]:
        for place in setup.places:
            folder = Path(tempfile.mkdtemp(dir=setup.folder))
            yield measure(place, folder, **{called: setup.runs or runs})

    return bench


def _alone(measure: Callable[..., list[Figure]], runs: int, *, called: str = "runs") -> Bench:
    """A bench that needs neither a place's internet nor its cluster."""

    def bench(setup: BenchSetup) -> Iterator[list[Figure]]:
        yield measure(Path(tempfile.mkdtemp(dir=setup.folder)), **{called: setup.runs or runs})

    return bench


def _status(setup: BenchSetup) -> Iterator[list[Figure]]:
    yield measure_status(setup.folder, kubectl=setup.kubectl, runs=setup.runs or 30)


def _forwards(setup: BenchSetup) -> Iterator[list[Figure]]:
    for place in setup.places:
        folder = Path(tempfile.mkdtemp(dir=setup.folder))
        yield from measure_forwards(place, folder, kubectl=setup.kubectl, runs=setup.runs or 5)


def _metrics(setup: BenchSetup) -> Iterator[list[Figure]]:
    """On loopback alone: who scrapes stands outside of a place's network."""
    for place in setup.places:
        if place.name == "loopback":
            yield measure_metrics(place, Path(tempfile.mkdtemp(dir=setup.folder)), samples=setup.runs or 10)


def _notices(setup: BenchSetup) -> Iterator[list[Figure]]:
    """On loopback alone: the receiver stands outside of a place's network."""
    for place in setup.places:
        if place.name == "loopback":
            yield measure_notices(place, Path(tempfile.mkdtemp(dir=setup.folder)), samples=setup.runs or 10)


BENCHES: dict[str, Bench] = {
    "detection": _in_places(measure_detection, 20),
    "recovery": _in_places(measure_recovery, 5),
    "hundred": _in_places(measure_hundred, 3),
    "idle": _in_places(measure_idle, 6, called="samples"),
    "metrics": _metrics,
    "page": _alone(measure_page, 10),
    "notices": _notices,
    "status": _status,
    "start": _in_places(measure_start, 5),
    "commit": _alone(measure_commits, 2000),
    "replay": _alone(measure_replay, 3),
    "what-if": _alone(measure_what_ifs, 90, called="days"),
    "year": _alone(measure_year, 365, called="days"),
    "faults": _alone(measure_faults, 20),
    "simulated-loss": _alone(simulate_losses, 200, called="hours"),
    "loss": _alone(measure_losses, 480, called="seconds"),
    "peers": _alone(measure_peers, 10),
    "drawing": _alone(measure_drawing, 50),
    "traffic": _alone(measure_traffic, 300, called="seconds"),
    "forwards": _forwards,
}


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure the numbers to hold.")
    parser.add_argument("benches", nargs="*", metavar="BENCH", help=f"{', '.join(BENCHES)}; default: all of them")
    parser.add_argument("--runs", type=int, help="measurements of each figure; default: each bench has its own number")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single measurement there")
    parser.add_argument("--dir", type=Path, help="make the state files in this folder, on the disk to be measured")
    _add_place_options(parser)
    parsed = parser.parse_args(arguments)
    if unknown := set(parsed.benches) - set(BENCHES):
        parser.error(f"there is no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    if parsed.lab is not None and parsed.kubeconfig is None:
        parser.error("--lab needs --kubeconfig")
    if parsed.runs is not None and parsed.runs < 1:
        parser.error("--runs must be at least 1")
    return parsed


def _add_place_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lab", type=Path, default=os.environ.get("CONNMON_TEST_LAB") or None,
        help="a command that breaks a real site's link, see tests/bench/lab_places.py; default: $CONNMON_TEST_LAB",
    )  # fmt: skip
    parser.add_argument(
        "--kubeconfig", type=Path, default=os.environ.get("CONNMON_TEST_KUBECONFIG") or None,
        help="of that site's cluster; default: $CONNMON_TEST_KUBECONFIG",
    )  # fmt: skip
    parser.add_argument(
        "--kubectl", default="kubectl", help="the kubectl to measure; default: the PATH's, or the lab's"
    )
    parser.add_argument("--no-loopback", action="store_true", help="measure at the real site only")


def main(arguments: list[str]) -> int:
    """Run the benches asked for. Returns 0, or 1 when one could not be carried out."""
    options = _parse(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):  # whatever ends the run, everything is put back
        signal.signal(number, signal.default_int_handler)
    figures: list[Figure] = []
    with ExitStack() as stack:
        setup = _set_up(options, stack)
        began, machine = datetime.now(UTC), describe_machine(setup.folder)
        whole = _run(options.benches or list(BENCHES), setup, figures)
    print(f"{began:%Y-%m-%d %H:%M} UTC; {machine}\n\n{render_table(figures)}")
    if options.json is not None:
        document = {"at": began.isoformat(), "machine": machine, "figures": [one.as_document() for one in figures]}
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0 if whole else 1


def _run(names: list[str], setup: BenchSetup, figures: list[Figure]) -> bool:
    """Add what each bench measures to ``figures``; whether all of them could be carried out."""
    whole = True
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            for measured in BENCHES[name](setup):
                figures += measured
        except (BenchError, ConnmonError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            whole = False
        except KeyboardInterrupt:
            print(f"{name}: interrupted; this is what was measured before", file=sys.stderr)
            return False
    return whole


def _set_up(options: argparse.Namespace, stack: ExitStack) -> BenchSetup:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="connmon-bench-", dir=options.dir)))
    kubectl = shutil.which(options.kubectl) or shutil.which(LAB_KUBECTL)
    places: list[Place] = []
    if not options.no_loopback:
        places.append(stack.enter_context(loopback_place(folder)))
    if options.lab is not None:
        if kubectl is None:
            raise SystemExit(f"{options.kubectl} is not there; name one with --kubectl")
        places.append(stack.enter_context(lab_place(options.lab, options.kubeconfig, kubectl)))
    return BenchSetup(folder, tuple(places), kubectl, options.runs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
