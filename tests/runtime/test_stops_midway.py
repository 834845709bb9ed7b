"""An agent that is stopped or killed at any instant of a recovery: the next one restarts nothing a second time.

``stop`` ends it in order, ``stop --force`` is a kill where that fails. CONNMON_STOPS=1000 tries so many stories.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest
from tests.fakes.sites import CALL, Site, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.events import Event
from connmon_agent.core.steps import Step, Transition

SERVICES = ("db", "web", "grafana")
STORIES = int(os.environ.get("CONNMON_STOPS", "12"))
RECOVERY = 40.0  # seconds from the link's return, in which everything is restarted where nothing comes between
FAULTS = ("", "", "", "no reply", "late", "lost")  # of restart requests


async def end_somehow(site: Site, draw: random.Random) -> str:
    """End the agent at an instant that is drawn: at a commit, about the sending of a restart, or at any other time."""
    way = draw.choice(("stop", "force", "before", "after"))
    if way in ("before", "after"):  # what a kill hits is most often the disk
        site.die_at(way, draw.choice((nth(draw.randint(1, 12)), restarts, settles)))
        await site.wait(draw.uniform(0.0, RECOVERY))
        await site.kill()
        site.disk.before = site.disk.after = None
        return way
    if draw.random() < 0.7:
        await a_restart_is_sent(site)
        await site.wait(draw.uniform(0.0, 2.0 * CALL))
    else:
        await site.wait(draw.uniform(0.0, RECOVERY))
    await (site.stop() if way == "stop" else site.kill())
    return way


def nth(number: int) -> Callable[[Event, Step], bool]:
    """The commit with that number from now on."""
    left = iter(range(number, 0, -1))
    return lambda event, step: next(left, 0) <= 1


def restarts(event: Event, step: Step) -> bool:
    """The commit of a decision to restart."""
    return bool(step.effects)


def settles(event: Event, step: Step) -> bool:
    """The commit of what came of one."""
    return bool(step.resolutions)


async def a_restart_is_sent(site: Site) -> None:
    """Return when the next request goes out, or none does in the time of a recovery."""
    sent = asyncio.Event()
    site.cluster.watches = [lambda restart: sent.set()]
    with suppress(TimeoutError):
        async with asyncio.timeout(RECOVERY):
            await sent.wait()
    site.cluster.watches = []


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
    possible: Counter[str] = Counter()
    for _ in range(draw.randint(1, 3)):
        possible[await end_somehow(site, draw)] += 1
        await site.wait(draw.choice((0.0, 1.0, 30.0)))
        await site.start()
    await site.until_link("ONLINE", within=3600.0)
    await site.wait(60.0)
    await site.stop()
    return site, possible


def is_doubt(transition: Transition) -> bool:
    """A start that found a restart under way, whose outcome no one recorded."""
    return transition.trigger == "agent_started" and transition.source == "RESTARTING"


@pytest.mark.parametrize("faults", [False, True], ids=["the cluster answers", "answers are lost"])
def test_nothing_is_restarted_twice_wherever_the_agent_ends(faults: bool) -> None:
    async def stories() -> None:
        possible: Counter[str] = Counter()
        doubts = 0
        for seed in range(STORIES):
            site, seen = await live(seed, faults=faults)
            possible += seen
            for name in SERVICES:
                tokens = site.cluster.workloads[name].tokens
                assert len(tokens) == 1, f"seed {seed}: {name} was restarted {len(tokens)} times"
            doubts += sum(
                is_doubt(transition) for commit in site.disk.commits for transition in commit.step.transitions
            )
        # The property proves something: agents ended while the outcome of a restart was not known.
        assert set(possible) == {"stop", "force", "before", "after"}
        assert doubts >= STORIES / 4

    run_virtually(stories())
