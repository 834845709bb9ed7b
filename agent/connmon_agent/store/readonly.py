"""Opening the state file to read, whoever reads and whatever became of the writer.

No single way of SQLite's serves every case, and ``immutable=1`` beside a log silently shows old rows. So, in order:

1. ``mode=ro``: beside a live agent, and after it was killed.
2. SQLite cannot make its index (read-only directory, another user's file) and there is no log: ``immutable=1``.
3. The same, and there is a log: copy the database and the log to a private directory and open them there.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from ..errors import NothingRecorded, StoreError
from ..files import refuse_special
from .failures import damaged_text, primary_code, store_error
from .layout import check_identity, log_of, size_of, uri_of

BUSY_TIMEOUT = 2.0  # seconds; a writer never blocks a reader, only the rebuilding of the index after a crash does
COPY_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Opened:
    """An open connection; ``copy`` is the directory to remove afterwards (None: the file itself is read)."""

    connection: sqlite3.Connection
    copy: Path | None = None

    def close(self) -> None:
        """Close, and remove the copy."""
        self.connection.close()
        if self.copy is not None:
            _remove(self.copy)


def open_readonly(path: Path) -> Opened:
    """Open the state file ``path`` to read.

    Raises NothingRecorded where it is missing or empty, StoreError where it is unreadable, not ours, or newer.
    """
    _check_readable(path)
    try:
        opened = _open_somehow(path)
    except sqlite3.Error as error:
        raise store_error(error, doing="read the memory", path=path) from error
    except UnicodeDecodeError as error:
        raise damaged_text(error, path) from error
    try:
        if not check_identity(opened.connection, path):
            raise NothingRecorded(f"{path} is empty: no agent has written to it", hint="Run `connmon-agent start`")
    except BaseException:
        opened.close()
        raise
    return opened


def _check_readable(path: Path) -> None:
    try:
        refuse_special(path)
        if path.is_dir():  # Windows would call it a lack of rights
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise NothingRecorded(
            f"no state file at {path}", hint="Start the agent, or set its state directory with --state-dir"
        ) from None
    except OSError as error:
        raise StoreError(
            f"cannot read {path}: {error.strerror}",
            hint="Run the command as a user with access, or read a copy of the state directory",
        ) from None


def _open_somehow(path: Path) -> Opened:
    try:
        return Opened(_connect(path, "mode=ro"))
    except sqlite3.OperationalError as error:
        if primary_code(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
    if not size_of(log_of(path)):
        opened = Opened(_connect(path, "mode=ro&immutable=1"))
        if not size_of(log_of(path)):
            return opened
        opened.close()  # a writer has begun in between
    return _open_copy(path)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{uri_of(path.absolute())}?{mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # SQLite opens nothing before it must
    except BaseException:
        connection.close()
        raise
    return connection


def _open_copy(path: Path) -> Opened:
    import tempfile  # costs every cold `status` some milliseconds, and copies are rare

    directory = Path(tempfile.mkdtemp(prefix="connmon-"))
    try:
        copy = directory / path.name
        _copy_at_rest(path, copy)
        return Opened(_connect(copy, "mode=ro"), directory)
    except BaseException:
        _remove(directory)
        raise


def _copy_at_rest(path: Path, copy: Path) -> None:
    """Copy database and log as they were at one instant: neither changed meanwhile. Raises StoreError."""
    import shutil  # costs every cold `status` some milliseconds, and copies are rare

    log = log_of(path)
    for _ in range(COPY_ATTEMPTS):
        before = _stamps(path, log)
        try:
            shutil.copyfile(path, copy)
            log_of(copy).unlink(missing_ok=True)
            if log.exists():
                shutil.copyfile(log, log_of(copy))
        except OSError as error:
            raise StoreError(
                f"cannot copy {path} to read it: {error.strerror}",
                hint=f"Free space in {copy.parent}, or set TMPDIR to another directory",
            ) from error
        if _stamps(path, log) == before:
            return
    raise StoreError(f"{path} changes faster than it can be copied", hint="Run the command as the agent's user")


def _stamps(*files: Path) -> list[tuple[int, int, int]]:
    statuses = [file.stat() for file in files if file.exists()]
    return [(status.st_ino, status.st_size, status.st_mtime_ns) for status in statuses]


def _remove(directory: Path) -> None:
    import shutil  # costs every cold `status` some milliseconds, and copies are rare

    shutil.rmtree(directory, ignore_errors=True)
