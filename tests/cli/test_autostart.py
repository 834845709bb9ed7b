"""What the ERP's starter calls: which of the switches count, in which mode it starts, and when it does nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import click
import pytest
from click.exceptions import Exit
from click.testing import CliRunner, Result
from tests.fakes.local_sites import LocalAgent

from connmon_agent.cli import autostart as module
from connmon_agent.cli import background, service
from connmon_agent.cli import start as starting
from connmon_agent.cli.autostart import autostart
from connmon_agent.cli.invocations import Invocation
from connmon_agent.errors import AlreadyRunning, ConfigurationError
from connmon_agent.presence import AgentLock
from connmon_agent.runtime.logs.places import LAUNCHER_LOG

NOTHING: Mapping[str, object] = {}


class Site:
    """The ERP's directory, which is the working directory, and what was started there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[str] = []
        (folder / "config").mkdir()
        (folder / "var").mkdir()
        (folder / "statecharts").mkdir()

    def write(self, *, erp: Mapping[str, object] | None = None, own: str | None = None) -> None:
        if erp is not None:
            (self.folder / "config" / "system_config.json").write_text(json.dumps({"ConnectionMonitor": erp}))
        if own is not None:
            (self.folder / "config" / "connmon.yaml").write_text(own)

    def run(self, config_path: Path | None = None) -> Result:
        environment = {"XDG_CONFIG_HOME": "/nowhere", "HOME": "/nowhere"}
        return CliRunner().invoke(autostart, obj=Invocation(config_path, environment=environment))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.chdir(tmp_path)
    made = Site(tmp_path)

    monkeypatch.setattr(module, "start_in", lambda ctx, mode: made.started.append(mode))
    return made


@pytest.mark.parametrize(
    ("erp", "own", "mode"),
    [
        ({"Enabled": True, "AutoStart": True, "Mode": "Task"}, None, "task"),
        ({"mode": "foreground"}, None, "foreground"),
        (NOTHING, None, "background"),
        (None, "link: {}", "background"),
        (None, "start: {mode: service}", "service"),
        ({"Mode": "Task"}, "link: {}", "task"),
        ({"Mode": "Task"}, "start: {mode: service}", "service"),
        ({"Mode": "Task"}, "start: {enabled: true}", "task"),
    ],
)
def test_it_starts_in_the_mode_of_the_files(
    place: Site, erp: Mapping[str, object] | None, own: str | None, mode: str
) -> None:
    place.write(erp=erp, own=own)
    result = place.run()
    assert (result.exit_code, place.started) == (0, [mode])


ERP, OWN = Path("config/system_config.json"), Path("config/connmon.yaml")


@pytest.mark.parametrize(
    ("erp", "own", "why"),
    [
        ({"Enabled": False}, None, f"ConnectionMonitor.Enabled is false in {ERP}"),
        ({"Enabled": "false", "AutoStart": True}, None, f"ConnectionMonitor.Enabled is false in {ERP}"),
        ({"Enabled": True, "AutoStart": False, "Mode": "Task"}, None, f"ConnectionMonitor.AutoStart is false in {ERP}"),
        (None, "start: {enabled: false}", f"start.enabled is false in {OWN}"),
        (None, "start: {autostart: false}", f"start.autostart is false in {OWN}"),
        ({"Enabled": True}, "start: {autostart: false}", f"start.autostart is false in {OWN}"),
        ({"AutoStart": False}, "start: {autostart: true}", f"ConnectionMonitor.AutoStart is false in {ERP}"),
    ],
)
def test_a_switch_that_is_off_in_any_file_keeps_it_from_starting(
    place: Site, erp: Mapping[str, object] | None, own: str | None, why: str
) -> None:
    place.write(erp=erp, own=own)
    result = place.run()
    assert (result.exit_code, result.stdout, place.started) == (0, f"Not started: {why}.\n", [])
    assert list((place.folder / "var").iterdir()) == []


def test_an_agent_that_runs_already_is_named(place: Site) -> None:
    place.write(erp={"Mode": "Task"})
    with AgentLock(place.folder / "var"):
        result = place.run()
    assert result.exit_code == 0
    assert result.stdout.startswith("Not started: an agent is already running (pid ")
    assert place.started == []


@pytest.mark.parametrize("failure", [AlreadyRunning("another agent (pid 7) already runs"), Exit(1)], ids=repr)
@pytest.mark.parametrize("runs", [True, False])
def test_an_agent_that_another_start_brought_at_the_same_time_is_no_failure(
    place: Site, monkeypatch: pytest.MonkeyPatch, failure: Exception, runs: bool
) -> None:
    with ExitStack() as stack:

        def lose(ctx: object, mode: str) -> None:
            if runs:
                stack.enter_context(AgentLock(place.folder / "var"))
            raise failure

        monkeypatch.setattr(module, "start_in", lose)
        place.write(erp=NOTHING)
        result = place.run()
    said = "Not started: another agent was started at the same time.\n"
    assert (result.exit_code, result.stdout) == ((0, said) if runs else (1, ""))


@pytest.mark.parametrize(
    ("mode", "called"),
    [("background", "background"), ("task", "task"), ("service", "the manager"), ("foreground", "here")],
)
def test_every_mode_but_foreground_returns(mode: str, called: str, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @click.option("--mode")
    def run_here(mode: str) -> None:
        calls.append("here")

    calls: list[str] = []
    monkeypatch.setattr(background, "start_in_background", lambda invocation, mode: calls.append(mode))
    monkeypatch.setattr(service, "start_installed", lambda: calls.append("the manager") or [])
    monkeypatch.setattr(starting, "start", run_here)
    module.start_in(click.Context(autostart), mode)
    assert calls == [called]


def test_the_real_agent_is_started_in_the_background_and_found_running(agent: LocalAgent) -> None:
    started = agent.run("autostart")
    try:
        assert started.exit_code == 0, started.output
        assert "connmon-agent is running in the background (pid " in started.stdout
        again = agent.run("autostart")
        assert (again.exit_code, again.stdout.startswith("Not started: an agent is already running (pid ")) == (0, True)
    finally:
        agent.run("stop", "--force")
    assert "autostart: Not started: an agent is already running" in (agent.state / "logs" / LAUNCHER_LOG).read_text()


def test_a_broken_erp_file_is_an_error_also_where_our_own_is_in_force(place: Site) -> None:
    place.write(erp={"Enabled": "perhaps"}, own="link: {}")
    assert isinstance(place.run().exception, ConfigurationError)
    assert place.started == []


def test_the_erps_file_beside_the_one_in_force_counts_from_any_directory(
    place: Site, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write(erp={"Enabled": False}, own="link: {}")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert "ConnectionMonitor.Enabled is false" in place.run(place.folder / "config" / "connmon.yaml").stdout


def test_the_launchers_log_has_the_reason_where_there_is_one(place: Site) -> None:
    place.write(own=f"start: {{enabled: false}}\nlogging: {{dir: {place.folder}/logs}}")
    (place.folder / "logs").mkdir()
    place.run()
    assert "autostart: Not started: start.enabled is false" in (place.folder / "logs" / LAUNCHER_LOG).read_text()
