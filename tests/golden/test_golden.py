"""All that the product says, in one folder: what each command prints for a fixed world, one file a theme.

A file reads as a terminal does: ``$ command``, its output, and its exit code where it is not 0.
``CONNMON_WRITE_GOLDEN=1`` writes the files anew, where a text is meant to change; a diff of this folder shows it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tests.fakes.charts import real_charts
from tests.fakes.faults import FAULTS, snapshot_after
from tests.fakes.hard_days import INSTANTS, NAMES, live_through_a_hard_day
from tests.fakes.memories import live_through_an_outage
from tests.fakes.mornings import at, offline_snapshot, recovering_snapshot
from tests.fakes.obstacles import held_by_nginx

from connmon_agent.charts.chart import Chart
from connmon_agent.cli import connmon_agent
from connmon_agent.cli.decisions import refold_journal
from connmon_agent.cli.rendering.explanation_text import render_event, render_link, render_service
from connmon_agent.cli.rendering.past import snapshot_at
from connmon_agent.cli.rendering.plugin_line import check_line
from connmon_agent.cli.rendering.port_tables import render_ports
from connmon_agent.cli.rendering.port_views import view_services
from connmon_agent.cli.rendering.snapshots import Snapshot
from connmon_agent.cli.rendering.status_text import render_status
from connmon_agent.cli.screens import UNLIMITED
from connmon_agent.core.events import Inspected
from connmon_agent.core.observations import InternalErrors, LogLoss
from connmon_agent.core.plan import ForwardPlan
from connmon_agent.core.steps import Step
from connmon_agent.core.world import Forward, World
from connmon_agent.explain.explanations import explain_event, explain_link, explain_service
from connmon_agent.loading.defaults import PORTS
from connmon_agent.runtime.log_records import tell_step
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader
from connmon_agent.wall_times import in_utc

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
NOW = at(10_000).wall
WIDTH = 80

Charts = Mapping[str, Chart]


@pytest.fixture(autouse=True)
def fixed_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """One clock, one time zone, one width and one size of the state file, whatever machine this is."""
    monkeypatch.setattr("time.time", lambda: NOW)
    monkeypatch.setattr("connmon_agent.cli.wording.in_zone", lambda wall, zone: in_utc(wall))
    monkeypatch.setattr("connmon_agent.store.reading.size_of", lambda path: 40_960)
    monkeypatch.setattr("connmon_agent.loading.places.MACHINE_STATE_DIRS", ())
    for name in [name for name in os.environ if name.startswith("CONNMON_") and name != "CONNMON_WRITE_GOLDEN"]:
        monkeypatch.delenv(name)


@contextmanager
def named(store: str) -> Iterator[None]:
    """A new state file gets this name, which restart tokens and pauses come from, and no random one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("connmon_agent.store.schema._make_name", lambda: store)
        yield


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory after a hard day."""
    folder = tmp_path_factory.mktemp("day")
    with named("k7k7k7k7"):
        live_through_a_hard_day(folder)
    return folder


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory after a plain outage."""
    folder = tmp_path_factory.mktemp("outage")
    with named("k8k8k8k8"):
        live_through_an_outage(folder)
    return folder


def compare(name: str, parts: Iterable[str]) -> None:
    """Hold the text against the golden file of this name."""
    text = "\n\n".join(part.rstrip("\n") for part in parts) + "\n"
    path = FOLDER / f"{name}.txt"
    if os.environ.get("CONNMON_WRITE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8", newline="\n")
    assert text == path.read_text(encoding="utf-8")


