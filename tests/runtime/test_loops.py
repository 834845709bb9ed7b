from __future__ import annotations

import asyncio
import itertools
import time

from connmon_agent.runtime.loops import run


def test_its_clock_tells_less_than_a_millisecond_apart() -> None:
    async def read() -> list[float]:
        loop, until = asyncio.get_running_loop(), time.perf_counter() + 0.05
        seen = []
        while time.perf_counter() < until or len(seen) < 1000:  # it may have stood still for as long
            seen.append(loop.time())
        return seen

    seen = run(read())
    steps = [after - before for before, after in itertools.pairwise(seen) if after > before]
    assert min(steps) < 0.0005


def test_timers_are_due_by_that_clock() -> None:
    async def wait() -> float:
        loop = asyncio.get_running_loop()
        due = loop.time() + 0.005
        reached: asyncio.Future[float] = loop.create_future()
        loop.call_at(due, lambda: reached.set_result(loop.time()))
        return await reached - due

    assert run(wait()) > -0.001
