"""An agent that asks one target while all is well, and notices everything that it noticed when it asked all of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

import pytest
from msgspec.structs import replace
from tests.fakes.sites import FakeLink, Site, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.events import QualityChanged, RoundFinished
from connmon_agent.core.link.causes import Cause
from connmon_agent.core.link.quiet_rounds import EVERY_TARGET
from connmon_agent.core.observations import Failure, ProbeResult, Quality
from connmon_agent.core.plan import Plan
from connmon_agent.core.timestamps import Timestamp

NAMES = ("dns 192.0.2.2", "tcp 192.0.2.1:443", "http://192.0.2.3/")
KINDS = ("dns", "tcp", "http")
BYTES = (130, 160, 900)


@dataclass
class CountingLink(FakeLink):
    """Three targets of three kinds; which were asked when, and what they took on the line."""

    asked: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in NAMES})
    silent: set[str] = field(default_factory=set)
    chance: float = 0.0  # that an attempt is lost
    latency: float = 10.0  # milliseconds
    dice: random.Random = field(default_factory=lambda: random.Random(7))

    async def probe_quietly(self, name: str, *, doubt: Callable[[], object]) -> tuple[ProbeResult, ...]:
        found = await self._ask(name, late=0.25)
        if found.ok and found.attempts == 1:
            return (found,)
        doubt()
        others = [one for one in await self.probe_all() if one.name != name]
        return tuple(sorted((found, *others), key=lambda one: NAMES.index(one.name)))

    async def probe_all(self, *, patience: float | None = None) -> tuple[ProbeResult, ...]:
        return tuple(await asyncio.gather(*(self._ask(name, late=patience or 1.0) for name in NAMES)))

    async def _ask(self, name: str, *, late: float) -> ProbeResult:
        number = NAMES.index(name)
        self.asked[name].append(asyncio.get_running_loop().time())
        attempt = next((n for n in (1, 2, 3) if self.dice.random() >= self.chance), 4)
        failed = not self.up or name in self.silent or attempt == 4
        await asyncio.sleep(late if failed else self.latency / 1000)
        if failed:
            return ProbeResult(name, KINDS[number], False, None, "no answer within 1 s", "ipv4", Failure.SILENT, 3)
        took = self.latency + 333 * (attempt - 1)
        return ProbeResult(name, KINDS[number], True, took, family="ipv4", attempts=attempt, bytes=BYTES[number])

    def sent(self) -> int:
        """Bytes on the line so far, as far as targets answered at once."""
        return sum(size * len(self.asked[name]) for name, size in zip(NAMES, BYTES, strict=True))


async def quiet_site(plan: Plan | None = None, **link: object) -> tuple[Site, CountingLink]:
    """A site that has been ONLINE for ten minutes."""
    site, counting = Site(plan or plan_of("web")), CountingLink(**link)  # type: ignore[arg-type]  # names are tested
    site.link = counting
    await site.start()
    await site.until_link("ONLINE")
    await site.wait(600.0)
    return site, counting


def metered() -> Plan:
    plan = plan_of("web")
    return replace(plan, link=replace(plan.link, metered=True))


def test_at_rest_every_target_is_heard_once_a_minute_and_a_round_costs_a_sixth() -> None:
    async def story() -> None:
        site, link = await quiet_site()
        before, asked = link.sent(), len(link.begun)
        await site.wait(3600.0)
        assert link.sent() - before < 0.2 * 1800 * sum(BYTES)
        assert (link.sent() - before) * 24 < 12e6
        for times in link.asked.values():
            assert max(late - early for early, late in pairwise(times)) <= EVERY_TARGET
        assert len(link.asked[NAMES[0]]) > 10 * len(link.asked[NAMES[2]]) and asked == len(link.begun)

    run_virtually(story())


@pytest.mark.parametrize(("plan", "hold"), [(plan_of("web"), 3.0), (metered(), 30.0)], ids=["default", "metered"])
def test_a_silent_drop_is_an_outage_as_soon_as_ever(plan: Plan, hold: float) -> None:
    """Cut at random instants: the median, and on a metered connection every one, is found in the time to hold."""

    async def story() -> list[float]:
        random.seed(11)  # the agent's own dice, which spread its rounds
        site, link = await quiet_site(replace(plan, services=()))
        dice, found = random.Random(11), []
        for _ in range(40):
            await site.wait(dice.uniform(60.0, 120.0))
            cut, link.up = site.clock.now().steady, False
            await site.until_link("OFFLINE")
            found.append(site.world.link.since.steady - cut)
            link.up = True
            await site.until_link("ONLINE")
        return found

    found = run_virtually(story())
    assert (median(found) if hold == 3.0 else max(found)) <= hold
    assert max(found) <= hold + 1.0


@pytest.mark.parametrize("silent", NAMES)
def test_one_silent_target_is_no_outage_and_is_noticed_within_a_minute(silent: str) -> None:
    async def story() -> None:
        site, link = await quiet_site()
        link.silent = {silent}
        await site.until(lambda: site.world.link.cause is not None, within=EVERY_TARGET + 10)
        assert site.world.link.cause in (Cause.DNS, Cause.PROBE_SUSPECT)
        await site.wait(600.0)
        before = link.sent()
        await site.wait(3600.0)
        assert site.world.link.state == "ONLINE" and link.sent() - before < 0.2 * 1800 * sum(BYTES)
        link.silent = set()
        await site.until(lambda: site.world.link.cause is None, within=EVERY_TARGET + 10)

    run_virtually(story())


def test_a_router_that_answers_dns_itself_hides_a_dead_link_for_one_turn_only() -> None:
    async def story() -> None:
        site, link = await quiet_site()
        link.silent = {NAMES[1], NAMES[2]}
        await site.until_link("OFFLINE", within=8.0)

    run_virtually(story())


def test_one_lost_packet_asks_all_targets_once_and_changes_nothing() -> None:
    async def story() -> None:
        site, link = await quiet_site()
        before, commits = len(link.asked[NAMES[2]]), len(site.disk.commits)
        link.chance = 1.0
        await site.until(lambda: len(link.asked[NAMES[2]]) > before, within=5.0)
        link.chance = 0.0
        await site.wait(30.0)
        assert [commit for commit in site.disk.commits[commits:] if commit.step.transitions] == []
        assert site.world.link.state == "ONLINE"

    run_virtually(story())


@pytest.mark.parametrize(
    ("chance", "quality"),
    [
        pytest.param(0.005, {Quality.GOOD}, id="half a percent: nothing"),
        pytest.param(0.03, {Quality.GOOD}, id="a little: nothing"),
        pytest.param(0.4, {Quality.LOSSY}, id="much: lossy, and it stays so"),
    ],
)
def test_the_loss_that_is_told_is_the_loss_that_there_is(chance: float, quality: set[Quality]) -> None:
    async def story() -> tuple[set[Quality], list[float]]:
        site, link = await quiet_site()
        link.chance = chance
        await site.wait(300.0)
        seen, figures = set(), []
        for _ in range(120):
            await site.wait(30.0)
            measured_quality = site.disk.measured_quality
            assert measured_quality is not None
            seen.add(measured_quality.quality)
            figures.append(measured_quality.loss)
        return seen, figures

    seen, figures = run_virtually(story())
    assert seen == quality
    assert sum(figures) / len(figures) == pytest.approx(chance, abs=0.4 * chance + 0.01)


def test_a_slow_link_is_measured_with_all_targets_before_it_is_called_slow() -> None:
    async def story() -> None:
        site, link = await quiet_site()
        before = len(link.asked[NAMES[2]])
        link.latency = 700.0
        await site.until(lambda: site.world.link.cause == Cause.SLOW, within=120.0)
        assert len(link.asked[NAMES[2]]) - before >= 15
        assert site.world.link.state == "DEGRADED"
        link.latency = 20.0
        await site.until_link("ONLINE", within=180.0)

    run_virtually(story())


def test_a_metered_link_that_loses_packets_is_called_so_too_from_a_longer_window() -> None:
    async def story() -> None:
        site, link = await quiet_site(metered())
        link.chance = 0.5
        await site.until(lambda: site.world.link.cause == Cause.LOSSY, within=3600.0)
        told = [
            commit.event.measured_quality.quality
            for commit in site.disk.commits
            if isinstance(commit.event, QualityChanged)
        ]
        assert set(told) == {Quality.LOSSY}

    run_virtually(story())


def test_an_api_server_that_goes_down_is_told_of_at_once_though_the_round_was_quiet() -> None:
    @dataclass
    class WithApi(CountingLink):
        api: bool = True

        async def probe_quietly(self, name: str, *, doubt: Callable[[], object]) -> tuple[ProbeResult, ...]:
            return (*await super().probe_quietly(name, doubt=doubt), self._tell())

        async def probe_all(self, *, patience: float | None = None) -> tuple[ProbeResult, ...]:
            return (*await super().probe_all(patience=patience), self._tell())

        def _tell(self) -> ProbeResult:
            return ProbeResult("api 192.0.2.9:6443", "api", self.api, reason=None if self.api else "refused")

    async def story() -> None:
        site, link = Site(plan_of("web")), WithApi()
        site.link = link
        await site.start()
        await site.until_link("ONLINE")
        await site.wait(300.0)
        link.api = False
        await site.until(lambda: site.world.link.cause == Cause.CLUSTER_ONLY, within=5.0)
        await site.wait(300.0)
        before = len(site.disk.commits)
        await site.wait(600.0)
        assert [one for one in site.disk.commits[before:] if isinstance(one.event, RoundFinished)] == []
        link.api = True
        await site.until(lambda: site.world.link.cause is None, within=5.0)

    run_virtually(story())


def test_what_is_remembered_of_the_newest_round_names_every_target_with_its_own_time() -> None:
    async def story() -> None:
        site, _ = await quiet_site()
        latest = site.disk.latest
        assert sorted(one.name for one in latest) == sorted(NAMES)
        now = site.clock.now().wall  # without a time it is of the newest round itself
        assert all(now - (one.at or now) <= EVERY_TARGET for one in latest)

    run_virtually(story())


def test_a_gap_of_a_metered_pace_is_no_blind_time() -> None:
    async def story() -> None:
        site, _ = await quiet_site(metered())
        await site.wait(24.0)
        await site.kill()
        await site.wait(20.0)
        await site.start()
        assert site.world.monitoring_gap is None
        await site.kill()
        await site.wait(200.0)
        await site.start()
        monitoring_gap = site.world.monitoring_gap
        assert monitoring_gap is not None and isinstance(monitoring_gap.since, Timestamp)

    run_virtually(story())


def test_a_connection_that_becomes_metered_is_spared_at_once_and_one_that_is_none_any_more_is_not() -> None:
    async def story() -> None:
        site, link = await quiet_site()
        site.metered = True
        await site.until(lambda: site.world.link.metered is True, within=310.0)
        before = len(link.asked[NAMES[0]]) + len(link.asked[NAMES[1]])
        await site.wait(600.0)
        assert len(link.asked[NAMES[0]]) + len(link.asked[NAMES[1]]) - before <= 30
        site.metered = False
        site.watch.show(gateway="192.0.2.253")  # the way out has changed: it is asked at once
        await site.until(lambda: site.world.link.metered is False, within=5.0)
        told = [record.text for record in site.said if "metered" in record.text]
        assert told == ["metered connection: yes (NetworkManager)", "metered connection: no (NetworkManager)"]

    run_virtually(story())


@pytest.mark.parametrize("configured", [True, False])
def test_nobody_is_asked_where_the_configuration_says_it(configured: bool) -> None:
    async def story() -> None:
        plan = plan_of("web")
        site, _ = await quiet_site(replace(plan, link=replace(plan.link, metered=configured)))
        assert (site.asked_metered, site.world.link.metered) == (0, None)

    run_virtually(story())


def test_what_the_probes_take_on_the_line_is_told_for_a_day() -> None:
    async def story() -> None:
        site, link = await quiet_site(metered())  # a tenth of the rounds
        start = link.sent()
        for _ in range(30):
            await site.wait(3600.0)
        assert site.disk.usage is not None and 23 * 3600 <= site.disk.usage.seconds <= 24 * 3600
        expected = (link.sent() - start) / 30 * 24
        assert site.disk.usage.bytes_per_day == pytest.approx(expected, rel=0.05)
        assert expected < 1e6

    run_virtually(story())
