"""The agent that did not watch for a while, in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from tests.fakes.sites import Site, Workload, plan_of
from tests.fakes.soundness import Witness
from tests.fakes.virtual_time import VirtualLoop, run_virtually

from connmon_agent.core.events import MonitoringGapEnded, RoundFinished
from connmon_agent.core.plan import AfterGap, Plan


def stand_still(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.stand_still(seconds)


def restarting(plan: Plan) -> Plan:
    return replace(plan, link=replace(plan.link, after_gap=AfterGap.RESTART))


def blind_events(site: Site) -> list[str]:
    return [commit.event.cause for commit in site.disk.commits if isinstance(commit.event, MonitoringGapEnded)]


def moves_of(site: Site, instance: str) -> list[str]:
    return [
        f"{one.source} -> {one.dest}"
        for commit in site.disk.commits
        for one in commit.step.transitions
        if one.instance == instance
    ]


async def watch_calmly(site: Site) -> Witness:
    witness = Witness(site)
    await site.start()
    await site.until_link("ONLINE")
    await site.wait(30.0)
    return witness


def test_after_a_sleep_everything_is_looked_at_and_nothing_restarted() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        witness = await watch_calmly(site)
        site.clock.asleep += 7200.0
        await site.until_link("DEGRADED", within=3.0)
        await site.until_link("ONLINE", within=5.0)
        assert moves_of(site, "web")[-2:] == ["READY -> UNKNOWN", "UNKNOWN -> READY"]
        assert (blind_events(site), site.restarts("web")) == (["the machine slept for 2 h"], 0)
        assert witness.testify() == []

    run_virtually(story())


def test_what_broke_while_nobody_watched_is_told_and_left_alone_by_check() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await watch_calmly(site)
        site.cluster.workloads["web"].stuck = True
        site.clock.asleep += 600.0
        await site.wait(60.0)
        assert (site.state("web"), site.restarts("web")) == ("UNKNOWN", 0)
        assert site.world.services["web"].reason == "0 of 1 updated replicas are available"

    run_virtually(story())


def test_by_restart_a_sleep_is_an_outage_that_is_recovered_once() -> None:
    async def story() -> None:
        site = Site(restarting(plan_of("web")))
        witness = await watch_calmly(site)
        site.clock.asleep += 7200.0
        await site.until_link("OFFLINE", within=3.0)
        await site.until_link("ONLINE")
        outage = site.world.outage
        assert outage is not None and outage.ended is not None
        assert (site.restarts("web"), outage.cause, round(outage.monitoring_gap)) == (1, "blind", 7200)
        assert outage.ended.steady - outage.started.steady - outage.monitoring_gap < 30.0
        assert witness.testify() == []

    run_virtually(story())


@pytest.mark.parametrize("seconds", [40.0, 3600.0])
def test_a_process_that_stood_still_was_blind(seconds: float) -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        witness = await watch_calmly(site)
        stand_still(seconds)
        await site.until_link("DEGRADED", within=3.0)
        await site.until_link("ONLINE", within=10.0)
        assert len(blind_events(site)) == 1 and blind_events(site)[0].startswith("the agent stalled for ")
        monitoring_gap = site.world.monitoring_gap
        assert (
            monitoring_gap is not None
            and seconds - 3.0 < monitoring_gap.until.steady - monitoring_gap.since.steady <= seconds
        )
        assert witness.testify() == []

    run_virtually(story())


def test_a_round_that_was_under_way_is_no_evidence_afterwards() -> None:
    """Its targets were cut off by the sleep itself; the first round that counts begins after it."""

    async def story() -> None:
        site = Site(plan_of())
        await watch_calmly(site)
        site.link.up = False
        started = site.link.rounds
        await site.until(lambda: site.link.rounds > started)
        site.clock.asleep += 3600.0
        site.link.up = True
        await site.until_link("ONLINE", within=20.0)
        await site.wait(5.0)
        at = next(
            number for number, commit in enumerate(site.disk.commits) if isinstance(commit.event, MonitoringGapEnded)
        )
        rounds = [commit.event for commit in site.disk.commits[at:] if isinstance(commit.event, RoundFinished)]
        assert rounds and all(result.ok for event in rounds for result in event.results)

    run_virtually(story())


def test_a_sleep_while_the_link_holds_makes_it_hold_anew() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        witness = await watch_calmly(site)
        site.link.up = False
        await site.until_link("OFFLINE")
        site.link.up = True
        await site.until_link("RECOVERING")
        await site.wait(2.0)
        site.clock.asleep += 3600.0
        woke = site.clock.now().steady
        await site.until(lambda: site.restarts("web") == 1)
        assert site.clock.now().steady - woke >= site.plan.link.hold
        await site.until_link("ONLINE")
        assert (site.restarts("web"), witness.testify()) == (1, [])

    run_virtually(story())


def test_a_rollout_does_not_fail_by_the_time_that_the_machine_slept() -> None:
    async def story() -> None:
        site = Site(plan_of("web", ready_timeout=30.0), web=Workload(ready_after=3620.0))
        witness = await watch_calmly(site)
        site.link.up = False
        await site.until_link("OFFLINE")
        site.link.up = True
        await site.until(lambda: site.state("web") == "VERIFYING")
        site.link.up = False
        await site.until_link("OFFLINE")
        site.link.up = True
        await site.until(lambda: site.state("web") == "VERIFYING")
        site.clock.asleep += 3600.0
        await site.until_link("ONLINE", within=120.0)
        assert (site.restarts("web"), site.state("web")) == (1, "READY")
        assert witness.testify() == []

    run_virtually(story())


def test_a_clock_that_is_set_back_is_recorded_once_and_the_verdict_stands() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        witness = await watch_calmly(site)
        since = site.world.link.since
        site.clock.wall_step -= 3600.0
        await site.wait(60.0)
        assert blind_events(site) == ["the clock was set back by 1 h"]
        assert (site.world.link.state, site.world.link.since, site.state("web")) == ("ONLINE", since, "READY")
        assert site.world.monitoring_gap is None
        assert witness.testify() == []

    run_virtually(story())


@pytest.mark.parametrize("after_gap", AfterGap)
def test_a_clock_that_is_set_forward_is_recorded_once_and_all_is_judged_afresh(after_gap: AfterGap) -> None:
    async def story() -> None:
        plan = plan_of("web")
        site = Site(replace(plan, link=replace(plan.link, after_gap=after_gap)))
        witness = await watch_calmly(site)
        since = site.world.link.since
        site.clock.wall_step += 3600.0
        await site.wait(60.0)
        assert blind_events(site) == ["the clock was set forward by 1 h"]
        assert (site.world.link.state, site.state("web"), site.restarts("web")) == ("ONLINE", "READY", 0)
        assert site.world.link.since != since
        assert site.world.monitoring_gap is not None and site.world.monitoring_gap.doubtful
        assert witness.testify() == []

    run_virtually(story())


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_the_time_without_an_agent_is_blind_time(how: str) -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        witness = await watch_calmly(site)
        await (site.kill() if how == "killed" else site.stop())
        await site.wait(600.0)
        await site.start()
        assert site.world.link.state == "DEGRADED"
        assert site.world.monitoring_gap is not None
        assert site.world.monitoring_gap.cause == "the agent was not running for 10 min"
        await site.until_link("ONLINE", within=10.0)
        assert site.restarts("web") == 0
        assert witness.testify() == []

    run_virtually(story())


def test_an_outage_across_the_death_of_the_agent_counts_only_what_was_seen() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        witness = await watch_calmly(site)
        site.link.up = False
        await site.until_link("OFFLINE")
        await site.wait(20.0)
        await site.kill()
        await site.wait(1000.0)
        await site.start()
        await site.wait(20.0)
        site.link.up = True
        await site.until_link("ONLINE")
        outage = site.world.outage
        assert outage is not None and outage.ended is not None
        assert 1000.0 <= outage.monitoring_gap <= 1000.0 + site.plan.link.offline_interval
        assert 40.0 < outage.ended.steady - outage.started.steady - outage.monitoring_gap < 80.0
        assert (site.restarts("web"), witness.testify()) == (1, [])

    run_virtually(story())


@pytest.mark.parametrize("fail", ["full", "unsure"])
def test_a_disk_that_fails_does_not_hide_a_sleep(fail: str) -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await watch_calmly(site)
        site.disk.fail = fail
        site.clock.asleep += 3600.0
        await site.wait(10.0)
        site.disk.fail = None
        await site.wait(30.0)
        assert site.world.link.state == "ONLINE"
        assert blind_events(site) == ["the machine slept for 1 h"]

    run_virtually(story())
