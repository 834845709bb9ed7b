"""Opening the state file for the one writer: checked, durable, and begun anew where it is damaged."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.counters import Counters, LineCounters
from ..core.world import World
from ..errors import StoreError
from ..platform_terms import advise_on_read_only
from ..private_files import open_private, take_back
from ..replacing import replace_file
from ..wall_times import in_utc
from . import retention
from .checkpoints import read_kept_after, read_newest
from .counting import recall_counters
from .failures import is_damage, primary_code, store_error
from .layout import EVENT_COLUMNS, GENESIS, SCHEMA_VERSION, EventRow, check_identity, index_of, log_of, size_of, uri_of
from .round_log import Tail, read_tail
from .snapshots import read_world

BUSY_TIMEOUT = 5.0  # seconds; only a reader that rebuilds the log's index after a crash holds a lock, for a moment
LONGEST_LOG = 2000  # pages of 4 KiB, 8 MB, from which SQLite itself copies the log, without a word where it cannot
LOG_KEPT = 10_000_000  # bytes to which a log is cut that a reader kept from being written again
LONGEST_REWRITTEN = 64_000_000  # bytes of a file that is written anew to let it shrink, which takes about a second
FULL = 2  # what PRAGMA synchronous answers

PROGRESS = 10_000  # steps of SQLite's machine between two calls of ``Progress``; some hundred pages each

Trace = Callable[[str], object]
Progress = Callable[[], object]


class Damaged(Exception):
    """The file is broken; the message says how."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the file holds: the world after event ``seq`` (0: no event yet), whose hash is ``hash``."""

    world: World
    seq: int
    hash: str
    counters: Counters = field(default_factory=Counters)
    lines: LineCounters = field(default_factory=LineCounters)
    rounds: Tail = ()
    checkpoint: tuple[int, float] | None = None  # see checkpoints.read_newest


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """An open state file. ``set_aside`` is where a damaged one was moved, ``damage`` what ailed it (None: neither)."""

    connection: sqlite3.Connection
    remembered: Remembered
    set_aside: Path | None = None
    damage: str | None = None


def open_store(
    path: Path,
    *,
    wall: Callable[[], float],
    trace: Trace | None = None,
    check: bool = True,
    progress: Progress | None = None,
) -> OpenedStore:
    """Open ``path`` for writing; a damaged file is moved out of the way first. Raises StoreError.

    ``wall`` gives Unix seconds for the name of a damaged file; ``trace`` is called with every SQL statement. ``check``:
    look through the whole file for damage, which may read some hundred megabytes. ``progress`` is called now and then
    while that and a migration get on, and not while they wait for the disk. SQLite before 3.41 does not call it while
    it looks through one table's pages.
    """
    try:
        return _open(path, trace, check, progress)
    except Damaged as damaged:
        moved = _set_aside(path, wall())
        fresh = _open(path, trace, check, progress)
        return OpenedStore(fresh.connection, fresh.remembered, moved, str(damaged))


def _open(path: Path, trace: Trace | None, check: bool, progress: Progress | None) -> OpenedStore:
    try:
        _check_file(path, check, progress)
        _make_private(path)
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
        try:
            connection.set_trace_callback(trace)
            _watch(connection, progress)
            _prepare(connection, path)
            counters, lines = recall_counters(connection)
            rounds, newest = _recall_rounds(connection), read_newest(connection)
            remembered = replace(_recall(connection), counters=counters, lines=lines, rounds=rounds, checkpoint=newest)
            _watch(connection, None)
            return OpenedStore(connection, remembered)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        if is_damage(error):
            raise Damaged(str(error)) from error
        raise store_error(error, doing="open the memory", path=path) from error


def _watch(connection: sqlite3.Connection, progress: Progress | None) -> None:
    if progress is None:
        connection.set_progress_handler(None, 0)
        return

    def go_on() -> int:  # anything but 0 would interrupt it
        progress()
        return 0

    connection.set_progress_handler(go_on, PROGRESS)


def _check_file(path: Path, check: bool, progress: Progress | None) -> None:
    """Raise Damaged or StoreError before anything writes. Read-only, so that closing does not move the log's pages."""
    for file in (path, log_of(path), index_of(path)):
        if file.exists() and not file.is_file():
            raise StoreError(f"{file} is not a file", hint="Move it away, or use another state directory")
    if path.exists() and not os.access(path, os.W_OK):  # SQLite would open it and fail at the first decision
        raise StoreError(f"{path} is read-only for this user", hint=advise_on_read_only(str(path)))
    if not size_of(path):
        if size_of(log_of(path)):
            raise Damaged("the database is empty, and its log is not")
        return
    with closing(sqlite3.connect(f"{uri_of(path.absolute())}?mode=ro", uri=True, timeout=BUSY_TIMEOUT)) as connection:
        check_identity(connection, path)
        if not check:
            return
        _watch(connection, progress)
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise Damaged(verdict.splitlines()[-1])  # the line before names the database