def run(folder: Path, *arguments: str, width: int = WIDTH) -> str:
    """One command on a state directory, as a terminal shows it. A text with a path in it wants any ``width``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("connmon_agent.cli.screens.width_of_output", lambda: width)
        result = CliRunner().invoke(connmon_agent, ["--state-dir", str(folder), *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    text = result.output.replace("\r\n", "\n").replace(f"{folder}{os.sep}", "/var/lib/connmon/")
    text = text.replace(str(folder), "/var/lib/connmon")
    code = f"\n(exit code {result.exit_code})" if result.exit_code else ""
    return f"$ connmon-agent {' '.join(arguments)}\n{text.rstrip()}{code}"


def snapshots(day: Path) -> Iterator[tuple[str, Snapshot]]:
    """What a running agent shows at telling instants of the day."""
    with Reader(day / DATABASE_FILE) as reader:
        steps = list(refold_journal(reader, reader.recorded()))
    for title, seconds in INSTANTS.items():
        snapshot = snapshot_at(steps, at=at(seconds).wall, path=f"/var/lib/connmon/{DATABASE_FILE}")
        assert snapshot is not None and snapshot.agent is not None
        yield title, replace(snapshot, pid=snapshot.agent.pid, bytes=81_920)


def service_of(day: Path, snapshot: Snapshot, name: str, charts: Charts) -> str:
    """`explain NAME` at that instant."""
    world, now = snapshot.world, at(snapshot.now - at(0).wall)
    with Reader(day / DATABASE_FILE) as reader:
        events = [row.event for row in reader.recorded() if row.seq <= snapshot.events]
    looks = [event.seen for event in events if isinstance(event, Inspected) and event.service == name]
    seen = looks[-1] if looks else None
    return render_service(explain_service(world, charts, now, name=name, seen=seen), snapshot)


@pytest.mark.linux_alone(reason="its paths are written as Unix writes them")
def test_status(day: Path, tmp_path: Path) -> None:
    shown = [f"# {title}\n{render_status(snapshot, zone=UTC)}" for title, snapshot in snapshots(day)]
    calm = next(snapshot for _, snapshot in snapshots(day))
    agent = calm.agent
    assert agent is not None
    others = {
        "no agent is running": replace(calm, pid=None),
        "the agent has just started": replace(calm, pid=1),
        "the agent does not respond": replace(calm, now=calm.now + 600),
        "an error in the agent itself, and a full disk": replace(
            calm,
            errors=InternalErrors(2, "the look at web", "KeyError: 'web' (kube/pods.py:41)", agent.started.plus(5)),
            loss=LogLoss(12, "agent.log: No space left on device", agent.started.plus(6)),
            unverified="https://192.0.2.10:6443",
        ),
        "an outage": offline_snapshot(),
        "a recovery": recovering_snapshot(),
    }
    shown += [f"# {title}\n{render_status(snapshot, zone=UTC)}" for title, snapshot in others.items()]
    shown += [run(day, "status", width=UNLIMITED), run(tmp_path, "status"), run(day, "status", "--json")]
    shown += [f"# {title}: status --check\n{check_line(snapshot)[1]}" for title, snapshot in snapshots(day)]
    shown += [f"# {title}: status --check\n{check_line(snapshot)[1]}" for title, snapshot in others.items()]
    compare("status", shown)


def test_explain_of_the_link(day: Path) -> None:
    charts = real_charts()
    shown = []
    for title, snapshot in [*((name, snapshot_after(fault)) for name, fault in FAULTS.items()), *snapshots(day)]:
        results = snapshot.round.results if snapshot.round is not None else ()
        explanation = explain_link(snapshot.world, charts, at(snapshot.now - at(0).wall), results=results)
        shown.append(f"# {title}\n{render_link(explanation, snapshot)}")
    compare("explain-link", [*shown, run(day, "explain"), run(day, "explain", "--json")])


def test_explain_of_a_service(day: Path) -> None:
    """Every service whenever its state or the reason for it is another one."""
    shown: dict[tuple[str, str, str], str] = {}
    for title, snapshot in snapshots(day):
        for name in NAMES:
            service = snapshot.world.services[name]
            text = f"# {title}\n{service_of(day, snapshot, name, real_charts())}"
            shown.setdefault((name, service.state, service.reason), text)
    last = [run(day, "explain", "frontend", "--json"), run(day, "explain", "nowhere")]
    compare("explain-service", [*shown.values(), *last])


def test_explain_of_an_event(day: Path) -> None:
    """Every event of the day."""
    with Reader(day / DATABASE_FILE) as reader:
        steps = list(refold_journal(reader, reader.recorded()))
    rows = [row for row, _ in steps]
    explained = [explain_event(row, real_charts(), world, later=rows[row.seq :]) for row, world in steps]
    shown = [render_event(one, zone=UTC) for one in explained]
    compare("explain-event", [*shown, run(day, "explain", "9999"), run(day, "explain", "20", "--json")])


def test_replay(day: Path, outage: Path, tmp_path: Path) -> None:
    calls: tuple[list[str], ...] = (
        ["--since", "2026-11-23"],
        [],
        ["--at", "2026-11-23T10:05:00Z"],
        ["--verify"],
        ["99"],
        ["--at", "2026-01-01"],
    )
    shown = [run(day, "replay", *arguments) for arguments in calls]
    compare("replay", [*shown, run(outage, "replay"), run(outage, "replay", "--json"), run(tmp_path, "replay")])


def test_exports(day: Path, outage: Path, tmp_path: Path) -> None:
    calls = [(folder, form) for folder in (day, outage) for form in ("csv", "chrome-trace")]
    shown = [run(folder, "replay", "latest", "--format", form) for folder, form in calls]
    compare("exports", [*shown, *(run(tmp_path, "replay", "--format", form) for form in ("csv", "chrome-trace"))])


def test_history(day: Path, outage: Path, tmp_path: Path) -> None:
    calls: tuple[list[str], ...] = ([], ["--csv"], ["--json"], ["--rounds", "--since", "2026-11-23T10:00:00Z"])
    shown = [run(day, "history", *arguments) for arguments in calls]
    compare("history", [*shown, run(outage, "history"), run(tmp_path, "history")])


def test_report(day: Path, tmp_path: Path) -> None:
    period = ("--since", "2026-11-23T10:00:00Z", "--until", "2026-11-23T12:40:00Z", "--time-zone", "UTC")
    calls = [("--format", form, "--lang", lang) for form in ("csv", "json", "html") for lang in ("en", "de")]
    shown = [run(day, "report", *period, "--title", "Branch", *arguments) for arguments in calls]
    refused = [run(day, "report", "--since", "1h", "--until", "2h"), run(day, "report", "--time-zone", "Mars/Olympus")]
    compare("report", [*shown, *refused, run(tmp_path, "report")])


def test_log_lines(day: Path) -> None:
    """The sentences of the log, each with its level and what it is about."""
    with Reader(day / DATABASE_FILE) as reader:
        rows = list(reader.recorded())
    steps = [(row, Step(World(""), row.transitions, row.effects, row.resolutions, row.notes)) for row in rows]
    lines = [one for row, step in steps for one in tell_step(row.at, step)]
    shown = [f"{in_utc(one.at.wall):%H:%M:%S} {one.level:7} {one.about}: {one.text}" for one in lines]
    compare("log", ["\n".join(shown)])


def test_ports() -> None:
    plans = {name: ForwardPlan(primary, tuple(others)) for name, (primary, *others) in PORTS.items()}
    taken = {8080: held_by_nginx(8080), **{port: held_by_nginx(port) for port in PORTS["grafana"]}}
    had = {"frontend": Forward("frontend", port=8081, lease=8081)}
    views = (
        view_services(plans, {}, agent=None),
        view_services(plans, taken, agent=4711, remembered=had),
    )
    compare("ports", [render_ports(view) for view in views])


def test_orders_without_an_agent(day: Path, tmp_path: Path) -> None:
    shutil.copytree(day, tmp_path / "state")
    calls: tuple[list[str], ...] = (
        ["pause"],
        ["resume"],
        ["rearm", "grafana"],
        ["recover"],
        ["url", "frontend"],
        ["log", "level"],
        ["reload"],
    )
    compare("orders", [run(tmp_path / "state", *arguments) for arguments in calls])


def test_charts(tmp_path: Path) -> None:
    compare("chart", [run(tmp_path, "chart"), run(tmp_path, "chart", "nowhere")])


@pytest.mark.linux_alone(reason="its paths are written as Unix writes them")
def test_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNMON_CONFIG", str(ROOT / "config" / "connmon.yaml"))
    shown = [
        run(tmp_path, "config", "check", "--keys", width=UNLIMITED),
        run(tmp_path, "config", "show"),
        run(tmp_path, "config", "schema"),
    ]
    compare("config", [text.replace(f"{ROOT}{os.sep}config{os.sep}", "/etc/connmon-agent/") for text in shown])


@pytest.mark.linux_alone(reason="what `service` and `log` say of this platform's managers and places differs")
def test_help(tmp_path: Path) -> None:
    context = click.Context(connmon_agent)
    compare("help", [run(tmp_path, *names, "--help") for names in find_commands(connmon_agent, context)])


def find_commands(group: click.Group, context: click.Context) -> Iterator[list[str]]:
    """Every command's names, the group's own first."""
    yield []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        for names in find_commands(command, context) if isinstance(command, click.Group) else [[]]:
            yield [name, *names]
