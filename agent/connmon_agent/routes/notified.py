"""A watch that the operating system calls when something changes, in a thread of its own: Windows' IP helper."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from ..core.observations import Evidence
from .coalescing import Coalescer
from .netlink import SPACING
from .polling import POLL_INTERVAL

# Seconds after which there is a look without a call. A look takes microseconds, and a call that never comes, as where a
# driver tells of no carrier, must not cost ten seconds.
RECHECK_INTERVAL = 2.0

Subscribe = Callable[[Callable[[], None]], Callable[[], None]]


class NotifiedWatch:
    """The port ``LinkWatch``: ``read`` tells what there is; ``subscribe`` takes what is to be called when it may have
    changed, from any thread, and returns what ends that. Where it raises OSError there is a look every second.
    """

    def __init__(self, subscribe: Subscribe, read: Callable[[], Evidence]) -> None:
        self._subscribe = subscribe
        self._read = read
        self._looks = Coalescer(SPACING)
        self._end: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._interval = RECHECK_INTERVAL

    def read(self) -> Evidence:
        """What the operating system says now."""
        return self._read()

    async def changed(self) -> None:
        """Return when something may have changed, at most once in ``SPACING``."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            try:
                self._end = self._subscribe(self._hear)
            except OSError:
                self._interval = POLL_INTERVAL
        await self._looks.wait(self._interval)

    async def close(self) -> None:
        """End the subscription. That waits for calls under way, which only mark that there is something to look at."""
        end, self._end = self._end, None
        if end is not None:
            end()

    def _hear(self) -> None:
        """In a thread of the system's."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended in between
                self._loop.call_soon_threadsafe(self._looks.mark)
