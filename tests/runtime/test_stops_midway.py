"""An agent that is stopped or killed at any instant of a recovery: the next one restarts nothing a second time.

``stop`` ends it in order, ``stop --force`` is a kill where that fails. CONNMON_STOPS=1000 tries so many stories.
"""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest
from tests.fakes.sites import Site, plan_of
from tests.fakes.virtual_time import run_virtually

SERVICES = ("db", "web", "grafana")
STORIES = int(os.environ.get("CONNMON_STOPS", "12"))
RECOVERY = 40.0  # seconds from the link's return, in which everything is restarted where nothing comes between
FAULTS = ("", "", "", "no reply", "late", "lost")  # of restart requests


async def end_somehow(site: Site, draw: random.Random) -> str:
    """End the agent at an instant that is drawn: between two commits, or at one of them."""
    way = draw.choice(("stop", "force", "before", "after"))
    if way in ("before", "after"):  # what a kill hits is most often the disk
        left = draw.randint(1, 12)

        def is_next(event: object, step: object) -> bool:
            nonlocal left
            left -= 1
            return left <= 0

        site.die_at(way, is_next)
        await site.wait(draw.uniform(0.0, RECOVERY))
        await site.kill()
        site.disk.before = site.disk.after = None
    else:
        await site.wait(draw.uniform(0.0, RECOVERY))
        await (site.stop() if way == "stop" else site.kill())
    return way


async def live(seed: int, *, faults: bool) -> tuple[Site, Counter[str]]:
    """An outage, and a recovery in which the agent is ended up to three times; returns once everything is settled."""
    draw = random.Random(seed)
    site = Site(plan_of(*SERVICES, depends_on={"web": ("db",)}))
    await site.start()
    await site.lose_link()
    await site.wait(20.0)
    if faults:
        site.cluster.faults = [draw.choice(FAULTS) for _ in range(4)]
    site.link.up = True
    ways: Counter[str] = Counter()
    for _ in range(draw.randint(1, 3)):
        ways[await end_somehow(site, draw)] += 1
        await site.wait(draw.choice((0.0, 1.0, 30.0)))
        await site.start()
    await site.until_link("ONLINE", within=3600.0)
    await site.wait(60.0)
    await site.stop()
    return site, ways


@pytest.mark.parametrize("faults", [False, True], ids=["the cluster answers", "answers are lost"])
def test_nothing_is_restarted_twice_wherever_the_agent_ends(faults: bool) -> None:
    async def stories() -> None:
        ways: Counter[str] = Counter()
        for seed in range(STORIES):
            site, seen = await live(seed, faults=faults)
            ways += seen
            for name in SERVICES:
                tokens = site.cluster.workloads[name].tokens
                assert len(tokens) == len(set(tokens)), f"seed {seed}: an attempt of {name} was applied twice"
                assert faults or len(tokens) == 1, f"seed {seed}: {name} was restarted {len(tokens)} times"
                attempts = {effect.token for commit in site.disk.commits for effect in commit.step.effects}
                assert set(tokens) <= attempts, f"seed {seed}: {name} was restarted without a decision on record"
        assert set(ways) == {"stop", "force", "before", "after"}  # the property proves something

    run_virtually(stories())
