"""A reload exchanges targets and thresholds: nothing that was seen by the old ones is judged by the new ones."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from tests.fakes.sites import FakeCluster, FakeLink, Site, Workload, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.events import Configured, Inspected, RoundFinished
from connmon_agent.core.observations import Failure, Observation, ProbeResult, Unobserved
from connmon_agent.core.plan import Plan, ServicePlan

OLD, NEW = "http://old.example/", "http://new.example/"


def shown(name: str, *, ok: bool) -> tuple[ProbeResult, ...]:
    silent = None if ok else Failure.SILENT
    return (ProbeResult(name, "http", ok, 10.0 if ok else None, None if ok else "no answer", failure=silent),)


def plan_with(**changes: int) -> Plan:
    plan = plan_of("web")
    return replace(plan, link=replace(plan.link, **changes))  # type: ignore[arg-type]  # names are tested


@pytest.mark.parametrize("into_round", [0.0, 0.3, 0.99, 1.2])
def test_a_round_of_the_old_targets_is_not_judged_after_a_reload(into_round: float) -> None:
    """With the new ``fall`` of 1, one bad round of the old targets would be an outage, and restart every service."""

    async def story() -> None:
        site = Site(plan_with(quorum=1, fall=1000))
        site.link.shows = shown(OLD, ok=False)
        await site.start()
        begun = len(site.link.begun)
        await site.until(lambda: len(site.link.begun) > begun)
        await site.wait(into_round)
        assert site.agent is not None
        old, site.link = site.link, FakeLink(shows=shown(NEW, ok=True))
        await site.agent.configure(plan_with(quorum=1, fall=1, rise=1), prober=site.link)
        await site.wait(5.0)
        events = [commit.event for commit in site.disk.commits]
        reloaded = max(number for number, event in enumerate(events) if isinstance(event, Configured))
        rounds = [event for event in events[reloaded:] if isinstance(event, RoundFinished)]
        assert {result.name for event in rounds for result in event.results} == {NEW}
        assert site.world.link.state == "ONLINE" and site.world.outages == 0
        assert old.closed
        await site.stop()

    run_virtually(story())


def test_the_first_round_of_the_new_targets_is_due_at_once() -> None:
    async def story() -> None:
        site = Site(plan_of())
        await site.start()
        await site.until_link("ONLINE")
        await site.wait(0.5)
        assert site.agent is not None
        await site.agent.configure(plan_of(), prober=(new := FakeLink()))
        await site.wait(0.1)
        assert new.rounds == 1
        await site.stop()

    run_virtually(story())


def test_bad_rounds_of_the_old_targets_do_not_count_towards_the_new_fall() -> None:
    async def story() -> None:
        site = Site(plan_of())
        await site.start()
        await site.until_link("ONLINE")
        site.link.up = False
        await site.until(lambda: site.world.link.bad == 2)
        assert site.agent is not None
        new = FakeLink(shows=shown(NEW, ok=False))
        await site.agent.configure(plan_of(), prober=new)
        assert (site.world.link.bad, site.world.link.doubts, site.world.link.heard) == (0, {}, ())
        await site.until(lambda: site.world.link.bad == 1)
        assert site.world.link.state == "DEGRADED"
        await site.stop()

    run_virtually(story())


class SlowCluster(FakeCluster):
    """Takes a second for a look."""

    async def inspect(self, service: ServicePlan, *, closely: bool) -> Observation | Unobserved:
        seen = await super().inspect(service, closely=closely)
        await asyncio.sleep(1.0)
        return seen


@pytest.mark.parametrize("other", ["cluster", "workload"])
def test_a_look_at_the_old_workload_is_no_look_at_the_new_one(other: str) -> None:
    """The old one is well, the new one is not there: what was on its way must not make it READY."""

    async def story() -> None:
        site = Site(plan_of("web"))
        site.cluster = SlowCluster(site.clock, {"web": Workload(uid="old"), "gone": Workload(exists=False)})
        await site.start()
        await site.wait(0.5)
        assert site.agent is not None
        plan = plan_of("web")
        new = SlowCluster(site.clock, {"web": Workload(exists=False)}) if other == "cluster" else None
        if new is None:
            plan = replace(plan, services=(replace(plan.services[0], workload="gone"),))
        await site.agent.configure(plan, prober=FakeLink(), cluster=new)
        await site.wait(5.0)
        events = [commit.event for commit in site.disk.commits]
        seen = [event.seen for event in events if isinstance(event, Inspected)]
        assert seen and all(isinstance(one, Observation) and not one.exists for one in seen)
        await site.stop()

    run_virtually(story())
