"""The command that installs: what it prints and how it ends."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.service_managers.hosts import FakeCommands, a_host

from connmon_agent.cli import connmon_agent, service
from connmon_agent.service_managers import planning
from connmon_agent.service_managers.registry import FORMS

of_linux = pytest.mark.linux_alone(reason="services of systemd, cron and launchd, with paths of Unix")


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    """This machine, with a systemd that is not its own."""
    commands = FakeCommands()
    monkeypatch.setattr(service, "_host", lambda: a_host(tmp_path, commands))
    monkeypatch.setattr(planning, "refuse_unreachable", lambda paths, *, remedy: None)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", "")
    return commands


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "connmon.yaml"
    path.write_text("services: {web: {}}\n")
    return path


def call(*words: object) -> Result:
    return CliRunner().invoke(connmon_agent, [str(word) for word in words])


@of_linux
def test_show_prints_byte_for_byte_what_install_writes(tmp_path: Path, commands: FakeCommands, config: Path) -> None:
    shown = call("--config", config, "service", "show")
    assert shown.exit_code == 0
    assert commands.ran == [] and not (tmp_path / "etc").exists()
    assert call("--config", config, "service", "install").exit_code == 0
    assert (tmp_path / "etc/systemd/system/connmon-agent.service").read_bytes() == shown.stdout_bytes


@of_linux
def test_a_life(commands: FakeCommands, config: Path) -> None:
    absent = call("service", "status")
    assert (absent.exit_code, "not installed. Run `connmon-agent service install`" in absent.stdout) == (3, True)
    first = call("--config", config, "service", "install")
    assert first.exit_code == 0 and "Started connmon-agent.service." in first.stdout.splitlines()
    assert "Note: The service cannot reach the cluster" in first.stderr
    again = call("--config", config, "service", "install")
    assert again.stdout == "Nothing to change: installed and running.\n"
    status = call("service", "status")
    assert status.exit_code == 0
    assert status.stdout.splitlines()[0] == "connmon-agent.service: active (x), pid 7"
    assert "  Status: ONLINE: good" in status.stdout
    commands.active.clear()
    assert call("service", "status").exit_code == 3
    gone = call("service", "uninstall")
    assert gone.exit_code == 0 and gone.stdout.endswith("State and logs are kept.\n")
    assert call("service", "uninstall").stdout == "Nothing to change: not installed.\n"


@of_linux
def test_uninstall_and_status_need_no_configuration_that_can_be_read(commands: FakeCommands, config: Path) -> None:
    assert call("--config", config, "service", "install").exit_code == 0
    config.write_text("nonsense: [")
    assert call("--config", config, "service", "status").exit_code == 0
    assert call("--config", config, "service", "uninstall").exit_code == 0


@of_linux
@pytest.mark.parametrize("verb", ["install", "show"])
def test_a_configuration_that_cannot_be_used_is_refused_with_its_mistakes(
    tmp_path: Path, commands: FakeCommands, config: Path, verb: str
) -> None:
    config.write_text("link: {fall: many}\n")
    for named in (config, tmp_path / "missing.yaml"):
        refused = call("--config", named, "service", verb)
        assert (refused.exit_code, refused.stdout, str(named) in refused.stderr) == (2, "", True)
    without = call("service", verb)
    assert (without.exit_code, "no configuration file" in without.stderr) == (1, True)
    assert commands.ran == []


@of_linux
def test_an_instance_reads_the_file_of_its_name(commands: FakeCommands, config: Path) -> None:
    missing = call("service", "show", "--instance", "branch")
    assert (missing.exit_code, "/etc/connmon-agent/branch.yaml" in missing.stderr) == (2, True)


@pytest.mark.linux_alone(reason="where an account cannot be chosen")
def test_an_account_is_for_windows(commands: FakeCommands, config: Path) -> None:
    refused = call("--config", config, "service", "install", "--account", "LocalService")
    assert (refused.exit_code, "--account works on Windows only" in refused.stderr) == (1, True)


def test_every_service_manager_can_be_named() -> None:
    """The option lists the names without importing the forms."""
    assert [form.name for forms in FORMS.values() for form in forms] == list(service.MANAGERS)
