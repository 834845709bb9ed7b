"""The starter's end of the pipe: ready, a reason, or a bounded time; never a wait without end."""

from __future__ import annotations

import locale
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, cast

import pytest

from connmon_agent.processes import find_birth, spawn_detached
from connmon_agent.runtime.starter_pipe import MARK, Failed, Started, wait_for_start

READY = MARK.decode() + '{"ready": "ONLINE: all well", "pid": 7, "log": "/x/y.log"}'
LATE = "import time; time.sleep(600)"
# It leaves a child behind that holds the pipe, and ends.
ORPHAN = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(2)"], stdout=sys.stdout, stderr=sys.stderr)
print("gone")
sys.exit(4)
"""
KILLED = 9 if sys.platform == "win32" else -9  # Windows knows no signals, only codes


def outcome_of(script: str, *, patience: float = 60.0) -> Started | Failed:
    process = spawn_detached([sys.executable, "-c", script], dict(os.environ))
    try:
        return wait_for_start(process, patience=patience)
    finally:
        process.kill()
        process.wait()
        for thread in threading.enumerate():  # which closes the pipe now
            if thread.name == "starter":
                thread.join()


def test_an_agent_that_is_ready_is_not_waited_for_any_longer() -> None:
    assert outcome_of(f"print('a warning'); print({READY!r}, flush=True); {LATE}") == Started(
        7, "ONLINE: all well", "/x/y.log"
    )


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        pytest.param("import sys; sys.exit('Error: no room')", 1, "Error: no room", id="with its reason"),
        pytest.param("import sys; sys.exit(2)", 2, "", id="without a word"),
        pytest.param("pass", 0, "", id="as if all were well"),
        pytest.param("import os; os.kill(os.getpid(), 9)", KILLED, "", id="by a signal"),
        pytest.param("import os; os.close(1); os.close(2); os._exit(3)", 3, "", id="after closing the pipe"),
        pytest.param("[print('y' * 99) for _ in range(9999)]", 0, None, id="noisy"),
    ],
)
def test_an_agent_that_ends_before_it_is_ready_is_passed_on(script: str, code: int, words: str | None) -> None:
    failed = outcome_of(script)
    assert isinstance(failed, Failed)
    assert failed.code == code
    assert failed.words == words if words is not None else len(failed.words) < 80_000


def test_its_reason_may_be_in_the_encoding_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locale, "getencoding", lambda: "cp1252")
    assert outcome_of("import os; os.write(1, b'Error: B\\xfcro')") == Failed(0, "Error: Büro")


def test_what_an_ended_agent_left_behind_does_not_hold_up_its_starter() -> None:
    assert outcome_of(ORPHAN) == Failed(4, "gone")


def test_an_agent_that_hangs_is_reported_after_a_bounded_time_and_killed(tmp_path: Path) -> None:
    note = f"import os; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
    logs = f'print({MARK.decode()!r} + \'{{"logs": "/x"}}\', flush=True)'
    for patience in (1.0, 5.0, 25.0):
        failed = outcome_of(f"{note}; {logs}; print('begun', flush=True); {LATE}", patience=patience)
        if failed != Failed(None, ""):  # an interpreter that has not begun yet
            break
    assert failed == Failed(None, "begun", "/x")
    assert find_birth(int((tmp_path / "pid").read_text())) is None


def test_an_agent_that_asks_for_time_gets_it() -> None:
    reading, writing = os.pipe()
    process = FakeProcess(os.fdopen(reading, "rb"))
    with os.fdopen(writing, "wb", buffering=0) as agent:
        agent.write(MARK + b'{"extend": 600}\n')
        late = threading.Timer(2.5, agent.write, (f"{READY}\n".encode(),))
        late.start()
        outcome = wait_for_start(cast("subprocess.Popen[bytes]", process), patience=2.0)
        late.join()
    assert isinstance(outcome, Started) and not process.killed
    for thread in threading.enumerate():  # which closes the pipe now
        if thread.name == "starter":
            thread.join()


class FakeProcess:
    """One that is alive, with the agent's end of the pipe in the test's hands: an interpreter needs time to start."""

    def __init__(self, stdout: IO[bytes]) -> None:
        self.stdout = stdout
        self.killed = False

    def poll(self) -> None:
        return None

    def kill(self) -> None:
        self.killed = True

    def wait(self) -> int:
        return 0
