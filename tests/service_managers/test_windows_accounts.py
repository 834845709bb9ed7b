"""What accounts of services may read and write, on this very Windows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("access lists of Windows", allow_module_level=True)

from tests.fakes.wine import on_wine

from connmon_agent.errors import ConnmonError
from connmon_agent.service_managers.windows_accounts import (
    LOCAL_SERVICE,
    grant_folders,
    list_unreadable,
    refuse_unreadable,
)
from connmon_agent.windows_api.access_lists import describe_file
from connmon_agent.windows_api.security import current_user, find_identifier, is_administrator, write_access


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A file for its owner alone, as a kubeconfig in a profile."""
    path = tmp_path / "config"
    path.write_text("secret")
    write_access(path, describe_file(current_user()))
    return path


def test_a_file_in_a_profile_is_closed_to_a_service(closed: Path) -> None:
    absent = closed.with_name("absent")
    assert list_unreadable(LOCAL_SERVICE, [closed, absent]) == [closed]
    assert list_unreadable("LocalSystem", [closed]) == []
    with pytest.raises(ConnmonError, match="cannot start connmon-agent: it cannot read"):
        refuse_unreadable(LOCAL_SERVICE, [closed])


def test_a_folder_that_is_granted_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "state"
    assert grant_folders([folder], LOCAL_SERVICE) == [f"{LOCAL_SERVICE} can now write to {folder}"]
    assert folder.is_dir()


@pytest.mark.skipif(
    on_wine(), reason="Wine keeps modes, not lists: nobody but the owner, his group and all can be in one"
)
def test_all_that_is_in_a_folder_is_open_to_the_account_that_it_is_granted_to(tmp_path: Path, closed: Path) -> None:
    grant_folders([tmp_path], LOCAL_SERVICE)
    assert list_unreadable(LOCAL_SERVICE, [closed]) == []
    assert grant_folders([tmp_path], LOCAL_SERVICE) == []


def test_an_account_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConnmonError, match=r"cannot give SITE\\nobody-of-this-name access to .*: [^.]*\. "):
        grant_folders([tmp_path], r"SITE\nobody-of-this-name")
    assert list_unreadable(r"SITE\nobody-of-this-name", [tmp_path]) == []


def test_names_have_identifiers() -> None:
    assert find_identifier("Everyone") == "S-1-1-0"
    assert isinstance(is_administrator(), bool)
