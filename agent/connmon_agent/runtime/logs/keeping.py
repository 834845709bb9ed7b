"""What the log needs from time to time while the agent runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from ...core.observations import LogLoss
from ...errors import StoreError
from ...ports import Clock
from ...texts import make_safe
from .log import Log

INTERVAL = 5.0  # seconds


class LogKeeper:
    """Writes what was held back to be counted, and lets ``status`` show how many lines were dropped.

    ``note`` remembers that in the state file. Where that cannot be written, too, it is tried again.
    """

    def __init__(self, log: Log, *, clock: Clock, note: Callable[[LogLoss], Awaitable[None]]) -> None:
        self._log = log
        self._clock = clock
        self._note = note

    async def run(self) -> None:
        """Do so until cancelled."""
        noted = 0
        while True:
            now = self._clock.now()
            self._log.settle(now)
            loss = self._log.loss
            if loss.count != noted:
                with suppress(StoreError):  # the disk's failure is reported where it matters
                    await self._note(LogLoss(loss.count, make_safe(loss.reason), now))
                    noted = loss.count
            await self._clock.sleep(INTERVAL)
