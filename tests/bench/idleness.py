"""What an agent costs that has nothing to do: seven services, its own intervals, a link that works."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from tests.bench.agents import BenchError, running_agent
from tests.bench.figures import Figure, Limit
from tests.bench.places import SEVEN, Place, configure

WARM_UP = 60.0  # seconds after the start
SAMPLE = 10.0  # seconds a sample

_MONIT_CONFIG = """\
set daemon 5
set logfile {folder}/monit.log
set pidfile {folder}/monit.pid
set idfile {folder}/monit.id
set statefile {folder}/monit.state
check host internet with address {host}
    if failed port {port} type tcp with timeout 1 seconds then alert
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process cost over one sample. ``pss`` is None where the system does not tell it."""

    rss: float  # MB, at its end
    pss: float | None  # MB
    cpu: float  # percent of one core
    switches: float  # voluntary context switches a second


def measure_idle(place: Place, folder: Path, *, samples: int) -> list[Figure]:
    """The agent and, where it is installed, monit with a 5 s cycle and one check, at the same time."""
    place.deploy(SEVEN)
    with running_agent(folder / "idle", configure(place, SEVEN), place.enclose) as agent, _monit(place, folder) as peer:
        agent.wait_said(r"link: STARTING -> ONLINE")
        time.sleep(WARM_UP)
        processes = [psutil.Process(agent.pid), *([peer] if peer else [])]
        ours, *others = sample_costs(processes, samples)
    figures = _tell(f"idle agent ({place.name})", ours, held=True)
    for other in others:
        figures += _tell("monit, 5 s cycle, one check", other, held=False)
    if peer is None:
        figures.append(Figure("monit", "MB", peer=True, note="monit is not installed"))
    return figures


def sample_costs(processes: list[psutil.Process], samples: int) -> list[list[Sample]]:
    """What each of the processes cost over so many samples, at the same time."""
    taken: list[list[Sample]] = [[] for _ in processes]
    for _ in range(samples):
        started = time.perf_counter()
        before = [_costs(process) for process in processes]
        time.sleep(SAMPLE)
        for process, (cpu, switches), samples_of in zip(processes, before, taken, strict=True):
            seconds = time.perf_counter() - started
            cpu_now, switches_now = _costs(process)
            share, rate = (cpu_now - cpu) / seconds * 100, (switches_now - switches) / seconds
            samples_of.append(Sample(process.memory_info().rss / 1e6, _pss(process), share, rate))
    return taken


def _costs(process: psutil.Process) -> tuple[float, int]:
    """CPU seconds and voluntary context switches so far, of every thread."""
    times = process.cpu_times()
    status = (Path(f"/proc/{process.pid}/task") / str(thread.id) / "status" for thread in process.threads())
    return times.user + times.system, sum(map(_voluntary_switches, status))


def _voluntary_switches(status: Path) -> int:
    try:
        lines = status.read_text(encoding="ascii").splitlines()
    except OSError:  # the thread ended
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches")), 0)


def _pss(process: psutil.Process) -> float | None:
    try:
        return float(process.memory_full_info().pss) / 1e6
    except (psutil.AccessDenied, AttributeError):
        return None


def _tell(what: str, samples: list[Sample], *, held: bool) -> list[Figure]:
    def figure(name: str, unit: str, values: list[float], limit: Limit | None = None) -> Figure:
        return Figure(f"{what}: {name}", unit, tuple(values), limit if held else None, peer=not held)

    return [
        figure("resident memory", "MB", [sample.rss for sample in samples], Limit(45.0)),
        figure("its share of memory (PSS)", "MB", [sample.pss for sample in samples if sample.pss is not None]),
        figure("processor", "% core", [sample.cpu for sample in samples], Limit(0.5)),
        figure("voluntary context switches", "1/s", [sample.switches for sample in samples]),
    ]


@contextmanager
def _monit(place: Place, folder: Path) -> Iterator[psutil.Process | None]:
    """A monit in the same place; None where it is not installed."""
    monit = shutil.which("monit")
    if monit is None:
        yield None
        return
    target = next(target for target in place.targets if target["kind"] == "tcp")
    config = folder / "monitrc"
    config.write_text(_MONIT_CONFIG.format(folder=folder, host=target["host"], port=target["port"]), encoding="ascii")
    config.chmod(0o600)
    command = place.enclose([monit, "-I", "-c", str(config)])
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield _find_monit(process.pid)
    finally:
        for one in _family(process.pid):
            one.terminate()
        process.wait()


def _find_monit(pid: int) -> psutil.Process:
    for _ in range(100):
        for process in _family(pid):
            if process.name() == "monit":
                return process
        time.sleep(0.05)
    raise BenchError("monit did not start")


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [*parent.children(recursive=True), parent]
