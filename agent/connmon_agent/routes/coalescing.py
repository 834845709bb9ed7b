"""Few looks for many events."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress


class Coalescer:
    """Turns a storm of ``mark`` into returns of ``wait``, at least ``spacing`` seconds apart, the first one at once.

    The newest mark is answered by two returns: the kernel tells of a change before it has worked all of it off (an
    address goes, and then the routes that hang on it), so what was seen at once may still have been the old state.
    """

    def __init__(self, spacing: float) -> None:
        self._spacing = spacing
        self._marked = asyncio.Event()
        self._owed = 0
        self._earliest = -math.inf

    def mark(self) -> None:
        """Something happened."""
        self._owed = 2
        self._marked.set()

    async def wait(self, longest: float) -> None:
        """Return when something has happened, or after ``longest`` seconds without it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self._marked.wait()
        clock = asyncio.get_running_loop().time
        if (pause := self._earliest - clock()) > 0:
            await asyncio.sleep(pause)
        self._earliest = clock() + self._spacing
        self._owed = max(0, self._owed - 1)
        if not self._owed:
            self._marked.clear()
