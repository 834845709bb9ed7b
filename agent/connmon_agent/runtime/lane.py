"""One thing after another: what decides must not overtake what was seen before it, however long the disk takes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ..errors import ConnmonError
from ..platform_terms import SYSTEM_LOG
from ..supervision import report

T = TypeVar("T")
Work = Callable[[], Awaitable[Any]]

# Works that wait at most, for a disk that does not answer: hours of rounds. What comes then is dropped.
MOST_WAITING = 10_000


class Lane:
    """Does one work after another, in the order in which they were given, while ``run`` runs in a task."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Work, asyncio.Future[Any] | None]] = deque()
        self._news = asyncio.Event()
        self.since: float | None = None  # the loop's time at which the work that is under way began; None: none is

    def post(self, work: Work) -> None:
        """Do it later, and report it where it fails."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append((work, None))
            self._news.set()

    async def do(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it in its turn; returns its result and raises what it raises. ConnmonError: it was dropped undone."""
        if len(self._waiting) >= MOST_WAITING:
            raise ConnmonError("the disk of the state file does not answer", hint=f"Check the disk and {SYSTEM_LOG}")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        self._news.set()
        return await done

    def drop(self, reason: str) -> None:
        """Forget what was not begun yet; whoever waits for it gets a ConnmonError with the reason."""
        while self._waiting:
            _, done = self._waiting.popleft()
            if done is not None and not done.done():
                done.set_exception(ConnmonError(reason))

    async def run(self) -> None:
        """Work until cancelled. A work that fails costs nothing but itself."""
        while True:
            while self._waiting:
                self.since = asyncio.get_running_loop().time()
                await _settle(*self._waiting.popleft())
            self.since = None
            self._news.clear()
            await self._news.wait()


async def _settle(work: Work, done: asyncio.Future[Any] | None) -> None:
    try:
        result = await work()
    except BaseException as error:
        if done is not None and not done.done():
            done.set_exception(error)
        elif isinstance(error, Exception):
            report("decide and record", error)
        if not isinstance(error, Exception):
            raise
    else:
        if done is not None and not done.done():
            done.set_result(result)
