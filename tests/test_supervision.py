"""Background tasks: whatever one fails with is reported, it is begun again, and its siblings know nothing of it."""

from __future__ import annotations

import ast
import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.virtual_time import run_virtually, until

import connmon_agent
from connmon_agent import supervision
from connmon_agent.supervision import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PAUSE,
    SOUND,
    TASK,
    Tasks,
    cancel,
    hear_threads,
    supervise,
    supervise_thread,
    watch_future,
)
from connmon_agent.threads import DaemonExecutor

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


@pytest.mark.parametrize("failure", FAILURES)
def test_who_waits_for_the_outcome_of_such_work_hears_of_any_failure(failure: Callable[[], Awaitable[None]]) -> None:
    async def story() -> None:
        heard: list[BaseException] = []
        reports, tasks = listen(), set[asyncio.Task[None]]()
        await supervise("the work", failure, tasks=tasks, again=False, failed=heard.append)
        assert heard == [context["exception"] for context in reports] and len(heard) == 1

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


# Where a task or a thread is made by hand, by file and function, and why it needs no supervision.
BY_HAND = {
    "cli/demo.py:_start": "the command itself waits for it, and ends with it",
    "notices/__main__.py:main": "a timer that ends the child, which does one thing and has no loop",
    "port_forwarding/checks.py:_ask": "awaited by the function, which takes its result",
    "port_forwarding/checks.py:_listen": "awaited by the function, which takes its result",
    "port_forwarding/intakes.py:receive": "one receive, awaited by every caller until one has its result",
    "port_forwarding/relays.py:run": "awaited by the function, which takes their failures",
    "port_forwarding/resolver.py:changed": "awaited by the function; each only waits for an event",
    "port_forwarding/informers.py:_run": "awaited by the supervised function, which catches all that a round raises",
    "probes/own_load.py:limit_fairly": "awaited by the function, which takes its result",
    "probes/prober.py:_ask": "awaited by the round that begins it, which takes its result",
    "probes/registries.py:ask": "awaited by everybody who asks for this registry meanwhile",
    "probes/lookups.py:_start_thread": "the thread hands whatever it raises to who waits",
    "routes/metered.py:_ask": "a timer that ends a program which does not answer, cancelled by the function",
    "runtime/deliveries.py:_send": "awaited by the supervised function, which takes its result and failure",
    "runtime/ending.py:_leave_at_last": "a timer that ends the process, where nothing else does any more",
    "runtime/waking.py:wait": "awaited by the function; it only waits for a time",
    "runtime/starter_pipe.py:wait_for_start": "a thread of the command, which waits for it",
    "service_managers/windows_process.py:serve": "begun before there is a loop; its death is heard by hear_threads",
    "staggered.py:race": "awaited by the function, which takes their results and failures",
    "store/threaded.py:__init__": "the thread hands whatever a call raises to who waits for it",
    "supervision.py:supervise": "the supervision",
    "supervision.py:supervise_thread": "the supervision",
    "threads.py:submit": "the thread hands whatever a call raises to its future",
    "windows_api/endings.py:listen_to_session": "the system's own conversation; its death is heard by hear_threads",
    "windows_api/service_host.py:__init__": "the system's own conversation, begun before there is a loop",
}
MAKERS = {
    "create_task",
    "ensure_future",
    "run_coroutine_threadsafe",
    "TaskGroup",
    "Thread",
    "start_new_thread",
}


