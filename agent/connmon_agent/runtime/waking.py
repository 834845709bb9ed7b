"""Waiting for an instant or for a change, whichever comes first: what an agent at rest does most."""

from __future__ import annotations

import asyncio

from ..ports import Clock


class Waking:
    """One loop's rest. It looks what is due after ``forget``, and then waits: a nudge in between is not lost."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """Tell that something changed."""
        self._nudged.set()

    def forget(self) -> None:
        """Forget the changes so far, which are about to be looked at."""
        self._nudged.clear()

    async def wait(self, seconds: float | None) -> None:
        """So long, or until a change (None: only that). One task at most."""
        if seconds is None:
            await self._nudged.wait()
            return
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        sleeping.add_done_callback(self._wake_up)
        try:
            await self._nudged.wait()
        finally:
            sleeping.remove_done_callback(self._wake_up)
            sleeping.cancel()

    def _wake_up(self, _: object) -> None:
        self._nudged.set()
