"""The service control manager of this very Windows, with a service that is never started."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from uuid import uuid4

import pytest

if sys.platform != "win32":
    pytest.skip("the service control manager is Windows'", allow_module_level=True)

import winreg

from connmon_agent.windows_api import services

NAME = f"connmon-test-{uuid4().hex[:12]}"  # what an interrupted run left has another
COMMAND = r'"C:\Program Files\Python\python.exe" -c "a(\"b\")" --config "C:\O\'Brien & Söhne"'
ACCOUNT = r"NT AUTHORITY\LocalService"


@pytest.fixture
def made() -> Iterator[str]:
    services.create(NAME, "Test of connmon-agent", COMMAND, ACCOUNT, "")
    yield NAME
    services.delete(NAME)
    assert services.query_status(NAME) is None


def test_one_that_is_not_there() -> None:
    absent = f"{NAME}-absent"
    assert services.query_status(absent) is None and services.query_configuration(absent) is None
    assert services.read_note(absent) is None
    for do in (services.start, services.stop, services.delete):
        with pytest.raises(OSError) as raised:
            do(absent)
        assert raised.value.winerror == 1060  # ERROR_SERVICE_DOES_NOT_EXIST


def test_what_was_made_is_there(made: str) -> None:
    assert services.query_configuration(made) == (COMMAND, ACCOUNT, True)
    status = services.query_status(made)
    assert status is not None and (status.state, status.pid) == (1, 0)
    services.change(made, "Another name", "C:\\x.exe", "LocalSystem", "")
    assert services.query_configuration(made) == ("C:\\x.exe", "LocalSystem", True)


def test_names_are_found_by_their_beginning(made: str) -> None:
    assert services.list_names(made.upper()[:-1]).count(made) == 1
    assert services.list_names(f"{made}-absent") == []


def test_what_is_noted_goes_with_it(made: str) -> None:
    services.write_note(made, "Söhne\nzwei")
    assert services.read_note(made) == "Söhne\nzwei"


def test_what_is_not_known_is_named(made: str) -> None:
    unknown = services.describe(
        made, "Söhne", delays=(1000, 10_000), reset_period=600, preshutdown=15_000, delayed=True
    )
    assert set(unknown) <= {"a delayed start", "failure actions after an error"}
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, rf"SYSTEM\CurrentControlSet\Services\{made}") as key:
        assert winreg.QueryValueEx(key, "Description")[0] == "Söhne"
        assert winreg.QueryValueEx(key, "PreshutdownTimeout")[0] == 15_000


def test_one_that_is_started_twice_or_stopped_while_it_is_stopped_is_refused(made: str) -> None:
    with pytest.raises(OSError) as raised:
        services.stop(made)
    assert raised.value.winerror == 1062  # ERROR_SERVICE_NOT_ACTIVE
