"""Opening to write: damage is set aside and never deleted, and nobody else's file is touched."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import pytest
from tests.fakes.statefiles import deciding, opened, tampered, tick, with_outage

from connmon_agent.core.steps import Step
from connmon_agent.errors import StoreError
from connmon_agent.store.journal import SqliteJournal
from connmon_agent.store.layout import SCHEMA_VERSION, uri_of
from connmon_agent.store.opening import _set_aside
from connmon_agent.store.reading import Reader

ASIDE = "connmon.db.corrupt-20260921T141320Z"


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """A sound state file of three events."""
    path = tmp_path / "connmon.db"
    with opened(path) as journal:
        step = deciding(with_outage(journal.load()), 1)
        journal.commit(tick(1), step)
        for number in (2, 3):
            step = deciding(step.world, number)
            journal.commit(tick(number), step)
    return path


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def garble_pages(path: Path) -> None:
    overwrite(path, 4096, b"\xa5" * (path.stat().st_size - 4096))


def garble_page_map(path: Path) -> None:
    """Nothing but SQLite's own check reads that page until the file shrinks."""
    overwrite(path, 4096, b"\xa5" * 64)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def no_database(path: Path) -> None:
    path.write_text("log of Tuesday\n" * 500)


def lose_database_but_not_log(path: Path) -> None:
    path.with_name("connmon.db-wal").write_bytes(b"\x37\x7f\x06\x82" * 2000)
    path.write_bytes(b"")


def run(statement: str) -> Callable[[Path], None]:
    def tamper(path: Path) -> None:
        with tampered(path) as connection:
            connection.execute("DROP TRIGGER event_is_never_changed")
            connection.execute("DROP TRIGGER event_is_never_deleted")
            connection.execute(statement)

    return tamper


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (garble_pages, "malformed|page|Page|btree|Tree"),
        (garble_page_map, "^Failed to read ptrmap"),
        (cut_short, "malformed|page|Page|invalid"),
        (no_database, "file is not a database"),
        (lose_database_but_not_log, "the database is empty, and its log is not"),
        (
            run("UPDATE snapshot SET world = '{\"store\":1}'"),
            "the world cannot be decoded: Expected `str`, got `int` - at `\\$.store`",
        ),
        (run("UPDATE snapshot SET world = 'x'"), "the world cannot be decoded: JSON is malformed"),
        (run("UPDATE snapshot SET seq = 2"), "the world and the last event do not belong together"),
        (run("DELETE FROM event WHERE seq = 3"), "the world and the last event do not belong together"),
        (run("UPDATE event SET body = replace(body, 'tick', 'tock')"), "the chain of events is broken at event 3"),
        (run("UPDATE event SET hash = upper(hash) WHERE seq = 2"), "the chain of events is broken at event 3"),
        (run("UPDATE event SET wall = wall + 1 WHERE seq = 3"), "the chain of events is broken at event 3"),
    ],
    ids=[
        "garbled",
        "only its page map garbled",
        "cut short",
        "no database",
        "only the log left",
        "a world of the wrong shape",
        "a world that is no JSON",
        "an older world",
        "the last event missing",
        "a changed event",
        "a changed hash before it",
        "a changed date",
    ],
)
def test_a_damaged_memory_is_set_aside_and_a_fresh_one_begun(
    memory: Path, damage: Callable[[Path], None], words: str
) -> None:
    with opened(memory) as journal:
        name = journal.load().store
    damage(memory)
    content = memory.read_bytes()
    with opened(memory) as journal:
        assert journal.set_aside == memory.with_name(ASIDE)
        assert journal.damage is not None
        assert re.search(words, journal.damage)
        assert journal.load().store != name
        assert journal.commit(tick(1), Step(journal.load())) == 1
    assert memory.with_name(ASIDE).read_bytes() == content


def test_the_log_goes_with_the_database_it_belongs_to(memory: Path) -> None:
    lose_database_but_not_log(memory)
    with opened(memory) as journal:
        assert journal.set_aside == memory.with_name(ASIDE)
    assert memory.with_name(f"{ASIDE}-wal").stat().st_size == 8000


