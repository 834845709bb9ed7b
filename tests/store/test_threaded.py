"""The journal in its thread: calls in order, errors where they belong, and an end that waits for no disk."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from tests.fakes.statefiles import opened, tick
from tests.fakes.virtual_time import until

from connmon_agent.core.steps import Step
from connmon_agent.core.world import World
from connmon_agent.errors import CommitError
from connmon_agent.store.journal import SqliteJournal
from connmon_agent.store.reading import Reader
from connmon_agent.store.threaded import JournalThread

PATIENCE = 60.0  # seconds; only a test that fails waits so long


def named(number: int) -> Step:
    return Step(World(store="k7", outages=number))


def test_calls_are_done_in_their_order_in_one_thread_and_each_gets_its_result(tmp_path: Path) -> None:
    threads: set[str] = set()

    async def story(journal: SqliteJournal) -> None:
        thread = JournalThread(journal)
        commits = [asyncio.ensure_future(thread.commit(tick(float(number)), named(number))) for number in range(20)]
        assert await asyncio.gather(*commits) == list(range(1, 21))
        assert (await thread.reopen()).outages == 19
        await thread.close(PATIENCE)

    with opened(tmp_path / "connmon.db", trace=lambda _: threads.add(threading.current_thread().name)) as journal:
        threads.clear()
        asyncio.run(story(journal))
    assert threads == {"journal"}
    with Reader(tmp_path / "connmon.db") as reader:
        assert [row.at.steady for row in reader.recorded()] == [tick(float(number)).at.steady for number in range(20)]
        assert reader.verify_chain() is None


def test_a_failure_reaches_the_one_who_asked_and_the_next_call_is_refused_until_it_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(journal: SqliteJournal) -> None:
        thread = JournalThread(journal)
        monkeypatch.setattr(journal, "_in_order", False)  # as after a commit of unknown outcome
        results = await asyncio.gather(
            *(thread.commit(tick(1.0), named(1)) for _ in range(2)), thread.reopen(), return_exceptions=True
        )
        assert [type(result) for result in results] == [CommitError, CommitError, World]
        assert await thread.commit(tick(2.0), named(2)) == 1
        await thread.close(PATIENCE)

    with opened(tmp_path / "connmon.db") as journal:
        asyncio.run(story(journal))


def test_a_commit_that_nobody_waits_for_any_more_is_made_all_the_same(tmp_path: Path) -> None:
    async def story(journal: SqliteJournal) -> None:
        thread = JournalThread(journal)
        commit = asyncio.ensure_future(thread.commit(tick(1.0), named(1)))
        await asyncio.sleep(0)
        commit.cancel()
        await thread.close(PATIENCE)

    with opened(tmp_path / "connmon.db") as journal:
        asyncio.run(story(journal))
    with Reader(tmp_path / "connmon.db") as reader:
        assert reader.counts()[0] == 1


def test_a_disk_that_does_not_answer_holds_up_neither_the_loop_nor_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, asked = threading.Event(), threading.Event()

    def hang(*_: object) -> int:
        asked.set()
        answers.wait()
        return 1

    async def story(journal: SqliteJournal) -> None:
        monkeypatch.setattr(journal, "commit", hang)
        thread = JournalThread(journal)
        commit = asyncio.ensure_future(thread.commit(tick(1.0), named(1)))
        await until(asked.is_set)
        await thread.close(0.01)
        assert not commit.done()
        commit.cancel()
        journal.close()  # returns at once: the connection is the thread's

    with opened(tmp_path / "connmon.db") as journal:
        asyncio.run(story(journal))
        answers.set()


def test_it_tells_whether_the_disk_is_asked_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(journal: SqliteJournal) -> None:
        answered = threading.Event()
        monkeypatch.setattr(journal, "last_sign_of_life", answered.wait)
        thread = JournalThread(journal)
        before = thread.idle_since
        asked = asyncio.ensure_future(thread.last_sign_of_life())
        await until(lambda: thread.idle_since is None)
        answered.set()
        await asked
        await until(lambda: thread.idle_since is not None)
        assert before is not None and (thread.idle_since or 0.0) >= before
        await thread.commit(tick(1.0), named(1))
        counts, seconds = thread.commits
        assert sum(counts) == 1 and seconds > 0.0
        await thread.close(PATIENCE)

    with opened(tmp_path / "connmon.db") as journal:
        asyncio.run(story(journal))
