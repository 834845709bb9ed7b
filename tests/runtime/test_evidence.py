"""What the operating system tells of the way out, and how soon the agent knows what it means."""

from __future__ import annotations

import pytest
from tests.fakes.sites import FakeWatch, Site, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.events import EvidenceChanged
from connmon_agent.core.observations import Evidence
from connmon_agent.core.world import LinkState

BUDGET = 0.5  # seconds from a lost carrier to a durable OFFLINE


async def online_site() -> Site:
    site = Site(plan_of("web"))
    await site.start()
    await site.until_link("ONLINE")
    await site.wait(5.0)
    return site


def told(site: Site) -> list[Evidence]:
    """The evidence that was recorded, in order."""
    return [commit.event.evidence for commit in site.disk.commits if isinstance(commit.event, EvidenceChanged)]


@pytest.mark.parametrize(
    "lost",
    [{"carrier": False}, {"default_route": False, "gateway": None}, {"carrier": False, "default_route": False}],
    ids=["carrier", "default route", "both"],
)
@pytest.mark.parametrize("timestamp", [0.0, 0.005, 0.3, 1.0, 1.7, 1.99])
def test_hard_evidence_and_one_bad_round_are_an_outage(lost: dict[str, object], timestamp: float) -> None:
    async def story() -> None:
        site = await online_site()
        await site.wait(timestamp)
        before = site.clock.now().steady
        site.link.up = False
        site.watch.show(**lost)
        await site.until_link("OFFLINE")
        assert site.world.link.since.steady - before <= BUDGET
        await site.stop()

    run_virtually(story())


def test_hard_evidence_alone_is_no_outage() -> None:
    async def story() -> None:
        site = await online_site()
        site.watch.show(carrier=False)
        await site.wait(60.0)
        assert site.world.link.state == LinkState.ONLINE
        await site.stop()

    run_virtually(story())


def test_one_bad_round_without_hard_evidence_is_a_doubt() -> None:
    async def story() -> None:
        site = await online_site()
        site.watch.show(gateway="192.0.2.253")
        site.link.up = False
        await site.until_link("DEGRADED")
        site.link.up = True
        await site.until_link("ONLINE")
        assert site.world.outage is None
        await site.stop()

    run_virtually(story())


def test_the_end_of_hard_evidence_starts_a_round_at_once_however_long_the_outage_was() -> None:
    async def story() -> None:
        site = await online_site()
        site.link.up = False
        site.watch.show(carrier=False)
        await site.wait(1800.0)
        assert site.world.link.state == LinkState.OFFLINE
        before = site.clock.now().steady
        site.link.up = True
        site.watch.show(carrier=True)
        await site.until_link("RECOVERING")
        assert site.world.link.since.steady - before <= 1.5  # `rise` rounds, half a second apart
        await site.stop()

    run_virtually(story())


def test_a_link_that_needs_a_while_after_its_carrier_is_asked_often() -> None:
    async def story() -> None:
        site = await online_site()
        site.link.up = False
        site.watch.show(carrier=False)
        await site.wait(1800.0)
        site.watch.show(carrier=True)
        await site.wait(8.0)
        before = site.clock.now().steady
        site.link.up = True
        await site.until_link("RECOVERING")
        assert site.world.link.since.steady - before <= 15.0  # and not half a minute, as between rounds of long outages
        await site.stop()

    run_virtually(story())


def test_a_carrier_that_flaps_does_not_start_a_storm_of_rounds() -> None:
    async def story() -> None:
        site = await online_site()
        before = site.link.rounds
        for number in range(200):
            site.watch.show(carrier=number % 2 == 1)
            await site.wait(0.05)
        assert site.link.rounds - before <= 101
        await site.stop()

    run_virtually(story())


def test_evidence_is_recorded_at_the_start_and_when_it_is_new() -> None:
    async def story() -> None:
        site = await online_site()
        at_first = site.watch.evidence
        assert told(site) == [at_first]
        site.watch.show()  # something happened, and nothing is different
        await site.wait(1.0)
        assert told(site) == [at_first]
        site.watch.show(interface="wwan0", gateway="192.168.0.1")
        await site.wait(1.0)
        assert told(site) == [at_first, site.watch.evidence]
        assert site.world.link.evidence == site.watch.evidence
        assert "default route: wwan0 via 192.168.0.1" in [record.text for record in site.said]
        await site.stop()
        assert site.watch.closed

    run_virtually(story())


def test_evidence_that_could_not_be_recorded_is_recorded_as_soon_as_it_can_be() -> None:
    async def story() -> None:
        site = await online_site()
        site.disk.fail = "full"
        site.link.up = False
        site.watch.show(carrier=False)
        await site.wait(20.0)
        assert site.world.link.state == LinkState.OFFLINE
        site.disk.fail = None
        await site.wait(20.0)
        assert site.disk.world.link.evidence == site.watch.evidence
        assert site.disk.world.link.state == LinkState.OFFLINE
        await site.stop()

    run_virtually(story())


class BrokenWatch(FakeWatch):
    """A watch with a mistake in it."""

    def read(self) -> Evidence:
        raise RuntimeError("a mistake")

    async def changed(self) -> None:
        raise RuntimeError("another one")


def test_a_mistake_in_the_watch_leaves_the_probes_to_decide() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        site.watch = BrokenWatch()
        await site.start()
        await site.live_through_outage()
        assert site.restarts("web") == 1
        await site.stop()

    run_virtually(story())
