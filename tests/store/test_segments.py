"""The journal has an end: it is cut at checkpoints, and its oldest segments go, in steps that a kill may interrupt."""

from __future__ import annotations

import os
import signal
import sqlite3
from itertools import islice
from pathlib import Path

import pytest
from tests.bench.journals import simulate_days, write_journal
from tests.fakes.statefiles import in_child, opened, tampered

from connmon_agent.cli.decisions import refold_journal, verify_journal
from connmon_agent.core.observations import ProbeResult
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.errors import Divergence, StoreError
from connmon_agent.store import checkpoints, reading, retention
from connmon_agent.store import journal as journal_module
from connmon_agent.store.journal import SqliteJournal
from connmon_agent.store.reading import Reader
from connmon_agent.store.retention import Limits

EVENTS = 400
EVERY = 50
FOREVER, ANY_SIZE = 10**9, 10**9
GOOD = ProbeResult("tcp 192.0.2.1:443", "tcp", True, 4.0)


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "EVERY", EVERY)
    monkeypatch.setattr(journal_module, "TIDY_AFTER", 1)
    monkeypatch.setattr(retention, "SPARE_PAGES", 0)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("made") / "connmon.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "EVERY", EVERY)
        write_journal(path, simulate_days(events=EVENTS))
    return path.read_bytes()


@pytest.fixture
def memory(tmp_path: Path, content: bytes) -> Path:
    """A state file of some hours, with an outage in each."""
    path = tmp_path / "connmon.db"
    path.write_bytes(content)
    return path


def tidy(path: Path, limits: Limits, *, rounds: int = 200) -> None:
    with opened(path) as journal:
        journal.limits = limits
        go_on(journal, rounds)


def go_on(journal: SqliteJournal, rounds: int) -> None:
    """Some rounds that change nothing, an hour after the newest event."""
    at = newest_event(journal.path).plus(3600.0)
    for number in range(rounds):
        journal.note_round(at.plus(number / 100), (GOOD,), probed=(GOOD,))


def newest_event(path: Path) -> Timestamp:
    with tampered(path) as connection:
        return Timestamp(*connection.execute("SELECT steady, wall FROM event ORDER BY seq DESC LIMIT 1").fetchone())


def age_of(path: Path, seq: int) -> float:
    """Seconds from event ``seq`` to the first of the rounds."""
    with tampered(path) as connection:
        steady: float = connection.execute("SELECT steady FROM event WHERE seq = ?", (seq,)).fetchone()[0]
    return newest_event(path).steady + 3600.0 - steady


def used(path: Path) -> int:
    with tampered(path) as connection:
        return retention.count_bytes(connection)


def verified(path: Path) -> int:
    """How many events are kept, all of which are decided again as they were."""
    with Reader(path) as reader:
        verification = verify_journal(reader)
    verification.raise_if_failed()
    return verification.events


