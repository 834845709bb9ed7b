"""A state file of the first schema, as an agent of that time left it, is read as it is and opened by today's.

``memory-of-schema-1.sql`` is ``sqlite3 connmon.db .dump`` of that agent's morning with one outage. In
``memory-of-schema-6.sql`` the first 40 events of 75 were removed, and a checkpoint follows every 20.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.fakes.mornings import at
from tests.fakes.statefiles import in_child, load_dump, opened

from connmon_agent.cli.decisions import verify_journal
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.store import opening
from connmon_agent.store.layout import SCHEMA_VERSION
from connmon_agent.store.reading import Reader

DUMP = Path(__file__).with_name("memory-of-schema-1.sql")


@pytest.fixture
def old_memory(tmp_path: Path) -> Path:
    path = tmp_path / "connmon.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        load_dump(connection, DUMP)
    return path


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def test_a_reader_does_not_migrate(old_memory: Path) -> None:
    with Reader(old_memory) as reader:
        (outage,) = reader.outages()
        assert (outage.id, outage.started, outage.ended, outage.result) == (1, at(12), at(223), "recovered")
        assert (outage.duration, outage.monitoring_gap, outage.detail) == (211.0, 0.0, "")
        assert reader.verify_chain() is None
    assert version_of(old_memory) == 1


def test_a_writer_migrates_and_loses_nothing(old_memory: Path) -> None:
    with Reader(old_memory) as reader:
        before, events = reader.world(), list(reader.recorded())
    with opened(old_memory) as journal:
        assert journal.set_aside is None
        assert journal.load() == before
    assert version_of(old_memory) == SCHEMA_VERSION
    with Reader(old_memory) as reader:
        assert list(reader.recorded()) == events
        assert reader.verify_chain() is None
        assert reader.outages()[0].monitoring_gap == 0.0


@pytest.mark.parametrize("schema", [1, 5, 6])
def test_the_file_of_an_old_agent_can_get_shorter_from_its_first_opening_on(tmp_path: Path, schema: int) -> None:
    path = tmp_path / "connmon.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        load_dump(connection, DUMP.with_name(f"memory-of-schema-{schema}.sql"))
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (0,)
    with Reader(path) as reader:
        before = list(reader.recorded())
    for _ in range(2):
        with opened(path) as journal:
            assert journal.set_aside is None
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
    with Reader(path) as reader:
        assert list(reader.recorded()) == before
        assert reader.verify_chain() is None


@pytest.mark.linux_alone(reason="children that are forked")
def test_killed_at_any_statement_of_its_first_opening_an_old_file_opens(tmp_path: Path) -> None:
    made = tmp_path / "connmon.db"
    with closing(sqlite3.connect(made, isolation_level=None)) as connection:
        load_dump(connection, DUMP.with_name("memory-of-schema-5.sql"))
    content = made.read_bytes()
    statements: list[str] = []
    with opened(made, trace=statements.append):
        pass
    assert "VACUUM" in statements
    with Reader(made) as reader:
        events = list(reader.recorded())
    for fatal in range(1, len(statements), 4):
        path = tmp_path / f"{fatal}.db"
        path.write_bytes(content)

        def work(path: Path = path, fatal: int = fatal) -> None:
            seen: list[str] = []

            def trace(statement: str) -> None:
                seen.append(statement)
                if len(seen) == fatal:
                    os.kill(os.getpid(), signal.SIGKILL)

            with opened(path, trace=trace):
                pass

        assert in_child(work) == -signal.SIGKILL
        with opened(path) as journal:
            assert journal.set_aside is None
        with Reader(path) as reader:
            assert list(reader.recorded()) == events
            assert reader.verify_chain() is None
        path.unlink()


def test_a_long_file_of_an_old_agent_is_not_rewritten_while_the_start_waits(
    old_memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "LONGEST_REWRITTEN", 10_000)
    with opened(old_memory), closing(sqlite3.connect(old_memory)) as connection:
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (0,)


def test_a_journal_that_was_cut_is_verified_from_where_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        load_dump(connection, DUMP.with_name("memory-of-schema-6.sql"))
    with Reader(path) as reader:
        assert [mark.seq for mark in reader.segments().marks] == [40, 60]
        assert verify_journal(reader).events == 35


def test_the_last_sign_of_life_of_an_old_agent_is_known(old_memory: Path) -> None:
    with opened(old_memory) as journal:
        life = journal.last_sign_of_life()
    assert isinstance(life, Timestamp) and life == at(194)
