"""`replay --verify`: what was changed in the file is found, whatever it is, and named by its event."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.memories import UP, live_through_an_outage
from tests.fakes.mornings import at
from tests.fakes.statefiles import opened

from connmon_agent.cli import connmon_agent
from connmon_agent.store import checkpoints
from connmon_agent.store.ledger import TABLES

FILLED = ("outage", "intent")  # the tables in which this outage leaves rows
EVENT = re.compile(r"Error: event \d+ is ")


def verify(folder: Path) -> Result:
    return CliRunner().invoke(connmon_agent, ["--state-dir", str(folder), "replay", "--verify"])


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state file after an outage, with nothing left in its log."""
    folder = tmp_path_factory.mktemp("memory")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "EVERY", 10)
        live_through_an_outage(folder)
    with opened(folder / "connmon.db") as journal:
        for second in range(300, 2000, 50):  # enough for blocks of the round log
            journal.note_round(at(second), UP, probed=UP)
    with closing(sqlite3.connect(folder / "connmon.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / "connmon.db"


def read_text_columns(path: Path) -> list[tuple[object, ...]] | None:
    """What the file says of events, charts and the world to those who only read; None: it cannot be read.

    Where the file is opened to read, SQLite reads past a damaged definition of an index: the rows are as they were.
    """
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            statements = ("SELECT * FROM event", "SELECT sha256, text FROM chart", "SELECT world FROM snapshot")
            statements += ("SELECT * FROM round_block", "SELECT * FROM round_tail", "SELECT * FROM checkpoint")
            return [row for statement in statements for row in connection.execute(statement)]
    except (sqlite3.Error, UnicodeError):
        return None


@settings(max_examples=80)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found_and_never_ends_in_an_internal_error(
    tmp_path_factory: pytest.TempPathFactory, memory: Path, place: float, bit: int
) -> None:
    changed = bytearray(memory.read_bytes())
    changed[100 + int(place * (len(changed) - 100))] ^= 1 << bit
    folder = tmp_path_factory.mktemp("changed")
    path = folder / "connmon.db"
    sound = read_text_columns(memory)
    path.write_bytes(changed)
    found = read_text_columns(path)
    result = verify(folder)
    shutil.rmtree(folder)
    assert "internal error" not in result.output
    assert result.exit_code in ((0, 1, 4) if found == sound else (1, 4)), result.output


@pytest.mark.parametrize(
    "column", ["body", "step", "wall", "steady", "boottime", "boot_id", "outage", "previous", "hash"]
)
def test_every_column_of_an_event_is_covered(tmp_path: Path, memory: Path, column: str) -> None:
    shutil.copy(memory, tmp_path / "connmon.db")
    with closing(sqlite3.connect(tmp_path / "connmon.db")) as connection, connection:
        connection.execute("DROP TRIGGER event_is_never_changed")
        changed = f"'7' || substr({column}, 2)" if column in ("hash", "previous") else f"coalesce({column}, 0) || '7'"
        connection.execute(f"UPDATE event SET {column} = {changed} WHERE seq = 9")
    result = verify(tmp_path)
    assert (result.exit_code, result.output[:40]) == (4, "Error: event 9 is not as it was written:")


def test_a_chart_by_which_nothing_was_decided_is_covered_too(tmp_path: Path, memory: Path) -> None:
    """As is a damaged hash that the index still has right, so that the chart is found by it."""
    shutil.copy(memory, tmp_path / "connmon.db")
    with closing(sqlite3.connect(tmp_path / "connmon.db")) as connection, connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(chart)")]
        copied = ", ".join("?" if column == "sha256" else column for column in columns)
        connection.execute(f"INSERT INTO chart SELECT {copied} FROM chart LIMIT 1", ("7" * 64,))
    result = verify(tmp_path)
    assert (result.exit_code, result.output[:70]) == (
        4,
        "Error: the chart that is kept as 777777777777 is not as it was written",
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE round_block SET rounds = rounds + 1 WHERE id = 1", "block 1 of the rounds does not hold what stands"),
        ("UPDATE round_tail SET body = x'00' WHERE id = 1", "cannot be decoded"),
    ],
)
def test_the_round_log_is_covered_too(tmp_path: Path, memory: Path, change: str, words: str) -> None:
    shutil.copy(memory, tmp_path / "connmon.db")
    with closing(sqlite3.connect(tmp_path / "connmon.db")) as connection, connection:
        connection.execute(change)
    result = verify(tmp_path)
    assert result.exit_code in (1, 4)
    assert words in result.output


def columns_of_derived_tables() -> list[tuple[str, str]]:
    from connmon_agent.store.schema import migrate

    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        return [(table, row[1]) for table in FILLED for row in connection.execute(f"PRAGMA table_info({table})")]


@pytest.mark.parametrize(("table", "column"), columns_of_derived_tables())
def test_every_column_that_follows_from_events_is_held_against_them(
    tmp_path: Path, memory: Path, table: str, column: str
) -> None:
    shutil.copy(memory, tmp_path / "connmon.db")
    with closing(sqlite3.connect(tmp_path / "connmon.db")) as connection, connection:
        numeric = connection.execute(f"SELECT typeof({column}) FROM {table}").fetchone()[0] in ("integer", "real")
        changed = f"{column} + 1000" if numeric else f"coalesce({column}, '') || 'x'"
        connection.execute("PRAGMA ignore_check_constraints = ON")
        try:
            connection.execute(
                f"UPDATE {table} SET {column} = {changed} WHERE rowid = (SELECT max(rowid) FROM {table})"
            )
        except sqlite3.IntegrityError:
            connection.execute(f"UPDATE {table} SET {column} = NULL WHERE rowid = (SELECT max(rowid) FROM {table})")
    result = verify(tmp_path)
    assert result.exit_code == 4, result.output
    assert EVENT.match(result.output)
    assert f"its row in {table}" in result.output


STRAY = {
    "timer": "INSERT INTO timer VALUES ('hold', 5.0, 5.0)",
    "listen": "INSERT INTO listen (token, seq, service, port, reason) VALUES ('L1', 9, 'frontend', 8080, '')",
}


@pytest.mark.parametrize("table", STRAY)
def test_a_row_that_no_event_made_is_found(tmp_path: Path, memory: Path, table: str) -> None:
    shutil.copy(memory, tmp_path / "connmon.db")
    with closing(sqlite3.connect(tmp_path / "connmon.db")) as connection, connection:
        connection.execute(STRAY[table])
    result = verify(tmp_path)
    assert result.exit_code == 4
    assert EVENT.match(result.output) and f"its row in {table}" in result.output


def test_every_table_that_follows_from_events_is_tested_here() -> None:
    assert {*FILLED, *STRAY} == {*TABLES}


def test_no_event_is_not_all_events(tmp_path: Path) -> None:
    from tests.fakes.statefiles import opened

    with opened(tmp_path / "connmon.db"):
        pass
    result = verify(tmp_path)
    assert result.exit_code == 1
    assert "no event is recorded" in result.output and "as recorded" not in result.output


def test_the_log_of_another_state_file_is_named(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        live_through_an_outage(folder)
        with closing(sqlite3.connect(folder / "connmon.db")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    reader = sqlite3.connect(other / "connmon.db")  # keeps the log from being removed when the writer closes
    reader.execute("SELECT * FROM meta").fetchall()
    with closing(sqlite3.connect(other / "connmon.db")) as writer, writer:
        writer.execute("INSERT INTO meta VALUES ('note', 'something that stays in the log')")
    shutil.copy(other / "connmon.db-wal", one / "connmon.db-wal")
    reader.close()
    result = verify(one)
    assert (result.exit_code, result.stderr.startswith("Error: connmon.db-wal is the log of another state file")) == (
        4,
        True,
    )
    assert verify(other).exit_code == 0
