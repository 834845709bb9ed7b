"""Whether the agent's event loop still turns, asked from another thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class LoopWatch:
    """Asks ``watched``, a loop of another thread. To be used on one loop, and not on the watched one.

    It costs nothing while nobody asks: there is no timer on the watched loop.
    """

    def __init__(self, watched: asyncio.AbstractEventLoop, *, now: Callable[[], float] = time.monotonic) -> None:
        self._watched = watched
        self._now = now
        self._asked = 0.0  # when it was asked what is not answered yet
        self._answer: asyncio.Future[float] | None = None  # None: it was not asked, or has answered

    async def ask(self, patience: float) -> float:
        """Seconds that the loop took to turn; where it has not turned, how long it has not so far.

        Waits until ``patience`` seconds have passed since the question that it owes an answer to.
        """
        if self._answer is None:
            self._ask()
        answer = self._answer
        assert answer is not None
        await asyncio.wait({answer}, timeout=max(0.0, self._asked + patience - self._now()))
        if not answer.done():
            return self._now() - self._asked
        self._answer = None
        return answer.result()

    def _ask(self) -> None:
        loop, asked = asyncio.get_running_loop(), self._now()
        answer: asyncio.Future[float] = loop.create_future()
        self._asked, self._answer = asked, answer

        def reply() -> None:
            lag = self._now() - asked
            try:
                loop.call_soon_threadsafe(answer.set_result, lag)
            except RuntimeError:  # the one who asked has ended
                return

        try:
            self._watched.call_soon_threadsafe(reply)
        except RuntimeError:  # the watched loop has ended: it turns no more
            return