@pytest.mark.parametrize("held", ["", "-wal"])
def test_where_one_file_cannot_be_moved_none_is(memory: Path, held: str) -> None:
    """As on Windows while somebody has it open."""

    def move(file: Path, aside: Path) -> None:
        if file.name == f"connmon.db{held}":
            raise PermissionError(13, "The process cannot access the file")
        file.rename(aside)

    memory.with_name("connmon.db-wal").write_bytes(b"log")
    before = sorted(memory.parent.iterdir())
    with pytest.raises(StoreError, match="is damaged and cannot be moved out of the way: The process cannot access"):
        _set_aside(memory, 1_790_000_000.0, move)
    assert sorted(memory.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (PureWindowsPath(r"\\server\share\a b\connmon.db"), "file:////server/share/a%20b/connmon.db"),
        (PureWindowsPath(r"C:\state\connmon.db"), "file:///C:/state/connmon.db"),
        (PurePosixPath("/var/lib/x?/connmon.db"), "file:///var/lib/x%3F/connmon.db"),
    ],
)
def test_a_uri_of_sqlite_has_no_host(path: PurePath, uri: str) -> None:
    assert uri_of(path) == uri


def test_two_damaged_files_of_one_second_are_both_kept(memory: Path) -> None:
    for content in ("first" * 999, "second" * 999, "third" * 999):
        memory.write_text(content)
        with opened(memory):
            pass
    kept = sorted(file.name for file in memory.parent.iterdir() if "corrupt" in file.name)
    assert kept == [ASIDE, f"{ASIDE}.2", f"{ASIDE}.3"]


def test_a_sound_memory_is_not_set_aside(memory: Path) -> None:
    with opened(memory) as journal:
        assert (journal.set_aside, journal.damage) == (None, None)
    with Reader(memory) as reader:
        assert (reader.counts()[0], reader.verify_chain()) == (3, None)


@pytest.mark.linux_alone(reason="a file that is taken away while it is open")
def test_reopening_a_damaged_memory_begins_anew(memory: Path) -> None:
    with opened(memory) as journal:
        name = journal.load().store
        memory.with_name("connmon.db-wal").unlink()
        no_database(memory)
        assert journal.reopen().store != name
        assert journal.set_aside is not None


def test_an_empty_file_is_a_fresh_memory(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    path.touch()
    with opened(path) as journal:
        assert (journal.set_aside, journal.commit(tick(1), Step(journal.load()))) == (None, 1)


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with tampered(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    content = path.read_bytes()
    with (
        pytest.raises(StoreError, match=r"is a database of another program\. Use another state directory"),
        opened(path),
    ):
        pass
    assert path.read_bytes() == content


def test_a_newer_memory_is_left_alone(memory: Path) -> None:
    with tampered(memory) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    content = memory.read_bytes()
    for use in (opened, Reader):
        with (
            pytest.raises(StoreError, match=r"was written by a newer .*\. Use the newer version"),
            use(memory),
        ):
            pass
    assert memory.read_bytes() == content


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("missing/connmon.db", r"cannot open .*: No such file or directory\. Check that its directory exists"),
        (".", r"is not a file\. Move it away"),
    ],
    ids=["no directory", "a directory"],
)
def test_a_place_that_holds_no_file_is_named(tmp_path: Path, place: str, words: str) -> None:
    with pytest.raises(StoreError, match=words), opened(tmp_path / place):
        pass


def test_an_opening_that_gets_on_says_so_at_the_start_and_again_at_a_reopening(memory: Path) -> None:
    with tampered(memory) as connection:  # as long as a check of some hundred megabytes, in steps of SQLite's machine
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
            "INSERT INTO meta SELECT 'filler-' || i, 'x' FROM n"
        )
    calls: list[str] = []
    journal = SqliteJournal.open(
        memory, boottime=lambda: 77.5, boot_id="boot", wall=lambda: 0.0, progress=lambda: calls.append("start")
    )
    with closing(journal):
        started = len(calls)
        assert started > 5
        journal.progress = lambda: calls.append("reopening")
        journal.commit(tick(9), deciding(journal.load(), 9))
        assert len(calls) == started, "what it does later is no opening"
        journal.reopen()
        assert calls[-1] == "reopening"


def test_an_opening_of_a_small_file_says_nothing(memory: Path) -> None:
    calls: list[str] = []
    journal = SqliteJournal.open(
        memory, boottime=lambda: 77.5, boot_id="boot", wall=lambda: 0.0, progress=lambda: calls.append("start")
    )
    journal.close()
    assert calls == []
