"""Background tasks: whatever one fails with is reported, it is begun again, and its siblings know nothing of it."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.virtual_time import run_virtually

import connmon_agent
from connmon_agent.supervision import FIRST_PAUSE, LONGEST_PAUSE, PAUSE, SOUND, TASK, Tasks, cancel, supervise

PACKAGE = Path(connmon_agent.__file__).parent


def listen() -> list[dict[str, Any]]:
    """What the running loop is told of from now on."""
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    return reports


async def wait_for_something_cancelled() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.cancel)
    await future


async def fail(error: Exception) -> None:
    raise error


FAILURES: list[Any] = [
    pytest.param(lambda: fail(KeyError("web")), id="a mistake of ours"),
    pytest.param(lambda: fail(OSError(5, "Input/output error")), id="the system"),
    pytest.param(lambda: fail(RecursionError()), id="foreign data too deep"),
    pytest.param(lambda: fail(MemoryError()), id="no memory"),
    pytest.param(lambda: fail(asyncio.InvalidStateError()), id="asyncio's own"),
    pytest.param(wait_for_something_cancelled, id="what it waited for was cancelled"),
]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_task_that_fails_is_reported_and_begun_again_and_a_sibling_goes_on(
    failure: Callable[[], Awaitable[None]],
) -> None:
    async def story() -> None:
        reports, tasks, begun, beats = listen(), set[asyncio.Task[None]](), 0, 0

        async def work() -> None:
            nonlocal begun
            begun += 1
            if begun <= 3:
                await failure()
            await asyncio.Event().wait()

        async def beat() -> None:
            nonlocal beats
            while True:
                await asyncio.sleep(0.1)
                beats += 1

        supervise("the work", work, tasks=tasks)
        supervise("the sibling", beat, tasks=tasks)
        await asyncio.sleep(10.0)
        assert begun == 4
        assert [context[TASK] for context in reports] == ["the work"] * 3
        assert all(isinstance(context["exception"], BaseException) for context in reports)
        assert beats >= 99
        await cancel(tasks)
        assert not tasks

    run_virtually(story())


def test_the_pauses_grow_to_a_limit_and_begin_anew_after_sound_work() -> None:
    async def story() -> None:
        reports, tasks, lasts = listen(), set[asyncio.Task[None]](), [0.0] * 12 + [SOUND + 1.0] + [0.0] * 100

        async def work() -> None:
            await asyncio.sleep(lasts.pop(0))
            raise KeyError

        supervise("the work", work, tasks=tasks)
        while len(reports) < 14:
            await asyncio.sleep(1.0)
        pauses = [context[PAUSE] for context in reports]
        assert all(0.75 <= pause / (FIRST_PAUSE * 2**number) <= 1.25 for number, pause in enumerate(pauses[:6]))
        assert all(LONGEST_PAUSE * 0.75 <= pause <= LONGEST_PAUSE * 1.25 for pause in pauses[7:12])
        assert pauses[12] <= FIRST_PAUSE * 1.25
        await cancel(tasks)

    run_virtually(story())


@pytest.mark.parametrize("again", [True, False])
def test_work_that_ends_in_order_is_done(again: bool) -> None:
    async def story() -> None:
        reports, tasks, done = listen(), set[asyncio.Task[None]](), []
        await supervise("the work", lambda: _append(done), tasks=tasks, again=again)
        await asyncio.sleep(100.0)
        assert (done, reports, tasks) == ([1], [], set())

    run_virtually(story())


async def _append(done: list[int]) -> None:
    done.append(1)


def test_work_that_somebody_will_ask_for_anew_is_not_begun_again() -> None:
    async def story() -> None:
        reports, tasks = listen(), set[asyncio.Task[None]]()
        await supervise("the work", lambda: fail(KeyError("web")), tasks=tasks, again=False)
        assert [(context[TASK], context[PAUSE]) for context in reports] == [("the work", None)]

    run_virtually(story())


def test_cancelling_is_no_failure() -> None:
    async def story() -> None:
        reports = listen()
        tasks: Tasks = set()
        task = supervise("the work", asyncio.Event().wait, tasks=tasks)
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert reports == []

    run_virtually(story())


# Where a task is made by hand and awaited, or looked at when it is done, by the very code that makes it.
AWAITED = {
    "cli/demo.py",
    "forwards/checks.py",
    "forwards/connecting.py",
    "forwards/intakes.py",
    "forwards/listening.py",
    "forwards/relays.py",
    "forwards/seeking.py",
    "kube/mirrors.py",
    "probes/companions.py",
    "probes/network.py",
    "probes/own_load.py",
    "probes/prober.py",
    "probes/registries.py",
    "runtime/observers.py",
    "supervision.py",
}


def test_no_task_is_made_beside_the_supervision() -> None:
    """A new file is to use ``supervise``, or to await what it makes and say so here."""
    making = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if makes_tasks(path)}
    assert {name for name in making if not name.startswith("embedded/")} - AWAITED == set()


def makes_tasks(path: Path) -> bool:
    calls = (node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    names = {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}
    return bool(names & {"create_task", "ensure_future", "run_coroutine_threadsafe", "TaskGroup"})
