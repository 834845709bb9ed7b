"""An agent whose journal is cut and shortened all the time: through outages and kills, what is kept is verified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.fakes.charts import real_charts
from tests.fakes.direct_journals import DirectJournal
from tests.fakes.sites import Site, plan_of
from tests.fakes.statefiles import opened
from tests.fakes.virtual_time import run_virtually

from connmon_agent.cli.decisions import verify_journal
from connmon_agent.core.events import Event
from connmon_agent.core.steps import Step
from connmon_agent.store import checkpoints, retention
from connmon_agent.store import journal as journal_module
from connmon_agent.store.journal import SqliteJournal
from connmon_agent.store.reading import Reader
from connmon_agent.store.retention import Limits

NAMES = ("db", "web", "grafana")
ANY_SIZE = 10**9


class MortalJournal(DirectJournal):
    """Writes nothing any more once it is dead, as the disk of a killed process."""

    dead = False

    async def commit(self, event: Event, step: Step) -> int:
        return 0 if self.dead else await super().commit(event, step)

    async def note_round(self, *args: Any, **named: Any) -> None:
        if not self.dead:
            await super().note_round(*args, **named)


@pytest.mark.parametrize(
    "limits", [Limits(900.0, ANY_SIZE), Limits(10.0**9, 1000)], ids=["by age", "by size, as short as it may be"]
)
def test_through_outages_and_kills_all_that_is_kept_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: Limits
) -> None:
    monkeypatch.setattr(checkpoints, "EVERY", 15)
    monkeypatch.setattr(journal_module, "TIDY_AFTER", 1)
    monkeypatch.setattr(retention, "EVENTS_AT_ONCE", 7)
    path = tmp_path / "connmon.db"
    kept: list[int] = []

    def verify(site: Site, journal: SqliteJournal) -> None:
        with Reader(path) as reader:
            verify_journal(reader).raise_if_failed()
            assert reader.world() == site.world
            kept.append(reader.segments().kept_after)
        assert journal.set_aside is None

    async def story(site: Site) -> None:
        for number in range(5):
            with opened(path) as journal:
                journal.limits = limits
                for name, chart in real_charts().items():
                    journal.save_chart(name, chart.sha256, chart.text)
                site.journal = mortal = MortalJournal(journal)
                await site.start()
                await site.until_link("ONLINE")
                await site.lose_link()
                if number % 2:  # in the midst of the recovery
                    site.link.up = True
                    await site.until(lambda: any(site.state(name) == "VERIFYING" for name in NAMES))
                else:
                    site.link.up = True
                    await site.until_link("ONLINE")
                    await site.wait(700.0)  # healthy_for and one look more: the attempts come back
                verify(site, journal)
                mortal.dead = True
                await site.kill()
                verify(site, journal)

    run_virtually(story(Site(plan_of(*NAMES))))
    assert kept == sorted(kept)
    assert len(set(kept)) > 2