def _make_private(path: Path) -> None:
    """SQLite gives its log and its index the rights of the database, so that this one file decides about all three."""
    try:
        os.close(open_private(path, os.O_RDWR))
    except OSError as error:
        raise StoreError(
            f"cannot open {path}: {error.strerror}", hint="Check that its directory exists and its permissions"
        ) from error
    for file in (log_of(path), index_of(path)):  # of an older agent
        take_back(file)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    version = check_identity(connection, path)
    if not version:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # has no effect once there is a log or a table
    _demand(connection, "journal_mode", "WAL", "wal", path)
    require_full_sync(connection, path)
    _demand(connection, "foreign_keys", "ON", 1, path)
    _demand(connection, "wal_autocheckpoint", str(LONGEST_LOG), LONGEST_LOG, path)
    _demand(connection, "journal_size_limit", str(LOG_KEPT), LOG_KEPT, path)
    if version < SCHEMA_VERSION:
        from .schema import migrate  # sqlite-utils costs memory for good, and is needed once a version

        migrate(connection)
        _sync_directory(path.parent)
    _let_shrink(connection)


def _let_shrink(connection: sqlite3.Connection) -> None:
    """Write the file of an older agent anew, once, so that it can get shorter; not a long one, for which the start
    would have to wait. Until then what is removed makes room for what is written next.
    """
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0] or retention.count_bytes(connection) > LONGEST_REWRITTEN:
        return
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")  # all of it or nothing
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.OperationalError as error:
        if primary_code(error) != sqlite3.SQLITE_FULL:  # it needs as much room again
            raise


def require_full_sync(connection: sqlite3.Connection, path: Path) -> None:
    """Make every commit wait for the disk. Raises StoreError: SQLite does not do so."""
    _demand(connection, "synchronous", "FULL", FULL, path)


def _demand(connection: sqlite3.Connection, pragma: str, value: str, expected: object, path: Path) -> None:
    """Set a pragma and read it back: SQLite answers with silence to what it does not do."""
    connection.execute(f"PRAGMA {pragma} = {value}").fetchall()
    actual = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    if actual != expected:
        raise StoreError(
            f"SQLite refuses {pragma}={value} for {path} (got {actual})",
            hint="Put the state directory on a local file system",
        )


def _sync_directory(directory: Path) -> None:
    """Make the names of new files durable. Windows syncs no directory: NTFS keeps names in a journal of its own, and
    SQLite leaves it at that there, too.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _recall(connection: sqlite3.Connection) -> Remembered:
    """The world and the end of the chain of events. Raises Damaged when they do not belong together."""
    snapshot = connection.execute("SELECT seq, world FROM snapshot").fetchone()
    tail = connection.execute(f"SELECT {EVENT_COLUMNS} FROM event ORDER BY seq DESC LIMIT 2").fetchall()
    if snapshot is None and not tail:
        name = connection.execute("SELECT value FROM meta WHERE key = 'store'").fetchone()[0]
        return Remembered(World(store=name), 0, GENESIS)
    if snapshot is None or not tail or snapshot[0] != tail[0][0]:
        raise Damaged("the world and the last event do not belong together")
    last = EventRow(*tail[0])
    if len(tail) == 2:
        before = EventRow(*tail[1]).hash
    else:  # all before it may have been removed
        before = last.previous if last.seq == read_kept_after(connection) else GENESIS
    if last.previous != before or last.hash != last.expected_hash():
        raise Damaged(f"the chain of events is broken at event {last.seq}")
    try:
        forwards = (row[0] for row in connection.execute("SELECT body FROM forward"))
        return Remembered(read_world(snapshot[1], forwards), last.seq, last.hash)
    except ValueError as error:
        raise Damaged(f"the world cannot be decoded: {error}") from error


def _recall_rounds(connection: sqlite3.Connection) -> Tail:
    """The newest rounds. Raises Damaged where they cannot be read: the file is not as it was written."""
    try:
        return read_tail(connection)
    except ValueError as error:
        raise Damaged(f"the newest rounds cannot be read: {error}") from error


def _set_aside(path: Path, wall: float, move: Callable[[Path, Path], None] = replace_file) -> Path:
    """Move the database, its log and its index out of the way, under names that belong together: all or none.

    Never deletes. ``move`` raises OSError. Raises StoreError where they cannot be moved, as on Windows while somebody
    has one of them open.
    """
    stamp = in_utc(wall).strftime("%Y%m%dT%H%M%SZ")
    base = path.with_name(f"{path.name}.corrupt-{stamp}")
    moved, count = base, 1
    while any(Path(f"{moved}{suffix}").exists() for suffix in ("", "-wal", "-shm")):
        count += 1
        moved = Path(f"{base}.{count}")
    done: list[tuple[Path, Path]] = []
    try:
        for suffix in ("-wal", "-shm", ""):
            file, aside = Path(f"{path}{suffix}"), Path(f"{moved}{suffix}")
            if file.exists():
                move(file, aside)
                done.append((file, aside))
        _sync_directory(path.parent)
    except OSError as error:
        for file, aside in reversed(done):  # a log without its database, and a database without its log, are lost
            with suppress(OSError):
                aside.rename(file)
        raise StoreError(
            f"{path} is damaged and cannot be moved out of the way: {error.strerror}",
            hint=f"Move {path} and the files {path.name}-wal and {path.name}-shm away by hand, then start again",
        ) from error
    return moved
