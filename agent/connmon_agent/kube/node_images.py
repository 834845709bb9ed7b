"""The nodes' images, asked for once for all services that want to know them at about the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

KEPT = 30.0  # seconds; each node tells of its images every 10 s or seldomer, and their list may have a megabyte


class NodeImages:
    """What ``ask`` finds: the images that some node has; None where the role withholds them."""

    def __init__(self, ask: Callable[[], Awaitable[frozenset[str] | None]]) -> None:
        self._ask = ask
        self._found: frozenset[str] | None = None
        self._at: float | None = None  # when they were found, in the loop's time; None: they were not
        self._lock = asyncio.Lock()

    async def images(self) -> frozenset[str] | None:
        """The images, at most ``KEPT`` seconds old. Raises what ``ask`` raises, and remembers nothing then."""
        async with self._lock:  # who comes while they are asked for waits for the same answer
            now = asyncio.get_running_loop().time()
            if self._at is None or now - self._at >= KEPT:
                self._found, self._at = await self._ask(), now
            return self._found
