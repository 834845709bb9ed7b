"""Background tasks: one that fails is reported and begun again, and takes neither the loop nor its siblings with it.

Reports go to the event loop's exception handler. asyncio itself reports there what a callback or a protocol raises, and
``hear_threads`` what a thread dies of, so that nothing that fails unforeseen is missed; whoever runs the loop decides
what is done with it.
"""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between a failure and the next attempt
SOUND = 60.0  # seconds of work after which a failure counts as the first one
TASK = "connmon_task"  # the key in the handler's context: the name of the task that failed
PAUSE = "connmon_pause"  # the key in the handler's context: seconds until it is begun again (None: it is not)

Tasks = set[asyncio.Task[None]]


def supervise(
    name: str,
    work: Callable[[], Awaitable[object]],
    *,
    tasks: Tasks,
    again: bool = True,
    failed: Callable[[BaseException], object] | None = None,
) -> asyncio.Task[None]:
    """Do ``work`` in a task of its own, which ``tasks`` holds for as long as it runs.

    ``name`` says what it does, in words for the log. Whatever it raises is reported and goes no further. With
    ``again`` it is begun again after a pause that grows from ``FIRST_PAUSE`` to ``LONGEST_PAUSE``, until it ends in
    order or the task is cancelled; without, for work that somebody will ask for anew, the failure ends it, and
    ``failed`` is called with it, where somebody waits for an outcome (None: nobody does).
    """
    task = asyncio.create_task(_repeat(name, work) if again else _do_once(name, work, failed), name=name)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


def supervise_thread(
    name: str, work: Callable[[], object], *, thread: str, loop: asyncio.AbstractEventLoop, ended: threading.Event
) -> threading.Thread:
    """Do ``work`` in a daemon thread called ``thread``, begun at once; the same rules as for ``supervise``, again.

    Whatever it raises is reported on ``loop``. Nothing is begun again once ``ended`` is set.
    """
    made = threading.Thread(target=_repeat_in_thread, args=(name, work, loop, ended), name=thread, daemon=True)
    made.start()
    return made


def report(name: str, error: BaseException, *, pause: float | None = None) -> None:
    """Tell the loop's exception handler that ``name`` failed. ``pause``: seconds until it is tried again."""
    asyncio.get_running_loop().call_exception_handler(_describe(name, error, pause))


def report_from_thread(
    loop: asyncio.AbstractEventLoop, name: str, error: BaseException, *, pause: float | None = None
) -> None:
    """The same on ``loop``, from any thread; where that loop has ended, there is nobody to report to."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(loop.call_exception_handler, _describe(name, error, pause))


def watch_future(name: str, future: Future[Any], loop: asyncio.AbstractEventLoop) -> None:
    """Report on ``loop`` what a thread's ``future`` fails with, whose result nobody waits for."""

    def look(done: Future[Any]) -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None:
            report_from_thread(loop, name, error)

    future.add_done_callback(look)


@contextmanager
def hear_threads(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Within, what a thread dies of, and what a callback of the system or a finalizer raises, is reported on ``loop``.

    Python's own hooks would write it to stderr, which may be somebody's terminal. Those of others, as of a test runner,
    are called as well.
    """
    before = threading.excepthook, sys.unraisablehook

    def hear_thread(raised: threading.ExceptHookArgs) -> None:
        if raised.exc_value is not None:
            name = "a thread" if raised.thread is None else f"the thread {raised.thread.name}"
            report_from_thread(loop, name, raised.exc_value)
        if before[0] is not threading.__excepthook__:
            before[0](raised)

    def hear_callback(raised: sys.UnraisableHookArgs) -> None:
        if raised.exc_value is not None:
            report_from_thread(loop, raised.err_msg or "a callback or finalizer", raised.exc_value)
        if before[1] is not sys.__unraisablehook__:
            before[1](raised)

    threading.excepthook, sys.unraisablehook = hear_thread, hear_callback
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = before


async def cancel(tasks: Tasks, *, patience: float | None = None) -> None:
    """Cancel the tasks, and return when they have ended, or after ``patience`` seconds (None: only then)."""
    ending = list(tasks)
    for task in ending:
        task.cancel()
    if ending:
        await asyncio.wait(ending, timeout=patience)


async def _repeat(name: str, work: Callable[[], Awaitable[object]]) -> None:
    now, failures = asyncio.get_running_loop().time, 0
    while True:
        began = now()
        error = await _attempt(work)
        if error is None:
            return
        failures = 1 if now() - began >= SOUND else failures + 1
        pause = _choose_pause(failures)
        report(name, error, pause=pause)
        await asyncio.sleep(pause)


def _repeat_in_thread(
    name: str, work: Callable[[], object], loop: asyncio.AbstractEventLoop, ended: threading.Event
) -> None:
    failures = 0
    while True:
        began = time.monotonic()
        try:
            work()
            return
        except Exception as error:
            failures = 1 if time.monotonic() - began >= SOUND else failures + 1
            pause = _choose_pause(failures)
            report_from_thread(loop, name, error, pause=pause)
        if ended.wait(pause):
            return


def _choose_pause(failures: int) -> float:
    """Seconds until the next attempt, after so many failures in a row."""
    return min(FIRST_PAUSE * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE) * (0.75 + random.random() / 2)


def _describe(name: str, error: BaseException, pause: float | None) -> dict[str, Any]:
    return {"message": f"{name} failed", "exception": error, TASK: name, PAUSE: pause}


async def _do_once(
    name: str, work: Callable[[], Awaitable[object]], failed: Callable[[BaseException], object] | None
) -> None:
    error = await _attempt(work)
    if error is not None:
        report(name, error)
        if failed is not None:
            failed(error)


async def _attempt(work: Callable[[], Awaitable[object]]) -> BaseException | None:
    """What the work failed with; None: it ended in order. Raises CancelledError where this very task is cancelled."""
    try:
        await work()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return error  # what it waited for was cancelled: without this it would be gone without a word
    except Exception as error:
        return error
    return None
