"""An agent that starts with the machine, before DHCP is done: no outage, no restart, and no doubt about the quality."""

from __future__ import annotations

import pytest
from tests.fakes.sites import Site, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.observations import Evidence, Failure, ProbeResult

UNREACHABLE = tuple(
    ProbeResult(f"tcp 192.0.2.{n}:443", "tcp", False, None, "network is unreachable", "ipv4", Failure.UNREACHABLE)
    for n in (1, 2, 3)
)
READY = Evidence(True, True, "wan0", "192.0.2.254", versions=("ipv4",))


def link_story(site: Site) -> list[str]:
    moves = [one for commit in site.disk.commits for one in commit.step.transitions if one.chart == "link"]
    return [one.dest for one in moves if one.source != one.dest]


@pytest.mark.parametrize("dhcp", [3.0, 30.0, 59.0])
def test_a_boot_that_is_slower_than_the_agent_restarts_nothing(dhcp: float) -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        site.watch.evidence, site.link.shows = Evidence(default_route=False, versions=()), UNREACHABLE
        await site.start()
        await site.wait(dhcp)
        assert (site.world.link.state, site.disk.measured_quality) == ("STARTING", None)
        site.link.shows = None
        site.watch.show(**{name: getattr(READY, name) for name in READY.__struct_fields__})
        await site.wait(120.0)
        assert link_story(site) == ["ONLINE"]
        assert (site.world.outages, site.restarts("web")) == (0, 0)
        await site.stop()

    run_virtually(story())


def test_a_cable_that_is_missing_at_the_boot_is_an_outage_once_the_grace_is_over() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        site.watch.evidence, site.link.shows = Evidence(False, False, "wan0", versions=()), UNREACHABLE
        await site.start()
        await site.until_link("OFFLINE", within=site.plan.link.boot_grace + 2.0)
        assert site.world.link.cause == "no-carrier"
        site.link.shows = None
        site.watch.show(**{name: getattr(READY, name) for name in READY.__struct_fields__})
        await site.until_link("ONLINE", within=60.0)
        assert site.restarts("web") == 1
        await site.stop()

    run_virtually(story())
