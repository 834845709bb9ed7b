"""The agent's files on Windows: an access list instead of modes. Wine makes modes of it, and tells them back."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("access lists are Windows'", allow_module_level=True)

from connmon_agent.presence import LOCK_FILE, AgentLock
from connmon_agent.private_files import is_open_to_anybody, make_folder, open_private, take_back
from connmon_agent.windows_api.security import current_user, read_access, write_access

EVERYBODY = "D:P(A;OICI;FA;;;WD)"


def test_a_folder_that_is_made_is_the_users_alone(tmp_path: Path) -> None:
    make_folder(tmp_path / "state")
    assert not is_open_to_anybody(tmp_path / "state")
    assert current_user() in read_access(tmp_path / "state")


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    write_access(tmp_path, EVERYBODY)
    make_folder(tmp_path)
    assert is_open_to_anybody(tmp_path)


@pytest.mark.parametrize("name", ["state.db", "größe.db"])
def test_a_file_is_the_users_alone_in_whatever_folder(tmp_path: Path, name: str) -> None:
    write_access(tmp_path, EVERYBODY)
    os.close(open_private(tmp_path / name, os.O_RDWR))
    assert not is_open_to_anybody(tmp_path / name)
    (tmp_path / name).write_text("it can be written still")


def test_the_rights_of_others_are_taken_back(tmp_path: Path) -> None:
    file = tmp_path / "old"
    file.write_text("of an older agent")
    write_access(file, EVERYBODY)
    take_back(file)
    assert not is_open_to_anybody(file)
    assert file.read_text() == "of an older agent"


def test_a_file_that_is_not_there_harms_nobody(tmp_path: Path) -> None:
    take_back(tmp_path / "none")
    assert not is_open_to_anybody(tmp_path / "none")


def test_the_lock_of_an_agent_is_its_users_alone(tmp_path: Path) -> None:
    with AgentLock(tmp_path):
        assert not is_open_to_anybody(tmp_path / LOCK_FILE)
