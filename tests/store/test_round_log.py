"""Every round is kept for a while, whatever ends the agent, and no decision rests on it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.fakes.statefiles import opened, tampered, timestamp

from connmon_agent.core.observations import Failure, ProbeResult
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.errors import StoreError
from connmon_agent.store import round_log
from connmon_agent.store.journal import SqliteJournal
from connmon_agent.store.reading import Reader
from connmon_agent.store.round_log import BLOCK_SECONDS, BLOCKS_AT_ONCE

GOOD = ProbeResult("tcp 192.0.2.1:443", "tcp", True, 10.0)
SILENT = ProbeResult("dns 192.0.2.2", "dns", False, None, "no answer within 1 s", failure=Failure.SILENT)
EVERY = 20.0  # seconds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "connmon.db"


def note(journal: SqliteJournal, seconds: Iterable[float]) -> None:
    for second in seconds:
        journal.note_round(timestamp(second), (GOOD, SILENT), probed=(GOOD, SILENT))


def every(first: float, last: float, step: float = EVERY) -> list[float]:
    return [first + step * number for number in range(int((last - first) / step) + 1)]


def seconds_of(path: Path, **span: float) -> list[float]:
    with Reader(path) as reader:
        return [found.at.steady for found in reader.rounds(**span)]


def count(path: Path, table: str) -> int:
    with tampered(path) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_every_round_is_kept_with_what_it_asked(path: Path) -> None:
    with opened(path) as journal:
        note(journal, every(0, 3 * BLOCK_SECONDS))
    with Reader(path) as reader:
        found = list(reader.rounds())
    assert [one.at.steady for one in found] == every(0, 3 * BLOCK_SECONDS)
    good, silent = found[7].results
    assert (good.name, good.ok, good.latency_ms) == (GOOD.name, True, pytest.approx(10.0, rel=0.05))
    assert (silent.name, silent.ok, silent.failure, silent.reason) == (SILENT.name, False, Failure.SILENT, None)
    assert (count(path, "round_block"), count(path, "round_tail")) == (3, 1)


def test_a_killed_agent_loses_none_and_the_next_goes_on_with_its_block(path: Path) -> None:
    killed = SqliteJournal.open(path, boottime=lambda: 1.0, boot_id="boot", wall=lambda: 1.0)
    note(killed, every(0, 100))
    killed._connection.close()  # as the kernel would
    with opened(path) as journal:
        note(journal, every(120, BLOCK_SECONDS))
    assert seconds_of(path) == every(0, BLOCK_SECONDS)
    assert (count(path, "round_block"), count(path, "round_tail")) == (1, 1)


def test_a_block_holds_no_more_than_so_many_rounds_however_fast_they_come(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(round_log, "MOST_ROUNDS", 10)
    with opened(path) as journal:
        note(journal, every(0, 1.0, 0.1))
    assert (count(path, "round_block"), count(path, "round_tail")) == (1, 1)
    assert len(seconds_of(path)) == 11


def test_a_span_of_time_is_found_in_blocks_and_behind_them(path: Path) -> None:
    with opened(path) as journal:
        note(journal, every(0, 2.5 * BLOCK_SECONDS))
    low, high = timestamp(BLOCK_SECONDS - 20).wall, timestamp(2 * BLOCK_SECONDS + 20).wall
    assert seconds_of(path, since=low, until=high) == every(BLOCK_SECONDS - 20, 2 * BLOCK_SECONDS + 20)
    assert seconds_of(path, since=timestamp(2.5 * BLOCK_SECONDS).wall) == [2.5 * BLOCK_SECONDS]
    assert seconds_of(path, until=timestamp(-1).wall) == []


def test_a_round_is_found_by_what_the_clock_showed_when_it_was_set_meanwhile(path: Path) -> None:
    with opened(path) as journal:
        for second, wall in ((0.0, 5000.0), (5.0, 100.0), (10.0, 105.0), (2 * BLOCK_SECONDS, 9000.0)):
            journal.note_round(Timestamp(second, wall), (GOOD,), probed=(GOOD,))
    assert seconds_of(path, since=99.0, until=101.0) == [5.0]
    assert seconds_of(path, since=4000.0, until=6000.0) == [0.0]


def test_old_rounds_go_and_the_file_gets_no_longer(path: Path) -> None:
    with opened(path) as journal:
        journal.rounds_keep = 3 * BLOCK_SECONDS
        note(journal, every(0, 8 * BLOCK_SECONDS))
    kept = seconds_of(path)
    assert kept[-1] == 8 * BLOCK_SECONDS
    assert 8 * BLOCK_SECONDS - 5 * BLOCK_SECONDS < kept[0] <= 8 * BLOCK_SECONDS - 3 * BLOCK_SECONDS


def test_a_shorter_time_to_keep_them_gives_pages_back(path: Path) -> None:
    with opened(path) as journal:
        note(journal, every(0, 20 * BLOCK_SECONDS))
        journal.rounds_keep = 0.0
        note(journal, [20 * BLOCK_SECONDS + 5.0])
    with tampered(path) as connection:
        free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    assert (seconds_of(path), free) == ([], 0)


def test_no_more_than_so_many_blocks_are_removed_by_one_round(path: Path) -> None:
    with opened(path) as journal:
        with tampered(path) as connection:
            row = (1.0, 2.0, 1.0, 2.0, 1, b"x")
            connection.executemany(
                "INSERT INTO round_block (first_steady, last_steady, earliest_wall, latest_wall, rounds, body)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [row] * (BLOCKS_AT_ONCE + 5),
            )
        journal.rounds_keep = 0.0
        note(journal, [100.0])
        assert count(path, "round_block") == 5
        note(journal, [105.0])
        assert count(path, "round_block") == 0


def test_a_round_that_asked_nobody_is_none(path: Path) -> None:
    with opened(path) as journal:
        journal.note_round(timestamp(5.0), (GOOD,), probed=())
    assert seconds_of(path) == []


def test_a_round_that_was_not_written_is_written_with_none_of_its_block_lost(path: Path) -> None:
    """The disk fails in the very transaction that would have closed the block."""
    with opened(path) as journal:
        note(journal, every(0, BLOCK_SECONDS - EVERY))
        with tampered(path) as connection:
            connection.execute(
                "CREATE TRIGGER full BEFORE INSERT ON round_tail BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
        with pytest.raises(StoreError):
            note(journal, [BLOCK_SECONDS])
        with tampered(path) as connection:
            connection.execute("DROP TRIGGER full")
        journal.reopen()
        note(journal, [BLOCK_SECONDS + EVERY])
    assert seconds_of(path) == [*every(0, BLOCK_SECONDS - EVERY), BLOCK_SECONDS + EVERY]


def test_rounds_do_not_wait_for_the_disk(path: Path) -> None:
    statements: list[str] = []
    with opened(path, trace=statements.append) as journal:
        statements.clear()
        note(journal, every(0, BLOCK_SECONDS))
    synced = [number for number, one in enumerate(statements) if one == "PRAGMA synchronous = FULL"]
    written = [number for number, one in enumerate(statements) if "round_tail" in one or "round_block" in one]
    assert written
    for number in written:
        last = max((one for one in synced if one < number), default=-1)
        assert "PRAGMA synchronous = NORMAL" in statements[last + 1 : number]


# Damage.


def with_blocks(path: Path) -> None:
    with opened(path) as journal:
        note(journal, every(0, 2.5 * BLOCK_SECONDS))


def test_a_sound_round_log_is_as_it_was_written(path: Path) -> None:
    with_blocks(path)
    with Reader(path) as reader:
        assert reader.verify_rounds() is None


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE round_block SET last_steady = last_steady + 1 WHERE id = 2",
        "UPDATE round_block SET earliest_wall = 0 WHERE id = 1",
        "UPDATE round_block SET rounds = 3 WHERE id = 1",
        "UPDATE round_block SET id = 7 WHERE id = 2",
        "UPDATE round_block SET body = (SELECT body FROM round_block WHERE id = 1) WHERE id = 2",
        "DELETE FROM round_tail WHERE id = 3",
    ],
)
def test_a_row_that_was_changed_is_found(path: Path, damage: str) -> None:
    with_blocks(path)
    with tampered(path) as connection:
        connection.execute(damage)
    with Reader(path) as reader:
        assert reader.verify_rounds() is not None


@pytest.mark.parametrize("table", ["round_block", "round_tail"])
def test_a_row_that_cannot_be_read_is_told_and_the_others_too(path: Path, table: str) -> None:
    with_blocks(path)
    with tampered(path) as connection:
        connection.execute(f"UPDATE {table} SET body = x'00' WHERE id = 2")
    with Reader(path) as reader, pytest.raises(StoreError, match="cannot be decoded"):
        reader.verify_rounds()
    with Reader(path) as reader, pytest.raises(StoreError, match="cannot be decoded"):
        list(reader.rounds())


def test_newest_rounds_that_cannot_be_read_are_damage_to_the_one_who_writes(path: Path) -> None:
    with_blocks(path)
    with tampered(path) as connection:
        connection.execute("UPDATE round_tail SET body = x'00' WHERE id = 1")
    with opened(path) as journal:
        assert journal.damage is not None and "newest rounds" in journal.damage


def test_a_file_of_an_older_agent_has_no_rounds(path: Path) -> None:
    with_blocks(path)
    with tampered(path) as connection:
        connection.execute("DROP TABLE round_block")
        connection.execute("DROP TABLE round_tail")
    with Reader(path) as reader:
        assert list(reader.rounds()) == []
        assert reader.verify_rounds() is None


def test_nobody_but_sqlite_is_asked_for_it(path: Path) -> None:
    with_blocks(path)
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT first_steady, last_steady, rounds FROM round_block").fetchall()
    connection.close()
    assert rows == [(0.0, 580.0, 30), (600.0, 1180.0, 30)]
