"""Rounds that only count wait for no disk: the agent, its status and its state file all the same know the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.charts import real_charts
from tests.fakes.direct_journals import DirectJournal
from tests.fakes.sites import FakeLink, Site, plan_of
from tests.fakes.statefiles import opened
from tests.fakes.virtual_time import run_virtually
from tests.runtime.test_agent_verdict import found

from connmon_agent.cli.decisions import verify_journal
from connmon_agent.core.events import AgentStarted
from connmon_agent.core.observations import ProbeResult
from connmon_agent.store.reading import Reader

GOOD, BAD = found("tcp:ok dns:ok http:ok"), found("tcp:silent dns:silent http:silent")


class AlternatingLink(FakeLink):
    """Every other round is bad, whoever is asked."""

    async def probe_all(self, *, patience: float | None = None) -> tuple[ProbeResult, ...]:
        self.shows = BAD if self.shows is GOOD else GOOD
        return await super().probe_all(patience=patience)


def alternating() -> Site:
    site = Site(plan_of("web"))
    site.link = AlternatingLink()
    return site


def test_a_quarter_of_an_hour_of_good_and_bad_rounds_in_turn_is_a_handful_of_events() -> None:
    async def story() -> None:
        site = alternating()
        await site.start()
        await site.wait(300.0)
        before, rounds = len(site.disk.commits), site.link.rounds
        await site.wait(900.0)
        assert site.link.rounds - rounds > 250
        assert len(site.disk.commits) - before < 10
        await site.stop()
        assert site.disk.world.link == site.world.link, "the last event carries what was counted"

    run_virtually(story())


def test_status_shows_what_was_counted_and_a_replay_what_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"

    async def story(site: Site) -> None:
        await site.start()
        await site.wait(300.0)
        seen = set()
        for _ in range(20):
            await site.wait(1.5)
            with Reader(path) as reader:
                world, recorded = reader.world(), reader.recorded_world()
                assert world is not None and recorded is not None
                assert world.link == site.world.link
                seen.add(recorded.link == world.link)
                verify_journal(reader).raise_if_failed()
        assert False in seen
        await site.kill()
        with Reader(path) as reader:
            verify_journal(reader).raise_if_failed()

    with opened(path) as journal:
        for name, chart in real_charts().items():
            journal.save_chart(name, chart.sha256, chart.text)
        site = alternating()
        site.journal = DirectJournal(journal)
        run_virtually(story(site))


@pytest.mark.parametrize("fail", ["full", "unsure", "away"])
def test_what_was_counted_while_the_disk_was_full_is_no_event_afterwards(fail: str) -> None:
    async def story() -> None:
        site = alternating()
        await site.start()
        await site.wait(300.0)
        site.disk.fail = fail
        site.link = AlternatingLink()
        await site.wait(300.0)
        before, site.disk.fail = len(site.disk.commits), None
        await site.until(lambda: any(isinstance(one.event, AgentStarted) for one in site.disk.commits[before:]))
        assert len(site.disk.commits) - before < 20
        assert site.disk.world.link.state == site.world.link.state == "DEGRADED"

    run_virtually(story())
