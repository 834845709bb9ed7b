"""Threads for what blocks: none of them keeps the process from ending, whatever it waits for.

``concurrent.futures`` joins its threads when the interpreter ends, and ``asyncio.run`` those of its default executor:
a lookup whose name server is silent, a credential plugin that hangs or a disk that does not answer would hold the end
of the agent for as long as they like.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, ParamSpec, TypeVar

IDLE = 10.0  # seconds after which a thread without work ends

_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Work(NamedTuple):
    future: Future[Any]
    call: Callable[[], Any]


class DaemonExecutor(ThreadPoolExecutor):
    """Runs what it is given in at most ``most`` daemon threads, in the order in which it came.

    It is a ThreadPoolExecutor by name only, because an event loop takes no other as its default one. ``shutdown`` never
    waits: what is under way is left to itself.
    """

    def __init__(self, most: int, name: str) -> None:
        super().__init__(most, thread_name_prefix=name)
        self._most = most
        self._name = name
        self._works: SimpleQueue[_Work | None] = SimpleQueue()
        self._guard = threading.Lock()
        self._count = 0  # threads that live
        self._free = 0  # of them, those that wait for work, less the works that wait for them
        self._ended = False

    def submit(self, call: Callable[_P, _T], /, *args: _P.args, **named: _P.kwargs) -> Future[_T]:
        """See ``concurrent.futures.Executor``. Raises RuntimeError after ``shutdown``."""
        future: Future[_T] = Future()
        with self._guard:
            if self._ended:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._works.put(_Work(future, lambda: call(*args, **named)))
            self._free -= 1
            if self._free < 0 and self._count < self._most:
                self._count += 1
                self._free += 1
                threading.Thread(target=self._work_off, name=self._name, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work, and drop what nobody has begun where ``cancel_futures``. Never waits."""
        with self._guard:
            self._ended = True
            while cancel_futures:
                try:
                    work = self._works.get_nowait()
                except Empty:
                    break
                if work is not None:
                    work.future.cancel()
            for _ in range(self._count):
                self._works.put(None)

    def _work_off(self) -> None:
        while (work := self._next()) is not None:
            if work.future.set_running_or_notify_cancel():
                try:
                    result = work.call()
                except BaseException as error:
                    work.future.set_exception(error)
                else:
                    work.future.set_result(result)
            with self._guard:
                self._free += 1
            del work  # it may hold what nobody else needs any more

    def _next(self) -> _Work | None:
        """The next work; None: there was none for a while, or there is no more, and the thread ends."""
        try:
            work = self._works.get(timeout=IDLE)
        except Empty:
            with self._guard:
                if not self._works.empty():  # it came at this very moment
                    return self._works.get()
                self._count -= 1
                self._free -= 1
                return None
        if work is None:
            with self._guard:
                self._count -= 1
        return work
