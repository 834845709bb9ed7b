"""The units of the page: installed with the agent's, and gone with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests.service_managers.hosts import INSTALLATION, FakeCommands, a_host

from connmon_agent.errors import ConnmonError
from connmon_agent.service_managers.cron import Cron
from connmon_agent.service_managers.installing import inspect, install, uninstall
from connmon_agent.service_managers.page_units import SERVICE, SOCKET, write_page_service, write_socket
from connmon_agent.service_managers.systemd import Systemd
from connmon_agent.settings import WebSettings

pytestmark = pytest.mark.linux_alone(reason="units of systemd, with paths of Unix")

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")

PLAIN = WebSettings()
TOKEN = WebSettings(token_file=Path("/etc/connmon-agent/page.token"), allowed_hosts=("erp.example", "erp"))
WITH_PAGE = replace(INSTALLATION, web=PLAIN)
FOLDER = "etc/systemd/system"
AGENT = "connmon-agent.service"


def text_of(root: Path, name: str) -> str | None:
    path = root / FOLDER / name
    return path.read_text(encoding="utf-8") if path.exists() else None


def test_the_socket_listens_where_the_configuration_says() -> None:
    assert "ListenStream=127.0.0.1:9181\n" in write_socket(("127.0.0.1", 9181))
    assert "ListenStream=[::1]:80\n" in write_socket(("::1", 80))


def test_all_that_the_page_needs_is_on_its_command_line() -> None:
    lines = write_page_service(INSTALLATION, PLAIN).splitlines()
    (start,) = [line for line in lines if line.startswith("ExecStart=")]
    assert start == (
        "ExecStart=/opt/connmon-agent/bin/connmon-agent --state-dir /var/lib/connmon-agent web --idle-timeout 5m"
    )
    assert {"DynamicUser=yes", "User=connmon-agent", "StateDirectory=connmon-agent", "PrivateNetwork=yes"} < set(lines)
    assert not [line for line in lines if line.startswith("LoadCredential")]


def test_the_token_is_handed_over_and_the_names_are_listed() -> None:
    lines = write_page_service(INSTALLATION, TOKEN).splitlines()
    (start,) = [line for line in lines if line.startswith("ExecStart=")]
    assert start.endswith(
        "--allowed-host erp.example --allowed-host erp"
        " --token-file ${CREDENTIALS_DIRECTORY}/etc+connmon-agent+page.token"
    )
    assert "LoadCredential=etc+connmon-agent+page.token:/etc/connmon-agent/page.token" in lines


def test_a_users_page_reads_the_configuration_of_that_user() -> None:
    text = write_page_service(replace(INSTALLATION, user=True), TOKEN)
    assert "--config /etc/connmon-agent/connmon.yaml web --idle-timeout 5m" in text
    assert "--token-file /etc/connmon-agent/page.token\n" in text and "DynamicUser" not in text


def test_it_is_installed_with_the_agent_and_only_its_socket_is_started(tmp_path: Path) -> None:
    commands = FakeCommands()
    manager = Systemd(a_host(tmp_path, commands))
    outcome = install(manager, WITH_PAGE)
    assert f"Started {SOCKET}" in outcome.done and f"Enabled {SOCKET}: starts at boot" in outcome.done
    assert (text_of(tmp_path, SOCKET), text_of(tmp_path, SERVICE)) == (
        write_socket(("127.0.0.1", 9181)),
        write_page_service(WITH_PAGE, PLAIN),
    )
    assert commands.active == {AGENT, SOCKET} == commands.enabled
    commands.ran.clear()
    assert (install(manager, WITH_PAGE).done, commands.changes) == ((), [])


def test_another_place_restarts_the_page_and_not_the_agent(tmp_path: Path) -> None:
    commands = FakeCommands()
    manager = Systemd(a_host(tmp_path, commands))
    install(manager, WITH_PAGE)
    commands.ran.clear()
    install(manager, replace(INSTALLATION, web=WebSettings(listen=("127.0.0.1", 9999))))
    # A socket cannot be started anew while the service that it has started runs.
    assert commands.changes == ["systemctl daemon-reload", f"systemctl stop {SERVICE}", f"systemctl restart {SOCKET}"]


def test_where_it_is_not_wanted_any_more_it_goes(tmp_path: Path) -> None:
    commands = FakeCommands()
    manager = Systemd(a_host(tmp_path, commands))
    install(manager, WITH_PAGE)
    outcome = install(manager, INSTALLATION)
    assert [line for line in outcome.done if line.startswith("Removed")] == [
        f"Removed {tmp_path / FOLDER / name}" for name in (SOCKET, SERVICE)
    ]
    assert (text_of(tmp_path, SOCKET), text_of(tmp_path, SERVICE)) == (None, None)
    assert commands.active == {AGENT}


def test_uninstall_takes_it_away_whatever_the_configuration_says_now(tmp_path: Path) -> None:
    commands = FakeCommands()
    manager = Systemd(a_host(tmp_path, commands))
    install(manager, WITH_PAGE)
    assert uninstall(manager, INSTALLATION).changed
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert commands.active == commands.enabled == set()


def test_a_port_that_is_taken_costs_the_page_alone(tmp_path: Path) -> None:
    commands = FakeCommands(failing={("systemctl", "start", SOCKET): "address already in use"})
    outcome = install(Systemd(a_host(tmp_path, commands)), WITH_PAGE)
    assert f"Started {AGENT}" in outcome.done and commands.active == {AGENT}
    assert [trouble.startswith(f"{SOCKET} is installed but does not start") for trouble in outcome.troubles] == [True]


@pytest.mark.parametrize("name", [SOCKET, SERVICE])
def test_a_unit_of_the_page_that_a_person_changed_is_left_alone(tmp_path: Path, name: str) -> None:
    manager = Systemd(a_host(tmp_path, FakeCommands()))
    install(manager, WITH_PAGE)
    path = tmp_path / FOLDER / name
    path.write_text(path.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    for attempt in (install, uninstall):
        with pytest.raises(ConnmonError, match="was edited after it was installed"):
            attempt(manager, WITH_PAGE)
    assert (text_of(tmp_path, name) or "").endswith("# mine\n")


def test_status_says_where_the_page_is(tmp_path: Path) -> None:
    manager = Systemd(a_host(tmp_path, FakeCommands()))
    install(manager, WITH_PAGE)
    condition = inspect(manager, manager.unit(INSTALLATION))[1]
    assert condition is not None
    assert condition.details[-1] == f"Page: http://127.0.0.1:9181/, {SOCKET} is active"


def test_instances_and_other_managers_have_none(tmp_path: Path) -> None:
    host = a_host(tmp_path, FakeCommands())
    branch = replace(WITH_PAGE, instance="branch", config=Path("/etc/connmon-agent/branch.yaml"))
    assert Systemd(host).unit(branch).companions == () == Cron(host).unit(WITH_PAGE).companions


@needs_systemd
@pytest.mark.parametrize("web", [PLAIN, TOKEN], ids=["plain", "token"])
@pytest.mark.parametrize("user", [False, True])
def test_systemd_finds_nothing_wrong_with_them(tmp_path: Path, web: WebSettings, user: bool) -> None:
    program = tmp_path / "bin/connmon-agent"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    installation = replace(INSTALLATION, command=(str(program),), user=user)
    assert web.listen is not None
    for name, text in ((SOCKET, write_socket(web.listen)), (SERVICE, write_page_service(installation, web))):
        (tmp_path / name).write_text(text, encoding="utf-8")
    verified = subprocess.run(
        ["systemd-analyze", *(["--user"] if user else []), "verify", "--man=no", str(tmp_path / SOCKET)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert [line for line in verified.stderr.splitlines() if "connmon" in line] == []


@needs_systemd
def test_systemd_calls_the_page_well_protected(tmp_path: Path) -> None:
    (tmp_path / SERVICE).write_text(write_page_service(INSTALLATION, TOKEN), encoding="utf-8")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=12", str(tmp_path / SERVICE)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert judged.returncode == 0, judged.stdout[-300:] + judged.stderr
