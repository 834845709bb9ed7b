"""Where nobody tells of changes, there is a look every second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..core.observations import Evidence

POLL_INTERVAL = 1.0  # seconds


class PollingWatch:
    """The port ``LinkWatch`` on systems without netlink."""

    def __init__(self, read: Callable[[], Evidence]) -> None:
        self._read = read

    def read(self) -> Evidence:
        """What the operating system says now."""
        return self._read()

    async def changed(self) -> None:
        """Return in a second: something may have changed by then."""
        await asyncio.sleep(POLL_INTERVAL)

    async def close(self) -> None:
        """There is nothing to let go of."""