def test_no_task_or_thread_is_made_beside_the_supervision() -> None:
    """New code is to use ``supervise`` or ``supervise_thread``, or to await what it makes and say so above."""
    found = {
        place
        for path in PACKAGE.rglob("*.py")
        for place in find_makers(path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == set(BY_HAND)


def find_makers(name: str, tree: ast.AST, function: str = "") -> set[str]:
    """``file:function`` of each call that makes a task or a thread."""
    found = set()
    for node in ast.iter_child_nodes(tree):
        inner = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if called.rpartition(".")[2] in MAKERS or called == "threading.Timer":
            found.add(f"{name}:{function}")
        found |= find_makers(name, node, inner)
    return found


@pytest.mark.parametrize("made", ["asyncio.create_task(x)", "threading.Thread(target=x)", "ensure_future(x)"])
def test_what_makes_one_is_found(made: str) -> None:
    assert find_makers("a.py", ast.parse(f"class A:\n  def f(self):\n    return {made}")) == {"a.py:f"}


def test_no_result_that_a_thread_owes_is_left_unwatched() -> None:
    """What a pool of threads is given is awaited, looked at, or watched: its failure is nobody's otherwise."""
    handled = ("wrap_future(", "watch_future(", "_waiting.append(")
    for path in PACKAGE.rglob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if ".submit(" in line:
                assert any(one in "".join(lines[number : number + 2]) for one in handled), f"{path.name}: {line}"


def live_with(story: Callable[[list[dict[str, Any]]], Awaitable[None]]) -> None:
    async def life() -> None:
        await story(listen())

    asyncio.run(life())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_is_reported_on_the_loop(capsys: pytest.CaptureFixture[str]) -> None:
    async def story(reports: list[dict[str, Any]]) -> None:
        with hear_threads(asyncio.get_running_loop()):
            thread = threading.Thread(target=lambda: {}["web"], name="session")
            thread.start()
            await asyncio.to_thread(thread.join)
            await until(lambda: bool(reports))
        assert [context[TASK] for context in reports] == ["the thread session"]
        assert isinstance(reports[0]["exception"], KeyError)

    before = threading.excepthook, sys.unraisablehook
    threading.excepthook = threading.__excepthook__
    live_with(story)
    assert threading.excepthook is threading.__excepthook__
    threading.excepthook = before[0]
    assert (threading.excepthook, sys.unraisablehook) == before
    assert capsys.readouterr().err == ""


def test_what_a_callback_of_the_system_raises_is_reported_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(reports: list[dict[str, Any]]) -> None:
        with hear_threads(asyncio.get_running_loop()):
            _FailsWhenCollected()
            await until(lambda: bool(reports))
        assert isinstance(reports[0]["exception"], KeyError)

    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    live_with(story)


class _FailsWhenCollected:
    def __del__(self) -> None:
        raise KeyError("web")


def test_a_supervised_thread_that_fails_is_reported_and_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.0)
    begun: list[str] = []

    def work() -> None:
        begun.append(threading.current_thread().name)
        if len(begun) <= 3:
            raise KeyError("web")

    async def story(reports: list[dict[str, Any]]) -> None:
        loop, ended = asyncio.get_running_loop(), threading.Event()
        thread = supervise_thread("the work", work, thread="worker", loop=loop, ended=ended)
        await asyncio.to_thread(thread.join)
        await until(lambda: len(reports) == 3)
        assert begun == ["worker"] * 4
        assert {context[TASK] for context in reports} == {"the work"}

    live_with(story)


def test_a_thread_that_has_failed_ends_when_it_is_not_wanted_any_more() -> None:
    ended = threading.Event()

    async def story(reports: list[dict[str, Any]]) -> None:
        loop = asyncio.get_running_loop()
        thread = supervise_thread("the work", lambda: {}["web"], thread="worker", loop=loop, ended=ended)
        await until(lambda: len(reports) == 1)
        ended.set()
        await asyncio.to_thread(thread.join)
        assert len(reports) == 1

    live_with(story)


def test_what_nobody_waits_for_in_a_pool_of_threads_is_reported() -> None:
    async def story(reports: list[dict[str, Any]]) -> None:
        pool = DaemonExecutor(1, "worker")
        watch_future("write the files", pool.submit(lambda: {}["web"]), asyncio.get_running_loop())
        watch_future("write the files", pool.submit(lambda: None), asyncio.get_running_loop())
        await until(lambda: bool(reports))
        pool.shutdown()
        assert [context[TASK] for context in reports] == ["write the files"]

    live_with(story)
