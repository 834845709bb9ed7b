"""Waiting for an instant or for a change."""

from __future__ import annotations

import asyncio

from tests.fakes.virtual_time import SimulatedClock, run_virtually

from connmon_agent.runtime.waking import Waking


def waited(seconds: float | None, *, nudged: float | None = None, before: bool = False) -> float:
    """Seconds of virtual time until it woke; nudged after so many, or before it began to wait."""

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        waking = Waking(SimulatedClock())
        waking.nudge()
        waking.forget()
        if before:
            waking.nudge()
        if nudged is not None:
            loop.call_later(nudged, waking.nudge)
        begun = loop.time()
        await waking.wait(seconds)
        return loop.time() - begun

    return run_virtually(scenario())


def test_it_waits_for_the_instant() -> None:
    assert waited(60.0) == 60.0


def test_a_change_comes_first_and_ends_a_wait_without_an_instant() -> None:
    assert waited(60.0, nudged=5.0) == 5.0
    assert waited(None, nudged=5.0) == 5.0


def test_a_change_between_the_look_and_the_wait_is_not_lost() -> None:
    assert waited(60.0, before=True) == 0.0
