"""What Windows' control pipe is called and who may open it, by its text, on any system."""

from __future__ import annotations

import re

import pytest

from connmon_agent.runtime.control_transports.pipe_names import CLIENT_RIGHTS, describe_access, name_pipe

FOLDER = r"C:\ProgramData\connmon"
USER = "S-1-5-21-1-2-3-1001"


@pytest.mark.parametrize(
    "spelled",
    [r"c:\programdata\CONNMON", "C:/ProgramData/connmon", "C:\\ProgramData\\connmon\\", r"C:\ProgramData\x\..\connmon"],
)
def test_a_folder_has_one_pipe_however_it_is_spelled(spelled: str) -> None:
    assert name_pipe(spelled) == name_pipe(FOLDER)


@pytest.mark.parametrize(
    "other", [r"C:\ProgramData\connmon2", r"D:\ProgramData\connmon", "\\\\server\\share", "\udc80"]
)
def test_another_folder_has_another_pipe(other: str) -> None:
    assert name_pipe(other) != name_pipe(FOLDER)


def test_the_name_is_one_that_windows_takes() -> None:
    assert re.fullmatch(r"\\\\\.\\pipe\\connmon-agent-[0-9a-f]{32}", name_pipe(FOLDER + "\\deep" * 100))


def test_nobody_but_the_user_the_system_and_administrators_is_in_the_access_list() -> None:
    access = describe_access(USER)
    assert access.startswith("D:P("), "nothing is inherited"
    assert re.findall(r"\((\w+);;(\w+);;;([\w-]+)\)", access) == [
        ("A", f"{CLIENT_RIGHTS:#x}", "SY"),
        ("A", f"{CLIENT_RIGHTS:#x}", "BA"),
        ("A", "GA", USER),
    ]


def test_a_client_may_read_and_write_and_not_serve_the_name() -> None:
    read, write, create_instance = 0x1, 0x2, 0x4
    assert CLIENT_RIGHTS & (read | write | create_instance) == read | write
