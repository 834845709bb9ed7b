"""Health and metrics of the real agent, through outages, dead clusters, full disks and restarts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from msgspec import structs
from tests.fakes.direct_journals import DirectJournal
from tests.fakes.sites import Site, plan_of
from tests.fakes.statefiles import opened
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.counters import Counters, LineCounters
from connmon_agent.core.notices import Notice
from connmon_agent.http_server import HttpRequest
from connmon_agent.loading.configuration import built_in_settings
from connmon_agent.loading.defaults import tcp_target
from connmon_agent.metrics.catalog import make_families
from connmon_agent.metrics.exposition import write_text
from connmon_agent.runtime.lane import Lane
from connmon_agent.runtime.loop_watch import LoopWatch
from connmon_agent.runtime.monitoring_server import Endpoints
from connmon_agent.runtime.observing import Gauge
from connmon_agent.settings import Settings
from connmon_agent.store.journal import SqliteJournal

HOUR = 3600.0


@dataclass
class Counting:
    """What the metrics read of a journal."""

    journal: SqliteJournal | None = None
    idle_since: float | None = 0.0

    @property
    def counted(self) -> tuple[Counters, LineCounters]:
        return (Counters(), LineCounters()) if self.journal is None else self.journal.counted

    @property
    def commits(self) -> tuple[tuple[int, ...], float]:
        return (0,) * 9, 0.0

    @property
    def unsent(self) -> tuple[Notice, ...]:
        return ()

    def size(self) -> int:
        return 4096


class Scraper:
    """Asks the agent of ``site`` as a kubelet or Prometheus would."""

    def __init__(self, site: Site, settings: Settings, journal: SqliteJournal | None = None) -> None:
        assert site.agent is not None
        gauge = Gauge(site.agent, Counting(journal), started=0.0, born=1.0)
        loop = asyncio.get_running_loop()
        self._endpoints = Endpoints(
            LoopWatch(loop, now=loop.time),
            observe=lambda lag: gauge.observe(lag, settings),
            alive=lambda: gauge.alive(loop.time()),
            ready=gauge.ready,
        )

    async def ask(self, path: str) -> tuple[int, str]:
        answer = await self._endpoints.answer(HttpRequest("GET", path))
        return answer.status.value, answer.body

    async def series(self) -> dict[str, float]:
        status, text = await self.ask("/metrics")
        assert status == 200
        lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    targets = tuple(tcp_target(f"192.0.2.{number}", 443) for number in (1, 2, 3))
    return replace(built_in_settings(tmp_path), targets=targets)


def test_a_day_without_link_cluster_and_disk_is_no_reason_to_end_the_agent(settings: Settings) -> None:
    """Else a kubelet would end what is to repair the site. It is not ready, and says why."""

    async def story() -> None:
        plan = plan_of("web")
        site = Site(
            structs.replace(plan, link=structs.replace(plan.link, check_interval=30.0, offline_interval=60.0)),
            fast=True,
        )
        await site.start()
        await site.until_link("ONLINE")
        scraper = Scraper(site, settings)
        site.link.up, site.cluster.reachable, site.disk.fail = False, False, "full"
        for _ in range(24):
            await site.wait(HOUR)
            assert await scraper.ask("/livez") == (200, "ok")
            status, text = await scraper.ask("/readyz")
            assert status == 503 and "[-]journal failed: " in text and "[+]round ok" in text
            assert (await scraper.series())["connmon_journal_writable"] == 0.0
        assert (await scraper.series())['connmon_link_state{connmon_link_state="OFFLINE"}'] == 1.0
        site.link.up, site.cluster.reachable, site.disk.fail = True, True, None
        await site.until_link("ONLINE", within=2 * HOUR)
        assert await scraper.ask("/readyz") == (200, "ok")
        await site.stop()

    run_virtually(story())


def test_an_agent_is_ready_with_its_first_round_and_lives_before(settings: Settings) -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        site.disk.slow = 0.5
        await site.start()
        scraper = Scraper(site, settings)
        assert await scraper.ask("/livez") == (200, "ok")
        status, text = await scraper.ask("/readyz")
        assert status == 503
        assert "[-]configuration failed: " in text and "[-]round failed: no probe round has finished yet" in text
        await site.until_link("ONLINE")
        assert await scraper.ask("/readyz") == (200, "ok")
        await site.stop()

    run_virtually(story())


def test_counters_go_on_over_restarts_and_never_back(settings: Settings, tmp_path: Path) -> None:
    """As Prometheus would see them: scraped at odd moments, through outages, kills and a reboot in order."""

    async def story(journal: SqliteJournal) -> None:
        site = Site(plan_of("web", "db"))
        site.journal = DirectJournal(journal)
        before: dict[str, float] = {}
        began: float | None = None
        for number in range(3):
            await site.start()
            began = site.clock.now().steady if began is None else began
            scraper = Scraper(site, settings, journal)
            for _ in range(12):
                await site.wait(0.7)
                now = await scraper.series()
                back = {name for name, value in before.items() if "_total" in name and now[name] < value}
                assert not back
                before = now
            await site.live_through_outage()
            await site.wait(20.0)
            before = await scraper.series()
            assert (
                sum(value for name, value in before.items() if name.startswith("connmon_outages_total")) == number + 1
            )
            if number == 1:
                await site.stop()
                site.boot += 1
            else:
                await site.kill()
            await site.wait(600.0)
        seconds = sum(value for name, value in before.items() if name.startswith("connmon_link_state_seconds_total"))
        watched = site.clock.now().steady - 600.0 - (began or 0.0)
        assert before["connmon_blind_seconds_total"] == pytest.approx(2 * 600.0, abs=15.0)
        assert seconds + before["connmon_blind_seconds_total"] == pytest.approx(watched, abs=15.0)
        assert before['connmon_restarts_total{workload="web",outcome="applied"}'] == site.restarts("web") == 3

    with opened(tmp_path / "connmon.db") as journal:
        run_virtually(story(journal))


def test_a_scrape_of_a_large_site_is_made_of_values_alone(settings: Settings, tmp_path: Path) -> None:
    """No statement reaches SQLite: it would hold the journal's own thread, or wait for the disk."""
    statements: list[str] = []

    async def story(journal: SqliteJournal) -> None:
        site = Site(plan_of(*(f"web-{number}" for number in range(7))))
        site.journal = DirectJournal(journal)
        await site.start()
        await site.until_link("ONLINE")
        assert site.agent is not None
        statements.clear()
        gauge = Gauge(site.agent, Counting(journal), started=0.0, born=1.0)
        assert len(write_text(make_families(gauge.observe(0.0, settings)))) > 5000
        assert statements == []
        await site.stop()

    with opened(tmp_path / "connmon.db", trace=statements.append) as journal:
        run_virtually(story(journal))


