"""What SQLite and the disk refuse is told in plain words, and costs nothing that was recorded."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.fakes.statefiles import (
    deciding,
    in_child,
    opened,
    tampered,
    tick,
    timestamp,
    with_outage,
    with_reading_rights_only,
)

from connmon_agent.core.steps import Step
from connmon_agent.errors import CommitError, StoreError
from connmon_agent.store import journal as journal_module
from connmon_agent.store.failures import commit_error, is_damage, store_error
from connmon_agent.store.reading import Reader

if sys.platform != "win32":
    import resource


def fill(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA max_page_count = 3")
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES (zeroblob(100000))")


def write_read_only(path: Path) -> None:
    with tampered(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        connection.execute("INSERT INTO t VALUES (1)")


def lock_twice(path: Path) -> None:
    with tampered(path) as one, closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as two:
        one.execute("BEGIN EXCLUSIVE")
        two.execute("BEGIN EXCLUSIVE")


def open_nowhere(path: Path) -> None:
    sqlite3.connect(path / "deeper" / "x.db")


def read_a_letter(path: Path) -> None:
    path.write_text("Dear all," * 200)
    with tampered(path) as connection:
        connection.execute("SELECT * FROM t")


def misspell(path: Path) -> None:
    with tampered(path) as connection:
        connection.execute("SELCT 1")


@pytest.mark.parametrize(
    ("provoke", "message", "damage"),
    [
        (
            fill,
            "the disk is full (SQLITE_FULL). Free space on the disk of {place}. Until then nothing is restarted",
            False,
        ),
        (
            write_read_only,
            "the file, its directory or its file system is read-only (SQLITE_READONLY). "
            "Make {place} and its files writable by this user",
            False,
        ),
        (
            lock_twice,
            "another program holds the database's lock (SQLITE_BUSY). "
            "Close the program that has it open for writing (a database browser, a backup)",
            False,
        ),
        (
            open_nowhere,
            "the file cannot be opened (SQLITE_CANTOPEN). "
            "Check that {place} exists and that this user can read and write it",
            False,
        ),
        (
            read_a_letter,
            "the file is not a database (SQLITE_NOTADB). "
            "Restart the agent. It renames the damaged file and creates a new one",
            True,
        ),
        (misspell, 'near "SELCT": syntax error (SQLITE_ERROR). See `connmon-agent doctor`', False),
    ],
)
def test_an_error_says_what_where_and_what_to_do(
    tmp_path: Path, provoke: Callable[[Path], None], message: str, damage: bool
) -> None:
    path = tmp_path / "connmon.db"
    with pytest.raises(sqlite3.Error) as failure:
        provoke(path)
    error = store_error(failure.value, doing="record event 7", path=path)
    assert str(error) == f"cannot record event 7 in {path}: {message.format(place=tmp_path)}"
    assert is_damage(failure.value) == damage
    assert str(commit_error(failure.value, doing="record event 7", path=path)) == str(error)


def test_an_error_of_pythons_own_module_is_told_too(tmp_path: Path) -> None:
    connection = sqlite3.connect(":memory:")
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError) as failure:
        connection.execute("SELECT 1")
    error = store_error(failure.value, doing="read", path=tmp_path / "connmon.db")
    assert error.message.endswith("Cannot operate on a closed database. (ProgrammingError)")


@pytest.mark.linux_alone(reason="a limit on the size of files")
def test_a_full_disk_refuses_the_decision_and_keeps_what_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"

    def work() -> None:
        with opened(path) as journal:
            world = with_outage(journal.load())
            journal.commit(tick(1), Step(world))
            limit = path.with_name("connmon.db-wal").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            with pytest.raises(CommitError, match=r"cannot record event 2 in .*\(SQLITE_(IOERR|FULL)") as failure:
                journal.commit(tick(2), deciding(world, 1))
            assert "nothing is restarted" in str(failure.value)
            with pytest.raises(CommitError, match="must be opened again"):
                journal.commit(tick(2), deciding(world, 1))
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            assert journal.reopen() == world
            assert journal.commit(tick(3), deciding(world, 1)) == 2

    assert in_child(work) == 0
    with Reader(path) as reader:
        assert [recorded.at for recorded in reader.recorded()] == [timestamp(1), timestamp(3)]
        assert reader.verify_chain() is None


@pytest.mark.linux_alone(reason="a limit on the size of files")
def test_a_full_disk_spares_a_round_and_the_next_commit_is_as_durable_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    statements: list[str] = []

    def work() -> None:
        with opened(path, trace=statements.append) as journal:
            world = journal.load()
            limit = path.with_name("connmon.db-wal").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            with pytest.raises(StoreError, match="cannot note the newest round"):
                journal.note_round(timestamp(1), ())
            assert "PRAGMA synchronous = FULL" in statements[-3:]
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            assert journal.commit(tick(2), Step(replace(world, paused=True))) == 1

    assert in_child(work) == 0


@pytest.mark.linux_alone(reason="a limit on the size of files")
def test_a_log_that_cannot_be_copied_is_told_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "connmon.db"
    monkeypatch.setattr(journal_module, "COPY_AFTER", 1)

    def work() -> None:
        with opened(path) as journal:
            world = replace(journal.load(), paused=True)
            for second in range(20):
                journal.commit(tick(second), Step(world))
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            with pytest.raises(StoreError, match="cannot copy the log into the database"):
                journal.note_round(timestamp(30), ())
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            assert journal.reopen() == world
            journal.note_round(timestamp(31), ())
            assert journal.commit(tick(32), Step(world)) == 21

    assert in_child(work) == 0
    with Reader(path) as reader:
        assert (reader.counts()[0], reader.verify_chain()) == (21, None)


@pytest.mark.linux_alone(reason="users by number")
@pytest.mark.parametrize("mode", [0o755, 0o777], ids=["nor its directory", "though its directory may be written"])
def test_a_memory_that_may_only_be_read_is_refused_when_it_is_opened(public_directory: Path, mode: int) -> None:
    path = public_directory / "connmon.db"
    public_directory.chmod(mode)
    with opened(path) as journal:
        journal.commit(tick(1), Step(journal.load()))

    def work() -> None:
        with pytest.raises(StoreError, match=r"connmon.db is read-only for this user"), opened(path):
            pass

    assert with_reading_rights_only(public_directory, work) == 0
