"""The agent's own work must not look like a slow or dead link: while its thread computes, no answer can be taken.

At the start of an agent with hundreds of services its one thread is busy for longer than a short timeout. What is
measured is the processor time of that thread, not how late a timer is: it stands still while the thread waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

# From this share of a probe's time limit, and from so many seconds on, its latency tells of the agent, not of the link.
# To load the certificate authorities takes less.
SHARE, LEAST = 0.2, 0.1
# Seconds that a probe gets back at most: an agent that stands still for longer was blind
# (core.link.monitoring_gaps.GAP_AFTER).
MOST = 5.0


class OwnLoad:
    """How much of the time since it was made this thread has computed."""

    def __init__(self) -> None:
        self._began = self._looked = time.thread_time()

    def spoils(self, limit: float) -> bool:
        """Whether it was much beside a probe's time ``limit`` (seconds), which then has measured the agent itself."""
        return time.thread_time() - self._began >= max(LEAST, SHARE * limit)

    def take(self) -> float:
        """Processor seconds since the last call, or since it was made."""
        before, self._looked = self._looked, time.thread_time()
        return self._looked - before


async def limit_fairly(work: Coroutine[Any, Any, None], limit: float) -> None:
    """Do ``work`` for at most ``limit`` seconds, and as long again as the thread computed meanwhile, if that was much.

    Raises TimeoutError, and whatever ``work`` raises.
    """
    load, wait, given_back = OwnLoad(), limit, 0.0
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait([task], timeout=wait))[0]:
            used = min(load.take(), MOST - given_back)
            if used < max(LEAST, SHARE * wait):
                raise TimeoutError
            wait, given_back = used, given_back + used
        task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