@pytest.mark.parametrize(
    ("deciding_since", "idle_since", "trouble"),
    [
        (None, 5.0, None),  # nothing is to be decided
        (50.0, None, None),  # it waits for a disk that does not answer, which is no fault of this process
        (50.0, 95.0, None),  # one long decision of many commits, the last of which ended just now
        (95.0, 5.0, None),
        (50.0, 5.0, "a decision has been pending for 50 s"),
        (5.0, 50.0, "a decision has been pending for 50 s"),
    ],
)
def test_a_decision_that_waits_for_nothing_hangs(
    deciding_since: float | None, idle_since: float | None, trouble: str | None
) -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")
        agent = site.agent
        assert agent is not None and agent.deciding_since is None
        agent._lane.since = deciding_since
        (check,) = Gauge(agent, Counting(None, idle_since), started=0.0, born=1.0).alive(100.0)
        assert check.trouble == trouble
        await site.stop()

    run_virtually(story())


def test_a_lane_tells_since_when_it_has_been_at_its_work() -> None:
    async def story() -> None:
        lane, go_on = Lane(), asyncio.Event()
        running = asyncio.ensure_future(lane.run())
        lane.post(go_on.wait)
        await asyncio.sleep(30.0)
        assert lane.since is not None and asyncio.get_running_loop().time() - lane.since == pytest.approx(30.0)
        go_on.set()
        await asyncio.sleep(1.0)
        assert lane.since is None
        running.cancel()

    run_virtually(story())
