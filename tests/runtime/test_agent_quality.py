"""A link that works badly: the agent's whole life with it, in virtual time."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace
from tests.fakes.sites import FakeLink, Site, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.events import Order, QualityChanged
from connmon_agent.core.link.causes import Cause
from connmon_agent.core.observations import ProbeResult, Quality
from connmon_agent.core.world import LinkState


@dataclass
class PoorLink(FakeLink):
    """While ``losing``, one target of three is silent in each round, by turns: a third of the probes of each."""

    losing: bool = False
    latency: float = 10.0  # milliseconds
    turn: int = 0

    async def probe_all(self, *, patience: float | None = None) -> tuple[ProbeResult, ...]:
        self.turn = (self.turn + 1) % 3
        return await super().probe_all(patience=patience)

    def _result(self, number: int, ok: bool) -> ProbeResult:
        answers = ok and not (self.losing and number == self.turn)
        return replace(super()._result(number, answers), latency_ms=self.latency if answers else None)


async def poor_site(*names: str) -> tuple[Site, PoorLink]:
    """A site that has been ONLINE for two minutes."""
    site, link = Site(plan_of(*names)), PoorLink()
    site.link = link
    await site.start()
    await site.until_link("ONLINE")
    await site.wait(120.0)
    return site, link


def classes(site: Site) -> list[Quality]:
    """The quality in every event that told of one."""
    return [
        commit.event.measured_quality.quality
        for commit in site.disk.commits
        if isinstance(commit.event, QualityChanged)
    ]


def test_a_lossy_link_is_degraded_with_the_figure_and_never_offline() -> None:
    async def story() -> None:
        site, link = await poor_site("web")
        link.losing = True
        await site.until_link("DEGRADED")
        assert site.world.link.reason.startswith("lossy: loss 2")
        assert site.world.link.reason.endswith(" % over 1 min, threshold 20 %")
        assert site.world.link.cause == Cause.LOSSY
        await site.wait(1800.0)
        assert (site.world.link.state, site.world.outage, site.restarts("web")) == (LinkState.DEGRADED, None, 0)
        assert classes(site) == [Quality.LOSSY]

    run_virtually(story())


def test_a_slow_link_is_told_from_a_lossy_one() -> None:
    async def story() -> None:
        site, link = await poor_site()
        link.latency = 800.0
        await site.until_link("DEGRADED")
        assert site.world.link.reason == "slow: p95 800 ms over 1 min, threshold 500 ms"
        assert site.world.link.cause == Cause.SLOW
        link.losing = True
        await site.until(lambda: site.world.link.cause == Cause.LOSSY)
        assert site.world.link.reason.startswith("lossy: ")
        assert classes(site) == [Quality.SLOW, Quality.LOSSY]

    run_virtually(story())


def test_a_link_that_gets_good_again_is_online_once_it_is_below_the_lower_threshold() -> None:
    async def story() -> None:
        site, link = await poor_site()
        link.losing = True
        await site.until_link("DEGRADED")
        link.losing = False
        began = site.clock.now().steady
        await site.until_link("ONLINE")
        assert 20.0 < site.clock.now().steady - began < 60.0
        assert site.world.link.cause is None
        assert site.world.link.reason.startswith("latency and loss are normal again: ")
        assert classes(site) == [Quality.LOSSY, Quality.GOOD]

    run_virtually(story())


def test_good_rounds_alone_do_not_end_the_doubt_and_rounds_come_at_their_usual_pace() -> None:
    async def story() -> None:
        site, link = await poor_site()
        link.losing = True
        await site.until_link("DEGRADED")
        rounds, commits = link.rounds, len(site.disk.commits)
        await site.wait(200.0)
        assert 95 <= link.rounds - rounds <= 105
        assert len(site.disk.commits) - commits <= 1  # nothing new is nothing to record
        assert site.world.link.state == LinkState.DEGRADED

    run_virtually(story())


def test_bad_rounds_make_an_outage_of_a_lossy_link_and_its_losses_are_forgotten_then() -> None:
    async def story() -> None:
        site, link = await poor_site("web")
        link.losing = True
        await site.until_link("DEGRADED")
        link.up = False
        await site.until_link("OFFLINE")
        assert site.world.link.measured_quality is None
        link.up, link.losing = True, False
        await site.until_link("ONLINE")
        await site.wait(120.0)
        assert (site.world.link.state, site.restarts("web")) == (LinkState.ONLINE, 1)
        assert classes(site) == [Quality.LOSSY]

    run_virtually(story())


def test_services_are_restarted_over_a_lossy_link_which_is_degraded_afterwards() -> None:
    async def story() -> None:
        site, link = await poor_site("web")
        site.cluster.workloads["web"].ready_after = 60.0
        link.losing, link.up = True, False
        await site.until_link("OFFLINE")
        link.up = True
        await site.until(lambda: site.restarts("web") == 1)
        await site.until_link("DEGRADED")
        assert site.world.outage is not None and site.world.outage.ended is not None
        assert site.state("web") == "READY"

    run_virtually(story())


def test_an_operator_can_order_a_recovery_over_a_lossy_link() -> None:
    async def story() -> None:
        site, link = await poor_site("web")
        link.losing = True
        await site.until_link("DEGRADED")
        assert site.agent is not None
        assert await site.agent.obey(Order.RECOVER, (), "root") is None
        await site.until(lambda: site.restarts("web") == 1)
        await site.until_link("DEGRADED")

    run_virtually(story())


def test_one_target_that_is_down_is_no_matter_of_quality() -> None:
    async def story() -> None:
        site, link = await poor_site()
        link.answering = 2
        await site.wait(600.0)
        assert site.world.link.state == LinkState.ONLINE
        assert classes(site) == []

    run_virtually(story())


def test_an_agent_that_was_started_again_measures_anew() -> None:
    async def story() -> None:
        site, link = await poor_site()
        link.losing = True
        await site.until_link("DEGRADED")
        await site.kill()
        await site.start()
        assert site.world.link.measured_quality is None
        await site.until(lambda: site.world.link.cause == Cause.LOSSY)
        assert site.world.link.state == LinkState.DEGRADED

    run_virtually(story())


def test_the_figures_are_kept_with_every_round() -> None:
    async def story() -> None:
        site, link = await poor_site()
        assert site.disk.measured_quality is not None
        assert (
            site.disk.measured_quality.quality,
            site.disk.measured_quality.loss,
            site.disk.measured_quality.p95_ms,
        ) == (Quality.GOOD, 0.0, 10.0)
        link.losing = True
        await site.wait(90.0)
        assert 0.3 < site.disk.measured_quality.loss < 0.37

    run_virtually(story())
