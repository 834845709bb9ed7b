"""A program in the background on this very Windows: no console of its starter, no window, a group of its own."""

from __future__ import annotations

import os
import sys

import pytest

if sys.platform != "win32":
    pytest.skip("consoles and groups of processes as Windows has them", allow_module_level=True)

import subprocess

from connmon_agent import processes

# Whether it has a window, and whether it shares a console with the process whose id is the argument.
LOOK = """
import ctypes, sys
kernel = ctypes.WinDLL("kernel32")
kernel.GetConsoleWindow.restype = ctypes.c_void_p
members = (ctypes.c_uint32 * 64)()
count = kernel.GetConsoleProcessList(members, 64)
window = kernel.GetConsoleWindow()
print(bool(window and ctypes.WinDLL("user32").IsWindowVisible(window)), int(sys.argv[1]) in members[:count])
"""


def test_it_has_no_window_and_not_the_console_of_its_starter() -> None:
    process = processes.spawn_detached([sys.executable, "-c", LOOK, str(os.getpid())], os.environ)
    said, _ = process.communicate(timeout=60)
    assert said.decode().split() == ["False", "False"]


def test_a_starter_whose_job_lets_nothing_out_starts_it_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    popen, asked = subprocess.Popen, []

    def start(*arguments: object, creationflags: int, **settings: object) -> object:
        asked.append(creationflags)
        if creationflags & subprocess.CREATE_BREAKAWAY_FROM_JOB:
            raise PermissionError(13, "Access is denied")
        return popen(*arguments, creationflags=creationflags, **settings)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", start)
    process = processes.spawn_detached([sys.executable, "-c", "print(7)"], os.environ)
    assert process.communicate(timeout=60)[0].split() == [b"7"]
    assert all(flags & subprocess.CREATE_NEW_PROCESS_GROUP for flags in asked) and len(asked) == 2
