"""A disk that cannot be written: the agent watches on, restarts nothing, and forgets nothing of what it saw."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.fakes.direct_journals import DirectJournal
from tests.fakes.sites import Site, plan_of
from tests.fakes.statefiles import in_child, opened
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.events import AgentStopped, RoundFinished
from connmon_agent.store.reading import Reader

if sys.platform != "win32":
    import resource


def test_a_full_disk_stops_restarts_and_not_the_watch() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")
        site.disk.fail = "full"
        site.link.up = False
        await site.until_link("OFFLINE")
        site.link.up = True
        await site.wait(120.0)
        assert site.restarts("web") == 0
        assert any("nothing is restarted: disk full" in record.text for record in site.said)

    run_virtually(story())


@pytest.mark.parametrize("fail", ["full", "unsure", "away"])
def test_an_outage_that_the_disk_could_not_record_is_recovered_once_it_can(fail: str) -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")
        site.disk.fail = fail
        site.link.up = False
        await site.until_link("OFFLINE")
        site.link.up = True
        await site.wait(120.0)
        site.disk.fail = None
        await site.until(lambda: site.restarts("web") == 1)
        await site.until_link("ONLINE")
        assert any("is writable again" in record.text for record in site.said)
        assert (site.world.outages, site.restarts("web")) == (1, 1)
        assert recorded_rounds(site) == sorted(set(recorded_rounds(site)))

    run_virtually(story())


def recorded_rounds(site: Site) -> list[float]:
    return [commit.event.at.steady for commit in site.disk.commits if isinstance(commit.event, RoundFinished)]


@pytest.mark.parametrize("fail", ["full", "unsure", "away"])
def test_a_disk_that_cannot_be_written_is_told_once_and_each_change_of_the_link_too(fail: str) -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")
        site.disk.fail = fail
        site.link.up = False
        await site.wait(120.0)
        site.disk.fail = None
        await site.wait(120.0)
        told = [record.text for record in site.said]
        assert sum("the state file cannot be written" in text for text in told) == 1
        assert sum("-> OFFLINE" in text for text in told) == 1

    run_virtually(story())


def test_what_the_full_disk_could_not_record_is_recorded_at_the_end_of_the_agent_where_it_can_be() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")
        site.disk.fail = "full"
        site.link.up = False
        await site.until_link("OFFLINE")
        site.disk.fail = None
        await site.stop()
        assert site.disk.world.link.state == "OFFLINE"
        assert isinstance(site.disk.commits[-1].event, AgentStopped)

    run_virtually(story())


@pytest.mark.parametrize("fail", ["full", "unsure"])
def test_a_failed_commit_is_an_unknown_outcome_and_no_restart_rests_on_it(fail: str) -> None:
    """The commit of the intent fails: whether or not it reached the disk, the restart happens exactly once."""

    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.lose_link()
        site.link.up = True
        site.disk.before = lambda event, step: setattr(site.disk, "fail", fail) if step.effects else None
        await site.until(lambda: site.disk.fail is not None)
        await site.wait(3.0)
        assert site.restarts("web") == 0
        site.disk.fail, site.disk.before = None, None
        await site.until_link("ONLINE")
        assert (site.restarts("web"), site.world.services["web"].attempts) == (1, 1)

    run_virtually(story())


LOG_INDEX = 32768  # bytes of the log's index in memory, without which SQLite opens nothing


def limit_files(length: int) -> None:
    """No file of this process is written beyond so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, resource.RLIM_INFINITY))


@pytest.mark.linux_alone(reason="a limit on the size of files")
def test_a_state_file_that_was_full_during_an_outage_holds_all_of_it_afterwards(tmp_path: Path) -> None:
    """The real journal: it opens on a full disk, because that only reads, and then refuses every commit."""
    path = tmp_path / "connmon.db"

    def work() -> None:
        with opened(path) as journal:
            site = Site(plan_of("web"))
            site.journal = DirectJournal(journal)
            run_virtually(story(site))

    async def story(site: Site) -> None:
        await site.start()
        await site.until_link("ONLINE")
        limit_files(LOG_INDEX)
        site.link.up = False
        await site.until_link("OFFLINE")
        await site.wait(60.0)
        site.link.up = True
        await site.wait(60.0)
        limit_files(resource.RLIM_INFINITY)
        await site.until(lambda: site.restarts("web") == 1)
        await site.until_link("ONLINE")
        await site.stop()

    assert in_child(work) == 0
    with Reader(path) as reader:
        assert [outage.restarts for outage in reader.outages()] == [1]
        assert reader.verify_chain() is None