def test_each_checkpoint_holds_the_world_that_the_events_make(memory: Path) -> None:
    with Reader(memory) as reader:
        marks = {mark.seq: mark for mark in reader.segments().marks}
        assert list(marks) == [EVERY * number for number in range(1, EVENTS // EVERY + 1)]
        for row, world in refold_journal(reader, reader.recorded()):
            if row.seq in marks:
                assert reader.checkpoint(marks[row.seq]).world == world


def test_deciding_again_from_any_checkpoint_ends_in_the_same_world(memory: Path) -> None:
    with Reader(memory) as reader:
        newest = reader.world()
        for mark in reader.segments().marks[:-1]:
            start = reader.checkpoint(mark).world
            *_, (row, world) = refold_journal(reader, reader.recorded(after_seq=mark.seq), start)
            assert (row.seq, world) == (EVENTS, newest)


def test_a_checkpoint_that_is_not_what_the_events_make_is_found(memory: Path) -> None:
    with Reader(memory) as reader:
        first, second, *_ = reader.segments().marks
    with tampered(memory) as connection:
        row = connection.execute("SELECT body FROM checkpoint WHERE seq = ?", (second.seq,)).fetchone()
        mark = (first.seq, *first.at, first.earliest, first.latest, first.hash)
        seal = checkpoints._seal(mark, checkpoints._unpack(row[0]))
        connection.execute("UPDATE checkpoint SET body = ?, seal = ? WHERE seq = ?", (row[0], seal, first.seq))
    with Reader(memory) as reader, pytest.raises(Divergence, match=f"event {first.seq} .*the checkpoint after it"):
        verify_journal(reader).raise_if_failed()


def test_a_checkpoint_with_a_flipped_bit_is_found(memory: Path) -> None:
    with tampered(memory) as connection:
        body = bytearray(connection.execute("SELECT body FROM checkpoint WHERE seq = ?", (EVERY,)).fetchone()[0])
        body[len(body) // 2] ^= 1
        connection.execute("UPDATE checkpoint SET body = ? WHERE seq = ?", (bytes(body), EVERY))
    with Reader(memory) as reader, pytest.raises(Divergence, match=f"checkpoint after event {EVERY} is not as it was"):
        verify_journal(reader).raise_if_failed()


def test_what_is_old_goes_and_the_rest_is_verified(memory: Path) -> None:
    with Reader(memory) as reader:
        world, outages = reader.world(), reader.outages()
    tidy(memory, Limits(age_of(memory, 3 * EVERY) - 1, ANY_SIZE))
    assert verified(memory) == EVENTS - 3 * EVERY
    with Reader(memory) as reader:
        assert reader.segments().kept_after == 3 * EVERY
        assert next(iter(reader.recorded())).seq == 3 * EVERY + 1
        assert reader.verify_chain() is None
        assert reader.world() == world, "attempts and tokens, by which the budget is counted, with it"
        kept = reader.outages()
        assert kept == outages[-len(kept) :]
        assert len(kept) < len(outages)
        assert reader.born() is not None
    with tampered(memory) as connection:
        assert connection.execute("SELECT min(seq) FROM event").fetchone()[0] == 3 * EVERY
        assert connection.execute("SELECT count(*) FROM intent WHERE settled_seq <= ?", (3 * EVERY,)).fetchone()[0] == 0


def test_nothing_goes_before_its_time(memory: Path) -> None:
    tidy(memory, Limits(age_of(memory, EVERY) + 100, ANY_SIZE))
    assert verified(memory) == EVENTS


def test_the_age_alone_does_not_take_the_newest_outage(memory: Path) -> None:
    with tampered(memory) as connection:  # as if nothing but its end were in the segments after it
        connection.execute("DELETE FROM outage WHERE opened_seq > ?", (4 * EVERY,))
        opened_seq = connection.execute("SELECT opened_seq FROM outage ORDER BY id DESC LIMIT 1").fetchone()[0]
    assert 2 * EVERY < opened_seq < 4 * EVERY
    tidy(memory, Limits(0.0, ANY_SIZE))
    with Reader(memory) as reader:
        assert reader.segments().kept_after == (opened_seq - 1) // EVERY * EVERY
        assert next(iter(reader.recorded(outage=reader.outages()[-1].id))).seq == opened_seq


def test_an_open_intent_keeps_its_events(memory: Path) -> None:
    with tampered(memory) as connection:
        token = connection.execute("SELECT token FROM intent WHERE seq > ? ORDER BY seq", (EVERY,)).fetchone()[0]
        connection.execute("DROP INDEX one_open_intent_per_service")
        connection.execute(
            "UPDATE intent SET outcome = NULL, reason = NULL, settled_seq = NULL WHERE token = ?", (token,)
        )
    tidy(memory, Limits(0.0, ANY_SIZE))
    with Reader(memory) as reader:
        assert reader.segments().kept_after == EVERY
        assert token in [intent.token for intent in reader.open_intents()]


def test_the_size_takes_the_events_of_the_newest_outage_but_not_its_row(memory: Path) -> None:
    with Reader(memory) as reader:
        newest = reader.outages()[-1]
    tidy(memory, Limits(FOREVER, 1000))
    assert verified(memory) == EVERY
    with Reader(memory) as reader:
        assert reader.outages()[-1] == newest


def test_the_size_takes_no_outage_from_the_list_before_its_time(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Reader(memory) as reader:
        outages = reader.outages()
    tidy(memory, Limits(FOREVER, 1000))
    with Reader(memory) as reader:
        assert reader.outages() == outages
        assert list(reader.recorded(outage=1)) == []
    later = islice(simulate_days(events=EVENTS + 6 * EVERY), EVENTS, None)
    monkeypatch.setattr(retention, "MOST_OUTAGES", 3)
    with opened(memory) as journal:
        journal.limits = Limits(FOREVER, 1000)
        journal._charts = journal.load().charts  # as after the start of an agent
        for event, step in later:
            journal.commit(event, step)
        go_on(journal, 200)
    assert verified(memory) == EVERY
    with Reader(memory) as reader:
        assert 3 <= len(reader.outages()) <= 4


def test_the_size_is_held_and_the_file_gets_shorter(memory: Path) -> None:
    before, length = used(memory), memory.stat().st_size
    tidy(memory, Limits(FOREVER, before // 2))
    assert used(memory) <= before // 2
    assert memory.stat().st_size < 0.7 * length
    assert verified(memory) < EVENTS


def test_beyond_the_size_what_is_oldest_goes_first_be_it_rounds_or_events(memory: Path) -> None:
    row = (1.0, 2.0, 1.0, 2.0, 1, os.urandom(100_000))
    with opened(memory):
        pass
    with tampered(memory) as connection:
        connection.execute(
            "INSERT INTO round_block (first_steady, last_steady, earliest_wall, latest_wall, rounds, body)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            row,
        )
    tidy(memory, Limits(FOREVER, used(memory) - 50_000))
    with tampered(memory) as connection:
        assert connection.execute("SELECT count(*) FROM round_block WHERE last_steady = 2.0").fetchone()[0] == 0
    assert verified(memory) == EVENTS


def test_one_step_removes_no_more_than_so_many_rows(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "EVENTS_AT_ONCE", 7)
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 3)
    seen: list[int] = []
    with opened(memory) as journal:
        journal.limits = Limits(FOREVER, 1000)
        for _ in range(100):
            before = journal._connection.total_changes
            journal._tidy(Timestamp(10.0**6, 10.0**6))
            seen.append(journal._connection.total_changes - before)
    assert 3 <= max(seen) <= 1 + 3 * 3 + 7
    assert verified(memory) == EVERY


def test_readers_pass_over_what_is_half_removed(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "EVENTS_AT_ONCE", 30)
    counted = []
    with opened(memory) as journal:
        journal.limits = Limits(FOREVER, 1000)
        for _ in range(25):
            go_on(journal, 1)
            counted.append(verified(memory))
    assert counted == sorted(counted, reverse=True)
    assert {count % EVERY for count in counted} == {0}


def test_events_that_go_while_they_are_read_are_missed(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE", 10)
    with Reader(memory) as reader:
        events = reader.recorded()
        assert next(events).seq == 1
        tidy(memory, Limits(FOREVER, 1000))
        with pytest.raises(StoreError, match=r"the agent removed event 11 .* while the journal was read"):
            list(events)


def test_a_verification_begins_again_where_its_first_events_go_meanwhile(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go after it was read at which checkpoint the journal begins, and before any event is."""
    with Reader(memory) as reader:
        read = reader.segments

        def read_and_remove() -> checkpoints.Segments:
            monkeypatch.undo()
            monkeypatch.setattr(checkpoints, "EVERY", EVERY)
            monkeypatch.setattr(journal_module, "TIDY_AFTER", 1)
            found = read()
            tidy(memory, Limits(FOREVER, 1000))
            return found

        monkeypatch.setattr(reader, "segments", read_and_remove)
        verification = verify_journal(reader)
    verification.raise_if_failed()
    assert verification.events == EVERY


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        (f"DELETE FROM event WHERE seq = {3 * EVERY + 1}", "no event of a segment that is kept"),
        (f"DELETE FROM event WHERE seq = {3 * EVERY}", "no event of a segment that is kept"),
        (f"INSERT OR REPLACE INTO meta VALUES ('kept_after', '{3 * EVERY + 1}')", "begins at a checkpoint"),
    ],
    ids=["an event", "the end of the chain", "no checkpoint"],
)
def test_no_statement_removes_what_is_kept(memory: Path, statement: str, refusal: str) -> None:
    tidy(memory, Limits(age_of(memory, 3 * EVERY) - 1, ANY_SIZE))
    with tampered(memory) as connection, pytest.raises(sqlite3.IntegrityError, match=refusal):
        connection.execute(statement)


def test_a_journal_that_was_cut_goes_on_and_is_cut_again(memory: Path) -> None:
    later = islice(simulate_days(events=EVENTS + 3 * EVERY), EVENTS, None)
    with opened(memory) as journal:
        journal.limits = Limits(FOREVER, 1000)
        go_on(journal, 100)
    with opened(memory) as journal:
        journal.limits = Limits(FOREVER, 1000)
        for event, step in later:
            journal.commit(event, step)
        assert verified(memory) == 4 * EVERY, "without the start of an agent there is no checkpoint"
        go_on(journal, 100)
    assert verified(memory) == 4 * EVERY


def test_spans_of_time_skip_segments_but_no_event(memory: Path) -> None:
    with Reader(memory) as reader:
        events = list(reader.recorded())
        for first in range(0, EVENTS, 37):
            low, high = events[first].at.wall, events[min(first + 60, EVENTS - 1)].at.wall
            expected = [row.seq for row in events if low <= row.at.wall <= high]
            assert [row.seq for row in reader.recorded(since=low, until=high)] == expected


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.linux_alone(reason="children that are forked")
def test_killed_at_any_statement_of_a_removal_the_file_opens_and_verifies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "EVENTS_AT_ONCE", 20)
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 5)
    monkeypatch.setattr(retention, "PAGES_AT_ONCE", 2)
    made = tmp_path / "connmon.db"
    write_journal(made, simulate_days(events=3 * EVERY))
    content = made.read_bytes()

    def work(path: Path, fatal: int | None) -> int:
        seen: list[str] = []

        def trace(statement: str) -> None:
            seen.append(statement)
            if fatal is not None and len(seen) == fatal:
                die()

        with opened(path, trace=trace) as journal:
            journal.limits = Limits(FOREVER, 1000)
            seen.clear()
            for _ in range(12):
                journal._tidy(Timestamp(10.0**6, 10.0**6))
            return len(seen)

    total = work(made, None)
    assert verified(made) == EVERY
    counts = set()
    for fatal in range(1, total, 14):
        path = tmp_path / f"{fatal}.db"
        path.write_bytes(content)
        assert in_child(lambda path=path, fatal=fatal: work(path, fatal)) == -signal.SIGKILL  # type: ignore[misc]
        counts.add(verified(path))
        work(path, None)
        assert verified(path) == EVERY
        path.unlink()
    assert counts == {3 * EVERY, 2 * EVERY, EVERY}


@pytest.mark.linux_alone(reason="children that are forked")
def test_killed_at_any_statement_of_a_commit_that_makes_a_checkpoint(tmp_path: Path) -> None:
    made = tmp_path / "connmon.db"
    write_journal(made, simulate_days(events=EVERY - 1))
    content = made.read_bytes()
    event, step = next(islice(simulate_days(events=EVERY), EVERY - 1, None))
    charts = step.world.charts

    def work(path: Path, fatal: int) -> None:
        seen: list[str] = []

        def trace(statement: str) -> None:
            seen.append(statement)
            if len(seen) == fatal:
                die()

        with opened(path, trace=trace) as journal:
            journal._charts = charts  # as after the start of an agent
            seen.clear()
            journal.commit(event, step)
            fatal = len(seen)
            raise SystemExit

    fatal, survived = 0, False
    while not survived:
        fatal += 1
        path = tmp_path / f"{fatal}.db"
        path.write_bytes(content)
        survived = in_child(lambda path=path, fatal=fatal: work(path, fatal)) != -signal.SIGKILL  # type: ignore[misc]
        events = verified(path)
        with Reader(path) as reader:
            assert [mark.seq for mark in reader.segments().marks] == [EVERY] * (events == EVERY)
    assert events == EVERY
    assert fatal > 8
