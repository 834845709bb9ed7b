"""How this very Windows tells the agent to end: by its console, and by the end of its session."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

if sys.platform != "win32":
    pytest.skip("consoles and sessions of Windows", allow_module_level=True)

import ctypes
from queue import SimpleQueue

from tests.fakes.wine import on_wine

from connmon_agent.windows_api import endings

PATIENCE = 60.0  # seconds; for what takes none
# In a console of its own, because an event reaches every process of a console.
INTERRUPTED = """
import ctypes, queue
from connmon_agent.windows_api.endings import listen_to_console
told = queue.SimpleQueue()
listen_to_console(told.put)
for event in {events}:
    ctypes.WinDLL("kernel32").GenerateConsoleCtrlEvent(event, 0)
    print(told.get(timeout=60), flush=True)
"""


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> tuple[SimpleQueue[str], object]:
    """What is told, and what Windows calls, in a session of somebody who is logged on."""
    monkeypatch.setattr(endings, "_session", lambda: 1)
    told: SimpleQueue[str] = SimpleQueue()
    endings.listen_to_console(told.put)
    return told, endings._kept[-1]


def test_an_interrupted_console_ends_it_and_not_the_process() -> None:
    events = [0] if on_wine() else [0, 1]  # Wine knows no Ctrl+Break
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(events=events)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        creationflags=subprocess.CREATE_NO_WINDOW,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.splitlines() == ["Ctrl+C", "Ctrl+Break"][: len(events)]


@pytest.mark.parametrize(
    ("event", "why", "dies"),
    [
        (0, "Ctrl+C", False),
        (1, "Ctrl+Break", False),
        (2, "the console is closed", True),
        (5, "the user logs off", True),
        (6, "the machine shuts down", True),
    ],
)
def test_the_process_lives_on_until_it_has_ended_in_order(
    handler: tuple[SimpleQueue[str], object], event: int, why: str, dies: bool
) -> None:
    """Windows ends the process as soon as such an event is taken: so it is not taken before the end."""
    told, call = handler
    taking = threading.Thread(target=call, args=(event,), daemon=True)  # type: ignore[arg-type]
    taking.start()
    assert told.get(timeout=PATIENCE) == why
    if not dies:
        taking.join(PATIENCE)
    assert taking.is_alive() is dies


def test_what_nobody_knows_is_left_to_others(handler: tuple[SimpleQueue[str], object]) -> None:
    told, call = handler
    assert call(77) == 0  # type: ignore[operator]
    assert told.empty()


def test_a_service_goes_on_when_a_user_logs_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings, "_session", lambda: 0)
    told: SimpleQueue[str] = SimpleQueue()
    endings.listen_to_console(told.put)
    call = endings._kept[-1]
    assert call(5) == 1  # type: ignore[operator]
    assert told.empty()


def test_the_end_of_a_session_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    if on_wine():
        pytest.skip("Wine makes no window without a screen")
    monkeypatch.setattr(endings, "_session", lambda: 1)
    told: SimpleQueue[str] = SimpleQueue()
    endings.listen_to_session(told.put)
    user = ctypes.WinDLL("user32")
    while not (window := user.FindWindowW("connmon-agent", None)):
        pass
    assert user.SendMessageW(window, 0x0011, 0, 0) == 1
    user.PostMessageW(window, 0x0016, 1, 0)
    assert told.get(timeout=PATIENCE) == "the machine shuts down"
