"""A cluster, a target or a local port that says megabytes: neither the disk, the log nor the world repeats them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.fakes.sites import Site, plan_of
from tests.fakes.soundness import Witness
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.events import Order
from connmon_agent.core.observations import Failure, ProbeResult
from connmon_agent.store.layout import EVENTS, STEPS, WORLDS, StepBody
from connmon_agent.texts import LONGEST_RECORD

GIANT = "y" * 1_000_000
MOST = 20_000  # bytes of an event, of a step, of the world: a few sentences for each of two services


def weigh(site: Site) -> dict[str, int]:
    """The greatest lengths of what the agent wrote and said."""
    commits = site.disk.commits
    return {
        "event": max(len(EVENTS.to_text(commit.event)) for commit in commits),
        "step": max(len(STEPS.to_text(StepBody.of(commit.step))) for commit in commits),
        "world": len(WORLDS.to_text(site.world)),
        "round": max((len(result.reason or "") for result in site.disk.results), default=0),
    }


async def cluster_that_cannot_tell(site: Site) -> None:
    site.cluster.unseen = ("server-error", GIANT)
    await site.start()
    await site.wait(30.0)


async def restart_that_is_refused(site: Site) -> None:
    site.cluster.refusals = [("forbidden", GIANT)] * 2
    await site.start()
    await site.live_through_outage()


async def target_that_says_much(site: Site) -> None:
    await site.start()
    await site.until_link("ONLINE")
    site.link.shows = tuple(
        ProbeResult(f"http http://192.0.2.{number}/", "http", False, 9.0, f"{number} {GIANT}", failure=Failure.WRONG)
        for number in range(20)
    )
    await site.until_link("OFFLINE")


async def order_of_somebody_with_a_long_name(site: Site) -> None:
    await site.start()
    await site.until_link("ONLINE")
    assert site.agent is not None
    await site.agent.obey(Order.PAUSE, (), GIANT)


async def end_for_a_long_reason(site: Site) -> None:
    await site.start()
    await site.until_link("ONLINE")
    assert site.agent is not None
    site.agent.end(GIANT)
    await site.wait(1.0)


@pytest.mark.parametrize(
    "story",
    [
        cluster_that_cannot_tell,
        restart_that_is_refused,
        target_that_says_much,
        order_of_somebody_with_a_long_name,
        end_for_a_long_reason,
    ],
    ids=lambda story: str(story.__name__),
)
def test_no_giant_gets_into_the_journal_the_world_or_the_log(story: object) -> None:
    async def live() -> None:
        plan = plan_of("web", "db")
        site = Site(replace(plan, recovery=replace(plan.recovery, backoff_first=1.0)))
        witness = Witness(site)
        await story(site)  # type: ignore[operator]  # each is one of the above
        weights = weigh(site)
        assert all(weight <= MOST for weight in weights.values()), weights
        assert max(len(record.text) for record in site.said) <= LONGEST_RECORD
        assert any("characters in all" in EVENTS.to_text(commit.event) for commit in site.disk.commits) or (
            any("characters in all" in (result.reason or "") for result in site.disk.results)
        )
        assert witness.testify() == []

    run_virtually(live())
