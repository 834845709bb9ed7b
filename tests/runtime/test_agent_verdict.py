"""What the agent makes of faults on every layer, in virtual time: the verdict, its cause, and how often it asks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from tests.fakes.sites import Site, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.observations import Failure, ProbeResult


def found(words: str) -> tuple[ProbeResult, ...]:
    """``tcp:ok dns:silent http/ipv6:wrong``: what each target finds."""
    results = []
    for number, word in enumerate(words.split()):
        what, outcome = word.split(":")
        kind, _, family = what.partition("/")
        failure = None if outcome == "ok" else Failure(outcome)
        name = f"{kind} {number}"
        results.append(
            ProbeResult(name, kind, failure is None, 10.0, failure and failure.value, family or "ipv4", failure)
        )
    return tuple(results)


def states_of(site: Site) -> list[str]:
    return [
        one.dest
        for commit in site.disk.commits
        for one in commit.step.transitions
        if one.chart == "link" and one.source != one.dest
    ]


async def begin(words: str) -> Site:
    """A site that has been ONLINE for a while."""
    site = Site(plan_of("web"))
    site.link.shows = found(words)
    await site.start()
    await site.until_link("ONLINE")
    await site.wait(10.0)
    return site


HEALTHY = "tcp:ok dns:ok http:ok"
BOTH = "tcp:ok dns:ok tcp/ipv6:ok dns/ipv6:ok"  # IP versions


@pytest.mark.parametrize(
    ("fault", "cause", "within"),
    [
        ("tcp:ok dns:silent http:name", "dns", 8.0),
        ("tcp:ok dns:servfail http:name", "dns", 8.0),
        ("tcp:ok dns:ok http:wrong", "portal", 65.0),  # the targets of quiet rounds answer: found with all of them
        ("tcp:silent dns:silent http:name gateway:unreachable", "gateway", 5.0),
        ("tcp:silent dns:silent http:name gateway:ok", "unreachable", 5.0),
        ("tcp:silent dns:ok http:silent", "partial", 8.0),
    ],
)
def test_a_fault_is_an_outage_of_its_cause_and_ends_with_it(fault: str, cause: str, within: float) -> None:
    async def story() -> None:
        site = await begin(HEALTHY)
        site.link.shows = found(fault)
        await site.until_link("OFFLINE", within=within)
        assert (site.world.outage and site.world.outage.cause, site.world.link.cause) == (cause, cause)
        await site.wait(120.0)
        assert (site.world.link.state, site.restarts("web")) == ("OFFLINE", 0)
        site.link.shows = found(HEALTHY)
        await site.until_link("ONLINE", within=120.0)
        assert states_of(site) == ["ONLINE", "DEGRADED", "OFFLINE", "RECOVERING", "ONLINE"]
        assert (site.world.link.cause, site.restarts("web")) == (None, 1)

    run_virtually(story())


@pytest.mark.parametrize(
    ("before", "fault", "cause"),
    [
        pytest.param(BOTH, "tcp:ok dns:ok tcp/ipv6:silent dns/ipv6:silent", "partial", id="IPv6 lost"),
        pytest.param(BOTH, "tcp:silent dns:silent tcp/ipv6:ok dns/ipv6:ok", "partial", id="IPv4 lost"),
        pytest.param(HEALTHY, "tcp:silent dns:ok http:ok", "probe-suspect", id="a suspect kind"),
        pytest.param(HEALTHY, "tcp:ok dns:silent http:ok", "dns", id="a dead name server"),
    ],
)
def test_what_is_no_outage_is_told_and_restarts_nothing(before: str, fault: str, cause: str) -> None:
    async def story() -> None:
        site = await begin(before)
        site.link.shows = found(fault)
        await site.until(lambda: site.world.link.cause == cause, within=10.0)
        await site.wait(300.0)
        assert (states_of(site), site.world.link.cause) == (["ONLINE"], cause)
        site.link.shows = found(before)
        await site.until(lambda: site.world.link.cause is None, within=65.0)  # with the next round of all targets
        assert site.restarts("web") == 0

    run_virtually(story())


def test_the_gateway_is_asked_from_the_start_until_all_is_well_and_again_in_doubt() -> None:
    async def story() -> None:
        site = await begin(HEALTHY)
        await site.wait(60.0)
        assert site.link.gateways == ["192.0.2.254", None]
        site.link.shows = found("tcp:silent dns:silent http:silent")
        await site.until_link("OFFLINE", within=10.0)
        assert site.link.gateways == ["192.0.2.254", None, "192.0.2.254"]

    run_virtually(story())


def test_a_link_that_nobody_can_look_at_is_a_doubt_and_no_outage() -> None:
    async def story() -> None:
        site = await begin(HEALTHY)
        site.link.shows = found("tcp:broken dns:broken http:broken")
        await site.wait(300.0)
        assert (states_of(site), site.world.link.cause) == (["ONLINE", "DEGRADED"], "no-probe")
        site.link.shows = found(HEALTHY)
        await site.until_link("ONLINE", within=10.0)
        assert (site.restarts("web"), site.world.outage) == (0, None)

    run_virtually(story())


def test_a_suspect_of_two_kinds_is_found_out_before_it_makes_an_outage() -> None:
    async def story() -> None:
        site = await begin("tcp:ok http:ok")
        site.link.shows = found("tcp:silent http:ok")
        await site.wait(300.0)
        assert states_of(site) == ["ONLINE", "DEGRADED", "ONLINE"]
        assert (site.world.link.suspects, site.world.outage) == (("tcp",), None)
        assert site.link.renewed == ["tcp"], "once, when it became suspect"
        site.link.shows = found("tcp:silent http:silent")
        await site.until_link("OFFLINE", within=10.0)

    run_virtually(story())


def test_losing_only_the_cluster_is_no_outage() -> None:
    async def story() -> None:
        site = await begin(HEALTHY)
        site.cluster.reachable = False
        await site.until(lambda: site.world.link.cause == "cluster-only", within=60.0)
        await site.wait(300.0)
        assert (states_of(site), site.world.outage) == (["ONLINE"], None)
        assert site.world.link.detail == "the Kubernetes API did not answer within 5 s"
        site.cluster.reachable = True
        await site.until(lambda: site.world.link.cause is None, within=60.0)

    run_virtually(story())


def test_the_rounds_of_a_long_outage_get_rarer_and_come_back_fast() -> None:
    async def story() -> None:
        site = await begin(HEALTHY)
        site.link.shows = found("tcp:silent dns:silent http:silent")
        await site.until_link("OFFLINE")
        first = len(site.link.begun)
        await site.wait(300.0)
        gaps = [after - before for before, after in pairwise(site.link.begun[first:])]
        longest = site.plan.link.offline_interval
        assert gaps[0] < 3.0
        assert gaps[0] < gaps[2] < gaps[3]
        assert all(longest * 0.9 <= gap <= longest * 1.1 for gap in gaps[5:])
        site.link.shows = found(HEALTHY)
        began = len(site.link.begun)
        await site.until_link("RECOVERING", within=longest * 1.1 + 2.0)
        fast = [after - before for before, after in pairwise(site.link.begun[began:])]
        assert len(fast) == 2 and all(gap < 0.6 for gap in fast)

    run_virtually(story())
