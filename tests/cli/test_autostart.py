"""What the ERP's starter calls: which of the switches count, in which mode it starts, and when it does nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

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

    def write(self, *, erp: Mapping[str, object] | None = None, own: str | None = None) -> None:
        if erp is not None:
            (self.folder / "config" / "system_config.json").write_text(json.dumps({"ConnectionMonitor": erp}))
        if own is not None:
            (self.folder / "config" / "connmon.yaml").write_text(own)

    def run(self, config_path: Path | None = None) -> Result:
        environment = {"XDG_CONFIG_HOME": "/nowhere", "HOME": "/nowhere"}
        return CliRunner().invoke(autostart, obj=Invocation(config_path, environment=environment))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.chdir(tmp_path)
    made = Site(tmp_path)

    @click.command()
    @click.option("--mode")
    def record(mode: str) -> None:
        made.started.append(mode)

    monkeypatch.setattr(starting, "start", record)
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
    site: Site, erp: Mapping[str, object] | None, own: str | None, mode: str
) -> None:
    site.write(erp=erp, own=own)
    result = site.run()
    assert (result.exit_code, site.started) == (0, [mode])


ERP, OWN = "config/system_config.json", "config/connmon.yaml"


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
    site: Site, erp: Mapping[str, object] | None, own: str | None, why: str
) -> None:
    site.write(erp=erp, own=own)
    result = site.run()
    assert (result.exit_code, result.stdout, site.started) == (0, f"Not started: {why}.\n", [])
    assert list((site.folder / "var").iterdir()) == []


def test_an_agent_that_runs_already_is_named(site: Site) -> None:
    site.write(erp={"Mode": "Task"})
    with AgentLock(site.folder / "var"):
        result = site.run()
    assert result.exit_code == 0
    assert result.stdout.startswith("Not started: an agent is already running (pid ")
    assert site.started == []


def test_an_agent_that_another_start_brought_meanwhile_is_no_failure(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    @click.option("--mode")
    def lose(mode: str) -> None:
        raise AlreadyRunning("another agent (pid 7) already runs")

    monkeypatch.setattr(starting, "start", lose)
    site.write(erp=NOTHING)
    result = site.run()
    assert (result.exit_code, result.stdout) == (0, "Not started: another agent (pid 7) already runs.\n")


def test_a_broken_erp_file_is_an_error_also_where_our_own_is_in_force(site: Site) -> None:
    site.write(erp={"Enabled": "perhaps"}, own="link: {}")
    assert isinstance(site.run().exception, ConfigurationError)
    assert site.started == []


def test_the_erps_file_beside_the_one_in_force_counts_from_any_directory(
    site: Site, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write(erp={"Enabled": False}, own="link: {}")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert "ConnectionMonitor.Enabled is false" in site.run(site.folder / "config" / "connmon.yaml").stdout


def test_the_launchers_log_has_the_reason_where_there_is_one(site: Site) -> None:
    site.write(own=f"start: {{enabled: false}}\nlogging: {{dir: {site.folder}/logs}}")
    (site.folder / "logs").mkdir()
    site.run()
    assert "autostart: Not started: start.enabled is false" in (site.folder / "logs" / LAUNCHER_LOG).read_text()
