"""Installing with each service manager: what is written, what is left alone, and what remains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.service_managers.hosts import INSTALLATION, FakeCommands, a_host, for_user

from connmon_agent.errors import ConnmonError
from connmon_agent.seals import Ownership
from connmon_agent.service_managers.cron import Cron
from connmon_agent.service_managers.installing import inspect, install, uninstall
from connmon_agent.service_managers.interface import Host, Installation, ServiceManager
from connmon_agent.service_managers.launchd import Launchd
from connmon_agent.service_managers.registry import choose_manager
from connmon_agent.service_managers.systemd import Systemd
from connmon_agent.service_managers.unit_files import UnitFile

pytestmark = pytest.mark.linux_alone(reason="systemd, cron and launchd, with modes and paths of Unix")

FORMS_AND_WHOSE = [
    pytest.param(form, user, id=f"{form.name}{'-user' if user else ''}")  # type: ignore[attr-defined]
    for form in (Systemd, Cron, Launchd)
    for user in (False, True)
]
each = pytest.mark.parametrize(("form", "user"), FORMS_AND_WHOSE)
Form = Callable[[Host], ServiceManager]


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def wanted(user: bool) -> Installation:
    return for_user() if user else INSTALLATION


@each
def test_install_writes_what_show_prints(tmp_path: Path, form: Form, user: bool) -> None:
    commands = FakeCommands()
    manager = form(a_host(tmp_path, commands))
    assert install(manager, wanted(user)).changed
    unit = manager.unit(wanted(user))
    assert unit.place.read() == unit.text
    if isinstance(unit.place, UnitFile):
        written = {name: data for name, data in files(tmp_path).items() if not name.endswith(".catalog")}
        assert written == {str(unit.place.path.relative_to(tmp_path)): unit.text.encode()}
        assert unit.place.path.stat().st_mode & 0o777 == 0o644
    assert inspect(manager, unit)[0] is Ownership.OURS


@each
def test_a_second_install_changes_nothing(tmp_path: Path, form: Form, user: bool) -> None:
    commands = FakeCommands()
    manager = form(a_host(tmp_path, commands))
    install(manager, wanted(user))
    before, table = files(tmp_path), commands.table
    commands.ran.clear()
    again = install(manager, wanted(user))
    assert (again.changed, again.done, commands.changes) == (False, (), [])
    assert (files(tmp_path), commands.table) == (before, table)


@each
def test_another_configuration_replaces_the_unit(tmp_path: Path, form: Form, user: bool) -> None:
    commands = FakeCommands()
    manager = form(a_host(tmp_path, commands))
    install(manager, wanted(user))
    other = replace(wanted(user), command=("/opt/other/bin/connmon-agent",))
    assert install(manager, other).changed
    assert manager.unit(other).place.read() == manager.unit(other).text != manager.unit(wanted(user)).text


@each
def test_uninstall_leaves_nothing(tmp_path: Path, form: Form, user: bool) -> None:
    commands = FakeCommands(table="0 4 * * * backup\n")
    manager = form(a_host(tmp_path, commands))
    install(manager, wanted(user))
    assert uninstall(manager, wanted(user)).changed
    assert (files(tmp_path), commands.table) == ({}, "0 4 * * * backup\n")
    assert commands.active == commands.enabled == set()
    assert not uninstall(manager, wanted(user)).changed


@each
@pytest.mark.parametrize("edit", [lambda text: text + "# mine\n", lambda text: text.replace("start", "begin", 1)])
def test_what_a_person_changed_is_left_alone(
    tmp_path: Path, form: Form, user: bool, edit: Callable[[str], str]
) -> None:
    manager = form(a_host(tmp_path, FakeCommands()))
    install(manager, wanted(user))
    unit = manager.unit(wanted(user))
    unit.place.write(edit(unit.text))
    for attempt in (install, uninstall):
        with pytest.raises(ConnmonError, match=r"was edited after it was installed.*delete"):
            attempt(manager, wanted(user))
    assert unit.place.read() == edit(unit.text)
    assert inspect(manager, unit)[0] is Ownership.EDITED


@pytest.mark.parametrize("form", [Systemd, Cron, Launchd])
def test_a_unit_of_somebody_else_is_left_alone(tmp_path: Path, form: Form) -> None:
    commands = FakeCommands()
    manager = form(a_host(tmp_path, commands))
    unit = manager.unit(INSTALLATION)
    unit.place.write("[Unit]\nDescription=a monitor of our own\n")
    for attempt in (install, uninstall):
        with pytest.raises(ConnmonError, match=r"was not written by .*not changed.*Move it away"):
            attempt(manager, INSTALLATION)
    assert unit.place.read() == "[Unit]\nDescription=a monitor of our own\n"
    assert commands.changes == []
    assert inspect(manager, unit) == (Ownership.FOREIGN, None)


@each
def test_without_root_the_machine_is_left_alone(tmp_path: Path, form: Form, user: bool) -> None:
    manager = form(a_host(tmp_path, FakeCommands(), superuser=False))
    if user:
        assert install(manager, wanted(user)).changed
        return
    with pytest.raises(ConnmonError, match=r"needs root.*sudo.*--user"):
        install(manager, wanted(user))
    assert files(tmp_path) == {}


@pytest.mark.parametrize("form", [Systemd, Cron, Launchd])
def test_a_manager_that_is_not_there_is_named(tmp_path: Path, form: Form) -> None:
    manager = form(a_host(tmp_path, FakeCommands(), programs=False))
    with pytest.raises(ConnmonError, match=r"(is not running on|is not installed on) this machine"):
        install(manager, INSTALLATION)
    assert files(tmp_path) == {}


@pytest.mark.parametrize("form", [Systemd, Launchd])
def test_an_agent_that_was_started_by_hand_is_in_the_way(tmp_path: Path, form: Form) -> None:
    """The service would fail and be started again every second."""
    commands = FakeCommands()
    manager = form(a_host(tmp_path, commands))
    with pytest.raises(ConnmonError, match=r"manually started agent is running \(pid 7\).*connmon-agent stop"):
        install(manager, INSTALLATION, agent=7)
    assert (files(tmp_path), commands.changes) == ({}, [])
    install(manager, INSTALLATION)
    assert not install(manager, INSTALLATION, agent=7).changed  # it is the service's own


def test_cron_starts_nothing_now_so_that_no_agent_is_in_its_way(tmp_path: Path) -> None:
    assert install(Cron(a_host(tmp_path, FakeCommands())), INSTALLATION, agent=7).changed


class TestSystemd:
    def test_the_first_install_starts_it_now_and_at_boot(self, tmp_path: Path) -> None:
        commands = FakeCommands()
        outcome = install(Systemd(a_host(tmp_path, commands)), INSTALLATION)
        unit = "connmon-agent.service"
        assert commands.changes == [
            *(f"systemctl {words}" for words in ("daemon-reload", f"enable {unit}", f"start {unit}")),
            "journalctl --update-catalog",
        ]
        assert outcome.done == (
            f"Wrote {tmp_path}/etc/systemd/system/{unit}",
            f"Enabled {unit}: starts at boot",
            f"Started {unit}",
            f"Wrote {tmp_path}/usr/local/lib/systemd/catalog/connmon-agent.catalog: "
            "`journalctl -x` now explains the agent's messages",
        )

    def test_a_service_that_was_stopped_is_started(self, tmp_path: Path) -> None:
        commands = FakeCommands()
        manager = Systemd(a_host(tmp_path, commands))
        install(manager, INSTALLATION)
        commands.active.clear()
        assert install(manager, INSTALLATION).done == ("Started connmon-agent.service",)

    def test_a_new_unit_restarts_a_service_that_runs(self, tmp_path: Path) -> None:
        commands = FakeCommands()
        manager = Systemd(a_host(tmp_path, commands))
        install(manager, INSTALLATION)
        assert install(manager, replace(INSTALLATION, stop_timeout=9.0)).done[-1] == "Restarted connmon-agent.service"

    def test_a_service_that_does_not_start_says_why(self, tmp_path: Path) -> None:
        failing = {("systemctl", "start"): "Job failed", ("journalctl",): "Error: no kubeconfig"}
        manager = Systemd(a_host(tmp_path, FakeCommands(failing=failing)))
        with pytest.raises(ConnmonError, match=r"does not start.*\n.*no kubeconfig.*journalctl"):
            install(manager, INSTALLATION)

    def test_for_a_user_it_is_that_users_manager(self, tmp_path: Path) -> None:
        commands = FakeCommands()
        outcome = install(Systemd(a_host(tmp_path, commands, superuser=False)), for_user())
        assert outcome.done[0] == f"Wrote {tmp_path}/home/.config/systemd/user/connmon-agent.service"
        assert all(words[:2] == ("systemctl", "--user") for words in commands.ran)

    def test_a_user_without_a_session_is_told(self, tmp_path: Path) -> None:
        host = replace(a_host(tmp_path, FakeCommands(), superuser=False), environment={})
        with pytest.raises(ConnmonError, match=r"XDG_RUNTIME_DIR is not set.*Log in"):
            install(Systemd(host), for_user())

    def test_the_user_of_a_state_that_a_group_reads_is_made_once(self, tmp_path: Path) -> None:
        commands = FakeCommands()
        manager = Systemd(a_host(tmp_path, commands))
        installation = replace(INSTALLATION, state_group="adm")
        assert "Created the user connmon-agent" in install(manager, installation).done
        assert not install(manager, installation).changed
        assert commands.users == {"connmon-agent"}

    def test_instances_share_a_template_until_the_last_one_goes(self, tmp_path: Path) -> None:
        commands = FakeCommands()
        manager = Systemd(a_host(tmp_path, commands))
        one, two = (
            replace(INSTALLATION, instance=name, config=Path(f"/etc/connmon-agent/{name}.yaml")) for name in ("a", "b")
        )
        install(manager, one)
        template = tmp_path / "etc/systemd/system/connmon-agent@.service"
        assert not any("Wrote" in line for line in install(manager, two).done)
        assert commands.active == {"connmon-agent@a.service", "connmon-agent@b.service"}
        wants = template.parent / "multi-user.target.wants"
        wants.mkdir()
        (wants / "connmon-agent@b.service").symlink_to(template)
        uninstall(manager, one)
        assert template.exists()
        (wants / "connmon-agent@b.service").unlink()
        uninstall(manager, two)
        assert not template.exists()

    @pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", "%i", "a@b", "x" * 42])
    def test_a_name_that_systemd_would_not_take_is_refused(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ConnmonError, match="cannot name an instance"):
            Systemd(a_host(tmp_path, FakeCommands())).unit(replace(INSTALLATION, instance=name))


class TestCron:
    def test_the_users_own_lines_stay(self, tmp_path: Path) -> None:
        commands = FakeCommands(table="0 4 * * * backup\n")
        manager = Cron(a_host(tmp_path, commands))
        install(manager, for_user())
        assert commands.table is not None
        commands.table += "0 5 * * * later\n"
        install(manager, for_user(replace(INSTALLATION, config=Path("/srv/100%/c.yaml"))))
        lines = commands.table.splitlines()
        assert lines[0] == "0 4 * * * backup" and lines[-1] == "0 5 * * * later"
        assert [line for line in lines if line.startswith("@reboot")] == [
            "@reboot /opt/connmon-agent/bin/connmon-agent --config /srv/100\\%/c.yaml start --mode background"
            " >/dev/null 2>&1"
        ]

    def test_a_crontab_that_may_not_be_used_is_told(self, tmp_path: Path) -> None:
        failing = {("crontab",): "You (x) are not allowed to use this program"}
        with pytest.raises(ConnmonError, match=r"crontab cannot be read: You .*cron\.allow"):
            install(Cron(a_host(tmp_path, FakeCommands(failing=failing))), for_user())


class TestChoosing:
    def test_the_first_one_that_runs_is_taken(self, tmp_path: Path) -> None:
        host = a_host(tmp_path, FakeCommands())
        assert choose_manager("linux", host).name == "systemd"
        (tmp_path / "run/systemd/system").rmdir()
        assert choose_manager("linux", host).name == "cron"
        assert choose_manager("darwin", host).name == "launchd"
        assert choose_manager("linux", host, "systemd").name == "systemd"

    def test_where_none_runs_it_can_still_be_shown(self, tmp_path: Path) -> None:
        host = a_host(tmp_path, FakeCommands(), programs=False)
        with pytest.raises(ConnmonError, match=r"neither systemd nor cron is running.*--mode background"):
            choose_manager("linux", host)
        assert choose_manager("linux", host, absent=True).name == "systemd"

    def test_a_platform_without_a_form_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(ConnmonError, match=r"not supported on freebsd14"):
            choose_manager("freebsd14", a_host(tmp_path, FakeCommands()))

    def test_windows_has_a_service_of_its_own_and_tasks(self, tmp_path: Path) -> None:
        host = a_host(tmp_path, FakeCommands(), programs=False)
        assert choose_manager("win32", host).name == "windows-service"
        assert choose_manager("win32", host, "task-scheduler").name == "task-scheduler"

    def test_a_manager_of_another_platform_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConnmonError, match=r"no service manager launchd.*systemd, cron"):
            choose_manager("linux", a_host(tmp_path, FakeCommands()), "launchd")
