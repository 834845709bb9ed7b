"""The tables keep their own promises, whoever writes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.fakes.statefiles import deciding, opened, restart, tampered, tick, with_outage

from connmon_agent.core.steps import Step
from connmon_agent.errors import InvariantError
from connmon_agent.store.layout import APPLICATION_ID, SCHEMA_VERSION
from connmon_agent.store.schema import MIGRATIONS, migrate

OURS = {
    "agent",
    "chart",
    "checkpoint",
    "event",
    "forward",
    "intent",
    "latest_round",
    "latest_traffic",
    "listen",
    "meta",
    "notice",
    "outage",
}
OURS |= {"round_block", "round_tail", "snapshot", "timer"}


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """A state file with one event and one open intent."""
    path = tmp_path / "connmon.db"
    with opened(path) as journal:
        journal.commit(tick(1), deciding(with_outage(journal.load()), 1))
    return path


def test_an_empty_file_is_brought_to_the_newest_schema() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert tables >= OURS
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def test_migrating_twice_changes_nothing() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        before = list(connection.iterdump())
        migrate(connection)
        assert list(connection.iterdump()) == before


def test_a_migration_that_fails_leaves_nothing_behind() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE snapshot (x)")
        with pytest.raises(sqlite3.OperationalError, match="snapshot already exists"):
            migrate(connection)
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("snapshot",)]


def test_the_version_counts_the_migrations() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        assert connection.execute("SELECT count(*) FROM _sqlite_migrations").fetchone() == (SCHEMA_VERSION,)
        assert "m001_memory" in repr(MIGRATIONS)


def test_every_table_is_strict(memory: Path) -> None:
    with tampered(memory) as connection:
        strict = {row[1] for row in connection.execute("PRAGMA table_list") if row[5]}
    assert strict == OURS


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET body = '{}' WHERE seq = 1",
        "UPDATE event SET hash = previous",
        "DELETE FROM event",
        "INSERT OR REPLACE INTO event SELECT * FROM event",
        "INSERT INTO event SELECT seq + 2, steady, wall, boottime, boot_id, kind, outage, body, step, previous, hash"
        " FROM event",
    ],
    ids=["change a body", "change a hash", "delete", "replace", "leave a gap"],
)
def test_events_are_append_only(memory: Path, statement: str) -> None:
    with tampered(memory) as connection:
        before = connection.execute("SELECT * FROM event").fetchall()
        with pytest.raises(sqlite3.IntegrityError, match="events are append-only"):
            connection.execute(statement)
        assert connection.execute("SELECT * FROM event").fetchall() == before


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO intent SELECT 'other', seq, service, outage, 9, body, outcome, reason, NULL FROM intent",
        "UPDATE intent SET outcome = 'forgotten', reason = 'x', settled_seq = 1",
        "UPDATE intent SET outcome = 'applied', reason = 'x'",
        "UPDATE intent SET seq = 99",
        "UPDATE intent SET attempt = -1",
        "UPDATE intent SET attempt = 'one'",
        "INSERT INTO snapshot SELECT 2, seq, world, wall FROM snapshot",
        "UPDATE outage SET by_operator = 2",
        "UPDATE outage SET ended_wall = 1.0",
        "INSERT INTO latest_round VALUES (1, 1.0, 1.0, '[]', 1.5, NULL)",
    ],
    ids=[
        "a second open intent of a service",
        "an unknown outcome",
        "settled by no event",
        "decided by no event",
        "a negative attempt",
        "a number in words",
        "a second world",
        "half by an operator",
        "ended on one clock only",
        "more lost than sent",
    ],
)
def test_rows_that_make_no_sense_are_refused(memory: Path, statement: str) -> None:
    with tampered(memory) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)


def test_a_service_never_has_two_open_intents(memory: Path) -> None:
    with opened(memory) as journal:
        before = journal.load()
        with pytest.raises(InvariantError, match=r"UNIQUE constraint failed: intent\.service"):
            journal.commit(tick(2), Step(before, effects=(restart("another"),)))
        assert journal.commit(tick(3), Step(before)) == 2
