"""The outbox in the state file: its rows come with the event that decides on them, whole or not at all."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.fakes.statefiles import in_child, load_dump, opened, tampered, tick, timestamp

from connmon_agent.cli.decisions import verify_journal
from connmon_agent.core.notices import Notice, NoticeState, SendAnswer, SendResult, begin_attempt, end_attempt
from connmon_agent.core.steps import Step
from connmon_agent.core.world import Link, LinkState, Outage, World
from connmon_agent.errors import StoreError
from connmon_agent.store import outbox, retention
from connmon_agent.store.journal import SqliteJournal
from connmon_agent.store.reading import Reader

CHANNELS = {"mail": False, "sms": True}
DUMPS = sorted(Path(__file__).parent.glob("memory-of-schema-*.sql"))
SENT = SendAnswer(SendResult.SENT, "250 ok")


def fall(world: World, number: int, second: float) -> World:
    outage = Outage(number, timestamp(second), "unreachable")
    return replace(world, link=Link(LinkState.OFFLINE), outages=number, outage=outage)


def settle(world: World, second: float) -> World:
    assert world.outage is not None
    outage = replace(world.outage, back=timestamp(second), ended=timestamp(second))
    return replace(world, link=Link(LinkState.ONLINE), outage=outage)


def live_through(journal: SqliteJournal, number: int, second: float) -> None:
    """An outage of two events."""
    for world in (fall(journal.load(), number, second), settle(fall(journal.load(), number, second), second + 5)):
        journal.commit(tick(second), Step(world))
        second += 5


def rows(path: Path) -> list[tuple[object, ...]]:
    with Reader(path) as reader:
        return [(one.number, one.outage, one.channel, str(one.kind), str(one.state)) for one in reader.notices()]


def test_the_rows_of_an_outage(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with opened(path) as journal:
        journal.channels = CHANNELS
        journal.commit(tick(10), Step(fall(journal.load(), 1, 10)))
        (offline,) = journal.unsent
        assert offline == Notice(1, 1, "sms", "offline", 1, 1, timestamp(10), timestamp(10))
        begun = begin_attempt(offline, timestamp(11))
        assert journal.note_attempt(begun)
        assert journal.note_attempt(end_attempt(begun, SENT, timestamp(12)))
        assert journal.unsent == ()
        journal.commit(tick(15), Step(settle(journal.load(), 15)))
        assert [(one.channel, one.kind, one.from_seq, one.until_seq) for one in journal.unsent] == [
            ("mail", "digest", 1, 2),
            ("sms", "digest", 1, 2),
        ]
    assert rows(path) == [
        (1, 1, "sms", "offline", "sent"),
        (2, 1, "mail", "digest", "queued"),
        (3, 1, "sms", "digest", "queued"),
    ]
    with opened(path) as journal:
        assert [one.number for one in journal.unsent] == [2, 3]
    with Reader(path) as reader:
        assert reader.notices()[0].detail == "250 ok"
        assert reader.verify_chain() is None


def test_what_was_dropped_or_included_meanwhile_is_not_sent_and_stays_so(tmp_path: Path) -> None:
    with opened(tmp_path / "connmon.db") as journal:
        journal.channels = CHANNELS
        live_through(journal, 1, 10)
        mail, sms = (one for one in journal.unsent if one.kind == "digest")
        assert journal.drop_notices([sms.number, 99], "dropped by root", timestamp(20)) == [sms]
        assert not journal.note_attempt(begin_attempt(sms, timestamp(21)))
        begun = begin_attempt(mail, timestamp(21))
        assert journal.note_attempt(begun)
        assert [one.state for one in journal.drop_notices(None, "dropped by root", timestamp(22))] == ["sending"]
        assert not journal.note_attempt(end_attempt(begun, SENT, timestamp(23)))
        assert journal.unsent == ()


def test_the_file_refuses_a_second_notice_of_one_name_and_an_end_without_its_time(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with opened(path) as journal:
        journal.channels = CHANNELS
        live_through(journal, 1, 10)
    copy = (
        "SELECT number + 50, outage, channel, kind, part, from_seq, until_seq, queued_steady, queued_wall, due_steady"
    )
    rest = "due_wall, state, attempts, detail, tried_steady, tried_wall, settled_steady, settled_wall, wait_until"
    with tampered(path) as connection:
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            connection.execute(f"INSERT INTO notice {copy}, {rest} FROM notice")
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            connection.execute("UPDATE notice SET state = 'sent' WHERE settled_steady IS NULL")
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            connection.execute("UPDATE notice SET part = 2 WHERE kind = 'digest'")


def test_those_that_have_ended_are_removed_from_a_number_on_and_no_number_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "KEPT", 3)
    path = tmp_path / "connmon.db"
    with opened(path) as journal:
        journal.channels = {"mail": False}
        for number in range(1, 9):
            live_through(journal, number, 10_000.0 * number)
            (notice,) = journal.unsent
            assert notice.number == number
            if number != 2:
                journal.note_attempt(end_attempt(begin_attempt(notice, tick(1).at), SENT, timestamp(10_000.0 * number)))
    assert [row[0] for row in rows(path)] == [5, 6, 7, 8], "a kept one more than those that had ended before"


def test_an_unsent_notice_keeps_its_events_from_being_too_old(tmp_path: Path) -> None:
    with opened(tmp_path / "connmon.db") as journal:
        journal.channels = {"mail": False}
        live_through(journal, 1, 10)
        live_through(journal, 2, 100)
        connection = journal._connection
        (notice,) = journal.unsent
        assert retention._is_needed(connection, notice.from_seq)
        journal.note_attempt(end_attempt(begin_attempt(notice, tick(1).at), SENT, timestamp(200)))
        assert not retention._is_needed(connection, notice.from_seq)


@pytest.mark.parametrize("dump", DUMPS, ids=lambda path: path.stem)
def test_the_file_of_an_older_agent_has_none_and_verifies_as_before(tmp_path: Path, dump: Path) -> None:
    path = tmp_path / "connmon.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        load_dump(connection, dump)
    assert rows(path) == []
    verify = Reader.verify_chain if dump.stem.endswith("1") else verify_journal  # whose charts are no longer understood
    with Reader(path) as reader:
        before = verify(reader)
    with opened(path) as journal:
        assert journal.unsent == ()
    with Reader(path) as reader:
        assert verify(reader) == before


# Killed, or without a disk.


def kill_at(path: Path, fatal: int, work: Callable[[SqliteJournal], object]) -> int:
    """Die before the statement with this number of ``work``; how the child ended."""

    def live() -> None:
        left: list[int] = []

        def trace(statement: str) -> None:
            if left:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        with opened(path, trace=trace) as journal:
            journal.channels = CHANNELS
            left.append(fatal)
            work(journal)
            left.clear()

    return in_child(live)


def begin(path: Path) -> None:
    with opened(path) as journal:
        journal.channels = CHANNELS
        journal.commit(tick(10), Step(fall(journal.load(), 1, 10)))


def count_statements(path: Path, work: Callable[[SqliteJournal], object]) -> int:
    statements: list[str] = []
    with opened(path, trace=statements.append) as journal:
        journal.channels = CHANNELS
        statements.clear()
        work(journal)
        return len(statements)


def end_outage(journal: SqliteJournal) -> None:
    journal.commit(tick(15), Step(settle(journal.load(), 15)))


@pytest.mark.linux_alone(reason="children that are forked")
def test_killed_before_every_statement_the_event_and_its_notices_are_there_together_or_not(tmp_path: Path) -> None:
    rehearsal = tmp_path / "rehearsal.db"
    begin(rehearsal)
    total = count_statements(rehearsal, end_outage)
    assert total > 12
    outcomes = set()
    for fatal in range(total + 1):
        path = tmp_path / f"{fatal}.db"
        begin(path)
        ended = kill_at(path, fatal, end_outage)
        with Reader(path) as reader:
            events, _ = reader.counts()
            digests = [one for one in reader.notices() if one.kind == "digest"]
            assert reader.verify_chain() is None
        assert len(digests) == (2 if events == 2 else 0)
        with opened(path) as journal:
            assert journal.set_aside is None
            assert {one.number for one in journal.unsent} >= {one.number for one in digests}
        outcomes.add((ended, events))
    assert outcomes == {(-signal.SIGKILL, 1), (0, 2)}


@pytest.mark.linux_alone(reason="children that are forked")
@pytest.mark.parametrize("sent", [False, True], ids=["begun", "sent"])
def test_killed_before_every_statement_of_an_attempt_it_is_sent_again_unless_its_end_was_recorded(
    tmp_path: Path, sent: bool
) -> None:
    def attempt(journal: SqliteJournal) -> None:
        (offline,) = journal.unsent
        begun = begin_attempt(offline, timestamp(11))
        if sent:
            begun = end_attempt(begun, SENT, timestamp(12))
        journal.note_attempt(begun)

    rehearsal = tmp_path / "rehearsal.db"
    begin(rehearsal)
    for fatal in range(count_statements(rehearsal, attempt) + 1):
        path = tmp_path / f"{fatal}.db"
        begin(path)
        died = kill_at(path, fatal, attempt) != 0
        with opened(path) as journal:
            assert journal.set_aside is None
            states = [one.state for one in journal.unsent]
        allowed = [["queued"], [] if sent else ["sending"]]
        assert states in (allowed if died else allowed[1:])


def test_a_failed_disk_is_an_unknown_outcome_and_the_rows_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with opened(path) as journal:
        journal.channels = CHANNELS
        journal.commit(tick(10), Step(fall(journal.load(), 1, 10)))
        (offline,) = journal.unsent
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            journal._connection.execute("PRAGMA busy_timeout = 0")
            with pytest.raises(StoreError):
                journal.note_attempt(end_attempt(begin_attempt(offline, tick(1).at), SENT, timestamp(12)))
            other.execute("ROLLBACK")
        journal.reopen()
        assert journal.unsent == (offline,)
        assert offline.state == NoticeState.QUEUED
