"""Ending an agent from another process: who is asked, how, and who is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from connmon_agent.errors import ConnmonError, NotRunning
from connmon_agent.presence import LOCK_FILE, AgentLock, Signature, find_holder
from connmon_agent.processes import find_birth
from connmon_agent.runtime.stopping import NOT_LISTENING, SIGNED_WITHIN, Time, find_running, is_gone, stop_agent

STARTING = """
import sys
from pathlib import Path
from connmon_agent.presence import AgentLock, Signature
with AgentLock(Path(sys.argv[1]), signature=Signature("background", stop_timeout=60_000.0)):
    print("locked", flush=True)
    sys.stdin.read()
"""


@dataclass
class Watch:
    """A stopper's own time that passes only while it sleeps."""

    seconds: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    @property
    def time(self) -> Time:
        return Time(lambda: self.seconds, self.sleep)


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """An agent that has the lock, and still checks its state file: it does not listen."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTING, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_where_no_agent_runs_that_is_said_at_once(tmp_path: Path) -> None:
    watch = Watch()
    with pytest.raises(NotRunning, match="no agent is running on the state directory"):
        stop_agent(tmp_path, force=True, time=watch.time)
    assert watch.seconds == 0.0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.linux_alone(reason="a signal that ends in order")
def test_an_agent_that_starts_and_does_not_listen_is_asked_by_a_signal(
    tmp_path: Path, starting: subprocess.Popen[str]
) -> None:
    watch = Watch()
    stopped = stop_agent(tmp_path, time=watch.time)
    assert (stopped.holder.pid, stopped.forced) == (starting.pid, False)
    assert stopped.seconds >= NOT_LISTENING
    assert starting.wait() == -signal.SIGTERM


def test_a_command_that_records_an_order_is_waited_for_and_never_ended(tmp_path: Path) -> None:
    lock = AgentLock(tmp_path)
    lock.acquire()
    watch = Watch()

    def sleep(seconds: float) -> None:
        watch.sleep(seconds)
        if watch.seconds > 1.0:
            lock.release()

    with pytest.raises(NotRunning):
        stop_agent(tmp_path, force=True, time=Time(lambda: watch.seconds, sleep))


def test_a_holder_that_never_signs_is_named_and_left_alone(tmp_path: Path) -> None:
    watch = Watch()
    with AgentLock(tmp_path):
        with pytest.raises(ConnmonError, match=rf"an unidentified process \(pid {os.getpid()}\)"):
            stop_agent(tmp_path, force=True, time=watch.time)
        assert watch.seconds >= SIGNED_WITHIN


def test_an_agent_is_gone_once_its_lock_is_free_and_its_process_too(tmp_path: Path) -> None:
    with AgentLock(tmp_path, signature=Signature("foreground")):
        holder = find_running(tmp_path)
        assert not is_gone(tmp_path, holder)
    assert not is_gone(tmp_path, holder), "the lock is free, and the process lives"
    (tmp_path / LOCK_FILE).write_text("")
    with subprocess.Popen(
        [sys.executable, "-c", STARTING, str(tmp_path)], stdin=subprocess.PIPE, stdout=-1
    ) as next_one:
        assert next_one.stdout is not None and next_one.stdout.readline().split() == [b"locked"]
        found = find_holder(tmp_path)
        assert found is not None and found.birth == find_birth(next_one.pid)
        assert not is_gone(tmp_path, found)
        next_one.kill()
        next_one.wait()
    assert is_gone(tmp_path, found)
