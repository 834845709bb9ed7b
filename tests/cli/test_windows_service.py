"""`connmon-agent service` with Windows' service control manager, which is a fake; on any system."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.fakes.wine import on_wine
from tests.service_managers.hosts import FakeCommands, a_host
from tests.service_managers.windows_machines import FakeManager, FakeServices, FakeStatus

from connmon_agent.cli import connmon_agent, service, stop
from connmon_agent.presence import Holder, Signature
from connmon_agent.service_managers import interface, windows_process
from connmon_agent.service_managers.interface import ServiceManager
from connmon_agent.service_managers.windows_process import ServiceProcess, State
from connmon_agent.service_managers.windows_services import WindowsServices


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeServices:
    """This machine's service control manager; the commands are given by an administrator."""
    door = FakeServices()
    manager = WindowsServices(a_host(tmp_path, FakeCommands()), door, sleep=lambda seconds: None)

    def choose(name: str | None, *, absent: bool = False) -> ServiceManager:
        return manager

    monkeypatch.setattr(service, "_choose", choose)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", "")
    monkeypatch.chdir(tmp_path)
    return door


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "connmon.yaml"
    path.write_text("state_dir: state\nservices: {web: {}}\n")
    return path


def call(*words: object, typed: str | None = None) -> Result:
    return CliRunner().invoke(connmon_agent, [str(word) for word in words], input=typed)


def test_a_life(door: FakeServices, config: Path) -> None:
    absent = call("service", "status")
    assert (absent.exit_code, "not installed. Run `connmon-agent service install`" in absent.stdout) == (3, True)
    installed = call("--config", config, "service", "install")
    assert installed.exit_code == 0, installed.output
    assert "Started connmon-agent: starts at every boot." in installed.stdout.splitlines()
    assert call("--config", config, "service", "install").stdout == "Nothing to change: installed and running.\n"
    status = call("service", "status")
    assert status.stdout.splitlines()[:2] == [
        "connmon-agent: running, pid 7",
        "  Unit: the service connmon-agent, unchanged since it was installed",
    ]
    assert call("service", "uninstall").stdout.splitlines() == [
        "Stopped connmon-agent.",
        "Removed the service connmon-agent.",
        "State and logs are kept.",
    ]


def test_show_says_what_install_would_make(door: FakeServices, config: Path) -> None:
    shown = call("--config", config, "service", "show")
    assert "Service: connmon-agent\n" in shown.stdout and "Start: automatic (delayed)\n" in shown.stdout
    assert door.ran == []
    call("--config", config, "service", "install")
    assert door.notes["connmon-agent"] == shown.stdout.replace("\r\n", "\n")


def test_one_that_was_ended_by_an_error_says_so(door: FakeServices, config: Path) -> None:
    call("--config", config, "service", "install")
    door.states["connmon-agent"] = FakeStatus(State.STOPPED, exit_code=1066, own_exit_code=75)
    status = call("service", "status")
    assert status.exit_code == 3
    assert "connmon-agent: stopped" in status.stdout and "Last result: error 75" in status.stdout


@pytest.mark.parametrize("force", [False, True])
def test_an_agent_that_was_started_by_hand_is_ended_only_by_force(
    door: FakeServices, config: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    ended: list[object] = []
    monkeypatch.setattr("connmon_agent.presence.find_agent", lambda folder: None if ended else 4711)
    monkeypatch.setattr("connmon_agent.cli.stop.stop_running", lambda folder, *, force: ended.append((folder, force)))
    monkeypatch.setattr("connmon_agent.cli.stop.describe", lambda stopped: "It ended.")
    installed = call("--config", config, "service", "install", *(["--force"] if force else []))
    assert installed.exit_code == (0 if force else 1)
    assert ended == ([(config.parent / "state", True)] if force else [])
    assert ("is running (pid 4711)" in installed.stderr) != force
    assert bool(door.services) == force


def test_a_service_that_its_manager_does_not_start_again_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, by `restart`, whatever its failure actions are."""
    helped: list[bool] = []
    after = Holder(8, "later", Signature(mode="service"))
    monkeypatch.setattr(stop, "MANAGER_PATIENCE", 0.0)
    monkeypatch.setattr("connmon_agent.presence.find_holder", lambda folder: after if helped else None)
    monkeypatch.setattr("connmon_agent.runtime.control.ask_agent", lambda *arguments, **options: {})
    stop._await_manager(tmp_path, Holder(7, "before", Signature(mode="service")), lambda: helped.append(True))
    assert helped == [True]


@pytest.mark.parametrize("registered", [False, True])
def test_stop_says_how_a_task_stays_down(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], registered: bool
) -> None:
    commands = FakeCommands(enabled={"connmon-agent"} if registered else set())
    monkeypatch.setattr(interface, "run_command", commands)
    stop._warn_of_scheduler()
    assert ("/DISABLE` to keep it stopped" in capsys.readouterr().err) == registered


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows has such accounts")
def test_a_users_password_is_asked_for_and_never_shown(door: FakeServices, config: Path) -> None:
    installed = call("--config", config, "service", "install", "--account", "anna", typed="geheim\n")
    assert door.passwords["connmon-agent"] == "geheim" or "given access" in installed.output  # no such user here
    assert "geheim" not in installed.output


@pytest.mark.parametrize(
    ("text", "reason"),
    [("start: {enabled: false}\n", "enabled is false"), ("link: {fall: many}\n", "link.fall: must be a whole number")],
)
def test_a_service_that_does_not_start_leaves_its_reason_and_is_left_down(
    config: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    manager = FakeManager()
    monkeypatch.setattr(windows_process, "_connect", lambda name: ServiceProcess(manager))
    config.write_text(f"state_dir: state\n{text}")
    started = call("--config", config, "start", "--service", "connmon-agent")
    assert started.exit_code == 2
    assert manager.reports[-1] == (State.STOPPED, 0, 0)
    assert reason in (config.parent / "state/logs/connection_monitor_launcher.log").read_text()


@pytest.mark.skipif(on_wine(), reason="Wine waits 10 s before it says so")
def test_the_hidden_start_is_refused_by_hand(config: Path) -> None:
    refused = call("--config", config, "start", "--service", "connmon-agent")
    assert (refused.exit_code, "was not started by Windows' service control manager" in refused.stderr) == (1, True)
