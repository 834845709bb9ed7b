"""The catalog of the journal beside the unit: for the machine, once, and gone with the last service."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.service_managers.hosts import INSTALLATION, FakeCommands, a_host, for_user

from connmon_agent.message_catalog import catalog_text
from connmon_agent.service_managers.catalogs import FOLDER
from connmon_agent.service_managers.installing import install, uninstall
from connmon_agent.service_managers.systemd import Systemd


def test_it_comes_with_a_service_of_the_machine_and_goes_with_the_last_one(tmp_path: Path) -> None:
    manager = Systemd(a_host(tmp_path, FakeCommands()))
    file = tmp_path / FOLDER / "connmon-agent.catalog"
    install(manager, INSTALLATION)
    assert file.read_text() == catalog_text()
    (tmp_path / "etc/systemd/system/connmon-agent@.service").write_text("of another instance")
    uninstall(manager, INSTALLATION)
    assert file.exists()
    (tmp_path / "etc/systemd/system/connmon-agent@.service").unlink()
    install(manager, INSTALLATION)
    uninstall(manager, INSTALLATION)
    assert not file.exists()


def test_a_service_of_a_user_has_none(tmp_path: Path) -> None:
    install(Systemd(a_host(tmp_path, FakeCommands(), superuser=False)), for_user())
    assert not (tmp_path / FOLDER).exists()


def test_a_file_that_is_not_ours_stays(tmp_path: Path) -> None:
    manager = Systemd(a_host(tmp_path, FakeCommands()))
    (tmp_path / FOLDER).mkdir(parents=True)
    file = tmp_path / FOLDER / "connmon-agent.catalog"
    file.write_text("somebody else's")
    install(manager, INSTALLATION)
    uninstall(manager, INSTALLATION)
    assert file.read_text() == "somebody else's"


@pytest.mark.parametrize("obstacle", ["usr", "usr/local/lib"])
def test_where_it_cannot_be_written_the_service_is_installed_all_the_same(tmp_path: Path, obstacle: str) -> None:
    (tmp_path / obstacle).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / obstacle).write_text("a file where a folder should be")
    assert install(Systemd(a_host(tmp_path, FakeCommands())), INSTALLATION).changed


def test_a_journal_that_does_not_take_it_fails_nothing(tmp_path: Path) -> None:
    commands = FakeCommands(failing={("journalctl",): "no such option"})
    assert install(Systemd(a_host(tmp_path, commands)), INSTALLATION).changed
