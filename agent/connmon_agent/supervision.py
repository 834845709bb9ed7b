"""Background tasks: one that fails is reported and begun again, and takes neither the loop nor its siblings with it.

Reports go to the event loop's exception handler. asyncio itself reports there what a callback or a protocol raises, so
that nothing that fails unforeseen is missed; whoever runs the loop decides what is done with it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between a failure and the next attempt
SOUND = 60.0  # seconds of work after which a failure counts as the first one
TASK = "connmon_task"  # the key in the handler's context: the name of the task that failed
PAUSE = "connmon_pause"  # the key in the handler's context: seconds until it is begun again (None: it is not)

Tasks = set[asyncio.Task[None]]


def supervise(
    name: str, work: Callable[[], Awaitable[object]], *, tasks: Tasks, again: bool = True
) -> asyncio.Task[None]:
    """Do ``work`` in a task of its own, which ``tasks`` holds for as long as it runs.

    ``name`` says what it does, in words for the log. Whatever it raises is reported and goes no further. With
    ``again`` it is begun again after a pause that grows from ``FIRST_PAUSE`` to ``LONGEST_PAUSE``, until it ends in
    order or the task is cancelled; without, for work that somebody will ask for anew, the failure ends it.
    """
    task = asyncio.create_task(_repeat(name, work) if again else _do_once(name, work), name=name)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


def report(name: str, error: BaseException, *, pause: float | None = None) -> None:
    """Tell the loop's exception handler that ``name`` failed. ``pause``: seconds until it is tried again."""
    asyncio.get_running_loop().call_exception_handler(
        {"message": f"{name} failed", "exception": error, TASK: name, PAUSE: pause}
    )


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
        pause = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE) * (0.75 + random.random() / 2)
        report(name, error, pause=pause)
        await asyncio.sleep(pause)


async def _do_once(name: str, work: Callable[[], Awaitable[object]]) -> None:
    error = await _attempt(work)
    if error is not None:
        report(name, error)


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
