"""The event loop that the agent runs on: asyncio's own, with a clock that is fine enough to measure a link by.

asyncio takes Python's monotonic clock, which goes in steps of 15.6 ms on Windows (GetTickCount64): each target that
answers sooner would have a latency of 0 or 15.6 ms. The performance counter goes in steps of 100 ns.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")

if sys.platform == "win32":

    class _FineLoop(asyncio.ProactorEventLoop):
        def __init__(self) -> None:
            super().__init__()
            self._clock_resolution = time.get_clock_info("perf_counter").resolution  # how early a timer may be

        def time(self) -> float:
            return time.perf_counter()


def make_loop() -> asyncio.AbstractEventLoop:
    """A new loop, whose ``time`` goes in steps of less than a millisecond."""
    if sys.platform == "win32":
        return _FineLoop()
    return asyncio.new_event_loop()


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """As ``asyncio.run``, on such a loop."""
    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(main)
