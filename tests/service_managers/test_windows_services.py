"""A service of Windows, from install to uninstall, on a service control manager that is a fake."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.service_managers.hosts import INSTALLATION, FakeCommands, a_host, for_user
from tests.service_managers.windows_machines import FakeServices, FakeStatus

from connmon_agent.errors import ConnmonError
from connmon_agent.service_managers.installing import inspect, install, uninstall
from connmon_agent.service_managers.interface import Installation, Ran, run_command
from connmon_agent.service_managers.windows_accounts import needs_password
from connmon_agent.service_managers.windows_commands import write_arguments
from connmon_agent.service_managers.windows_process import State
from connmon_agent.service_managers.windows_services import WindowsServices, find_service, start_stopped

NAME = "connmon-agent"
LOG = "2026-11-30 10:00:00 launcher[7]: start --mode service: link.fall: must be a number\n"


def a_manager(root: Path, door: FakeServices, *, superuser: bool = True) -> WindowsServices:
    return WindowsServices(a_host(root, FakeCommands(), superuser=superuser), door, sleep=lambda seconds: None)


def test_a_life(tmp_path: Path) -> None:
    door = FakeServices()
    manager = a_manager(tmp_path, door)
    first = install(manager, INSTALLATION)
    assert first.done == (f"Wrote the service {NAME}", f"Started {NAME}: starts at every boot")
    assert not install(manager, INSTALLATION).changed
    unit = manager.unit(INSTALLATION)
    _, condition = inspect(manager, unit)
    assert condition is not None and (condition.running, condition.pid, condition.at_boot) == (True, 7, True)
    assert condition.summary == f"{NAME}: running"
    changed = install(manager, replace(INSTALLATION, stop_timeout=30.0))
    assert changed.done == (f"Replaced the service {NAME}", f"Restarted {NAME}: starts at every boot")
    assert uninstall(manager, INSTALLATION).done == (f"Stopped {NAME}", f"Removed the service {NAME}")
    assert door.ran == ["create", "start", "change", "stop", "start", "stop", "delete"]
    assert not uninstall(manager, INSTALLATION).changed


def test_what_the_manager_is_given(tmp_path: Path) -> None:
    door = FakeServices()
    install(a_manager(tmp_path, door), replace(INSTALLATION, stop_timeout=20.0))
    described = door.described[NAME]
    assert described["delayed"] and described["preshutdown"] == 30_000 and described["delays"]
    assert door.services[NAME][2] == r"NT AUTHORITY\LocalService"
    assert door.services[NAME][1].endswith(" start --mode service --service connmon-agent")


@pytest.mark.parametrize(
    ("typed", "known", "asks"),
    [
        (None, r"NT AUTHORITY\LocalService", False),
        ("localservice", r"NT AUTHORITY\LocalService", False),
        ("NT AUTHORITY\\NetworkService", r"NT AUTHORITY\NetworkService", False),
        ("Local System", "LocalSystem", False),
        ("anna", r".\anna", True),
        (r"SITE\anna", r"SITE\anna", True),
        ("anna@site.example", "anna@site.example", True),
        (r"SITE\monitor$", r"SITE\monitor$", False),
    ],
)
def test_accounts(tmp_path: Path, typed: str | None, known: str, asks: bool) -> None:
    door = FakeServices()
    install(a_manager(tmp_path, door), replace(INSTALLATION, account=typed, password="geheim" if asks else None))
    assert door.services[NAME][2] == known
    assert typed is None or needs_password(typed) == asks
    assert door.passwords[NAME] == ("geheim" if asks else "")
    assert "geheim" not in door.notes[NAME] and "geheim" not in repr(replace(INSTALLATION, password="geheim"))


def test_a_service_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    door = FakeServices()
    door.create(NAME, "theirs", "C:\\nssm.exe", "LocalSystem", "")
    for do in (install, uninstall):
        with pytest.raises(ConnmonError, match=r"was not written by.*sc\.exe delete connmon-agent"):
            do(a_manager(tmp_path, door), INSTALLATION)
    assert door.services[NAME][0] == "theirs" and door.ran == ["create"]


def test_one_that_does_not_start_says_why(tmp_path: Path) -> None:
    log = tmp_path / "launcher.log"
    log.write_text(LOG)
    door = FakeServices(outcome=FakeStatus(State.STOPPED))
    with pytest.raises(ConnmonError, match=r"does not start. Last log lines:\n.*link.fall: must be a number"):
        install(a_manager(tmp_path, door), replace(INSTALLATION, log=log))


def test_what_windows_refuses_has_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConnmonError, match=r"Access is denied\. Open PowerShell as administrator"):
        install(a_manager(tmp_path, FakeServices(denies=True)), INSTALLATION)


def test_one_that_does_not_end_is_not_removed(tmp_path: Path) -> None:
    door = FakeServices()
    manager = a_manager(tmp_path, door)
    install(manager, INSTALLATION)
    door.looks = 10_000
    with pytest.raises(ConnmonError, match="did not stop within 180 s"):
        uninstall(manager, INSTALLATION)
    assert NAME in door.services


def test_refusals_name_the_way_that_works(tmp_path: Path) -> None:
    with pytest.raises(ConnmonError, match="--manager task-scheduler --user"):
        install(a_manager(tmp_path, FakeServices()), for_user())
    with pytest.raises(ConnmonError, match="as administrator"):
        install(a_manager(tmp_path, FakeServices(), superuser=False), INSTALLATION)
    with pytest.raises(ConnmonError, match="cannot name an instance"):
        install(a_manager(tmp_path, FakeServices()), replace(INSTALLATION, instance="a b"))
    with pytest.raises(ConnmonError, match="with % in it"):
        install(a_manager(tmp_path, FakeServices()), replace(INSTALLATION, config=Path("/x/50%/c.yaml")))


def test_the_service_of_a_process_is_started_only_where_it_is_stopped(tmp_path: Path) -> None:
    door = FakeServices()
    install(a_manager(tmp_path, door), replace(INSTALLATION, instance="branch"))
    name = f"{NAME}-branch"
    assert find_service(7, door) == name and find_service(8, door) is None
    start_stopped(name, door)
    assert door.ran == ["create", "start"]
    door.states[name] = FakeStatus()
    start_stopped(name, door)
    assert door.ran == ["create", "start", "start"]
    door.states[name], door.denies = FakeStatus(), True
    start_stopped(name, door)


# The command line is run as Windows runs it: without variables, from another directory.

ODD = Path("O'Brien & Söhne") / "connmon.yaml"


def run_command_line(installation: Installation, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = write_arguments(installation, *words)
    windows = sys.platform == "win32"
    environment = {"SystemRoot": r"C:\windows"} if windows else {}
    command = f'"{sys.executable}" {line}' if windows else [sys.executable, *shlex.split(line)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", errors="replace", check=False
    )


def test_what_the_interpreter_has_of_its_own_is_not_imported() -> None:
    """A virtual environment's interpreter may have other versions of the same packages."""
    assert write_arguments(INSTALLATION).startswith("-I -S -c ")


def test_the_command_line_works_from_anywhere_and_without_an_environment(tmp_path: Path) -> None:
    config = tmp_path / ODD
    config.parent.mkdir()
    config.write_text("link: {fall: many}\n")
    installation = replace(INSTALLATION, config=config, kubeconfig=tmp_path / "it's")
    done = run_command_line(installation, tmp_path, "config", "check")
    assert done.returncode == 2 and "link.fall" in done.stderr


def test_what_a_command_says_is_read_in_its_own_code_page() -> None:
    """A command of Windows writes umlauts in the code page of consoles."""
    coding = "oem" if sys.platform == "win32" else "utf-8"
    script = f"import sys; sys.stdout.buffer.write('Zugriff verweigert: für Söhne'.encode({coding!r})); sys.exit(3)"
    assert run_command([sys.executable, "-c", script]) == Ran(3, "Zugriff verweigert: für Söhne")
