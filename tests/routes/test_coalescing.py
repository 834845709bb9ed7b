from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from tests.fakes.virtual_time import run_virtually

from connmon_agent.routes.coalescing import Coalescer

SPACING = 0.05
LONG = 10.0


async def returns_of(marks: list[float], *, until: float) -> list[float]:
    """When ``wait`` returned, for marks at these times; both in seconds."""
    coalescer, loop = Coalescer(SPACING), asyncio.get_running_loop()
    returns = []

    async def wait_for_ever() -> None:
        while True:
            await coalescer.wait(LONG)
            returns.append(round(loop.time(), 3))

    waiting = asyncio.ensure_future(wait_for_ever())
    for mark in marks:
        loop.call_at(mark, coalescer.mark)
    await asyncio.sleep(until)
    waiting.cancel()
    return returns


@pytest.mark.parametrize(
    ("marks", "returns"),
    [
        pytest.param([1.0], [1.0, 1.05], id="the first is answered at once, and looked after once more"),
        pytest.param([1.0, 1.01, 1.02], [1.0, 1.05, 1.1], id="what comes within the spacing is one look"),
        pytest.param([1.0, 3.0], [1.0, 1.05, 3.0, 3.05], id="a pause makes the next one a first one"),
        pytest.param([], [], id="nothing happens"),
    ],
)
def test_marks_and_returns(marks: list[float], returns: list[float]) -> None:
    assert run_virtually(returns_of(marks, until=5.0)) == returns


def test_a_storm_is_looked_at_twenty_times_a_second() -> None:
    returns = run_virtually(returns_of([1.0 + number / 1000 for number in range(1000)], until=3.0))
    assert 20 <= len(returns) <= 22
    assert min(after - before for before, after in pairwise(returns)) >= 0.049


def test_without_a_mark_it_returns_after_the_longest_wait() -> None:
    assert run_virtually(returns_of([], until=25.0)) == [10.0, 20.0]
