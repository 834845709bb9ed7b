"""Noticing that the state directory was removed or replaced while the agent runs.

An agent whose directory is gone remembers nothing, no command reaches it, and another one can start beside it.
PostgreSQL's postmaster ends for the same reason when it finds postmaster.pid gone or changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from ..errors import ConnmonError
from ..ports import Clock

INTERVAL = 10.0  # seconds between two looks; PostgreSQL's is a minute


class LockWatch:
    """Ends the agent once the lock that it holds is not that of its state directory any more.

    ``in_place`` tells whether it is, and may wait for a disk; ``end`` is called once, with the reason.
    """

    def __init__(
        self, folder: Path, in_place: Callable[[], bool], *, clock: Clock, end: Callable[[str], object]
    ) -> None:
        self._folder = folder
        self._in_place = in_place
        self._clock = clock
        self._end = end
        self._lost = False

    async def run(self) -> None:
        """Look until it is lost, or until cancelled."""
        while await asyncio.to_thread(self._in_place):
            await self._clock.sleep(INTERVAL)
        self._lost = True
        self._end("the state directory was removed or replaced")

    def raise_if_lost(self) -> None:
        """Raise ConnmonError where the agent has ended for this reason: its service manager is to start it again."""
        if self._lost:
            raise ConnmonError(
                f"the state directory {self._folder} was removed or replaced while the agent ran",
                hint="Put it back and start the agent again. Stop the agent before you move the directory",
            )
