"""Whole lives of a site under every blow at once. CONNMON_SIMULATE=600 goes on with new seeds for 600 seconds."""

from __future__ import annotations

import os
import time
from functools import cache

import pytest
from tests.fakes.fates import Fate, Verdict
from tests.fakes.virtual_time import run_virtually

SEEDS = range(4)
DAYS = 0.2  # of blows, about 30 of them; then peace, in which everything must settle


@cache
def live(seed: int, days: float) -> Verdict:
    async def life() -> Verdict:
        return await Fate(seed, days).live()

    return run_virtually(life())


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_nothing_is_restarted_twice_and_everything_settles(seed: int) -> None:
    verdict = live(seed, DAYS)
    assert not verdict.faults, str(verdict)


def test_the_same_seed_lives_the_same_life() -> None:
    assert live(1, 0.05) == live.__wrapped__(1, 0.05)


def test_the_blows_reach_the_cluster() -> None:
    """The simulation proves something: restarts happen in it, and so do commits."""
    verdicts = [live(seed, DAYS) for seed in SEEDS]
    assert sum(verdict.restarts for verdict in verdicts) > 2 * len(verdicts)
    assert sum(verdict.commits for verdict in verdicts) > 60 * len(verdicts)


@pytest.mark.skipif("CONNMON_SIMULATE" not in os.environ, reason="CONNMON_SIMULATE=seconds asks for more seeds")
def test_as_many_lives_as_there_is_time_for(capsys: pytest.CaptureFixture[str]) -> None:
    seconds, began, days = float(os.environ.get("CONNMON_SIMULATE", "0")), time.monotonic(), 0.0
    seed = int(began * 1000)
    while time.monotonic() - began < seconds:
        seed, days = seed + 1, days + 0.5
        verdict = live.__wrapped__(seed, 0.5)
        assert not verdict.faults, str(verdict)
    with capsys.disabled():
        print(f"{days / (time.monotonic() - began) * 60:.0f} simulated days a minute, {days:.0f} days, no fault")
