"""Threads that hold nobody up."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import connmon_agent
from connmon_agent import threads
from connmon_agent.threads import DaemonExecutor

SOURCE_ROOT = Path(connmon_agent.__file__).parents[1]
PATIENCE = 60.0  # seconds; only a test that fails waits so long


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hanging work waits for, until the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_results_and_errors_come_back() -> None:
    executor = DaemonExecutor(2, "test")
    assert [executor.submit(pow, 2, number).result(PATIENCE) for number in range(10)] == [2**n for n in range(10)]
    with pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 1, 0).result(PATIENCE)
    executor.shutdown()


def test_one_thread_does_everything_in_order(gate: threading.Event) -> None:
    executor, done = DaemonExecutor(1, "test"), []
    executor.submit(gate.wait)
    works = [executor.submit(done.append, number) for number in range(50)]
    gate.set()
    works[-1].result(PATIENCE)
    assert done == list(range(50))
    executor.shutdown()


def test_as_many_work_at_once_as_are_allowed_and_no_more(gate: threading.Event) -> None:
    executor = DaemonExecutor(3, "test")
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait(PATIENCE)
        gate.wait()

    hanging = [executor.submit(work) for _ in range(3)]
    barrier.wait(PATIENCE)  # all three are under way
    last = executor.submit(int)
    assert not last.running() and not last.done()
    gate.set()
    assert last.result(PATIENCE) == 0
    assert all(each.result(PATIENCE) is None for each in hanging)
    executor.shutdown()


def test_a_thread_that_ended_for_want_of_work_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "IDLE", 0.0)
    executor = DaemonExecutor(1, "test")
    for number in range(200):
        assert executor.submit(int, number).result(PATIENCE) == number
    executor.shutdown()


def test_shutdown_waits_for_nobody_and_drops_what_is_not_begun(gate: threading.Event) -> None:
    executor, begun = DaemonExecutor(1, "test"), threading.Event()

    def work() -> bool:
        begun.set()
        return gate.wait(PATIENCE)

    hanging, waiting = executor.submit(work), executor.submit(int)
    begun.wait(PATIENCE)
    executor.shutdown(wait=True, cancel_futures=True)
    assert (hanging.done(), waiting.cancelled()) == (False, True)
    with pytest.raises(RuntimeError):
        executor.submit(int)


HANGING = """
import asyncio, threading
from connmon_agent.threads import DaemonExecutor

async def main():
    loop = asyncio.get_running_loop()
    loop.set_default_executor(DaemonExecutor(4, "test"))
    begun = asyncio.Event()
    def hang():
        loop.call_soon_threadsafe(begun.set)
        threading.Event().wait()
    for _ in range(4):
        loop.run_in_executor(None, hang)
    other = DaemonExecutor(1, "other")
    other.submit(hang)
    await begun.wait()

asyncio.run(main())
print("ended")
"""


def test_a_process_ends_while_its_threads_hang() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HANGING],
        env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, "ended"), ended.stderr
