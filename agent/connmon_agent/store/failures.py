"""SQLite's errors in plain words: what failed, where, and what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ..errors import CommitError, StoreError
from ..platform_terms import LIMITS, SYSTEM_LOG

_GENERAL = "See `connmon-agent doctor`"

# By SQLite's primary result code: what happened and what to do; {place} is the state directory.
_WORDS = {
    sqlite3.SQLITE_FULL: ("the disk is full", "Free space on the disk of {place}. Until then nothing is restarted"),
    sqlite3.SQLITE_READONLY: (
        "the file, its directory or its file system is read-only",
        "Make {place} and its files writable by this user",
    ),
    sqlite3.SQLITE_IOERR: (
        "the disk reported an error",
        f"Check the disk, {SYSTEM_LOG} and {LIMITS}. Until then nothing is restarted",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "the file cannot be opened",
        "Check that {place} exists and that this user can read and write it",
    ),
    sqlite3.SQLITE_PERM: ("the file may not be accessed", "Check the permissions in {place}"),
    sqlite3.SQLITE_BUSY: (
        "another program holds the database's lock",
        "Close the program that has it open for writing (a database browser, a backup)",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "the database is damaged",
        "Restart the agent. It renames the damaged file and creates a new one",
    ),
    sqlite3.SQLITE_NOTADB: (
        "the file is not a database",
        "Restart the agent. It renames the damaged file and creates a new one",
    ),
    sqlite3.SQLITE_NOMEM: ("there is not enough memory", "Free memory on this machine"),
}
_WORDS[sqlite3.SQLITE_LOCKED] = _WORDS[sqlite3.SQLITE_BUSY]
_WORDS[sqlite3.SQLITE_PROTOCOL] = _WORDS[sqlite3.SQLITE_BUSY]


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, SQLITE_ERROR for an error that Python's module raised itself."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken, rather than the way to it."""
    return primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def store_error(error: sqlite3.Error, *, doing: str, path: Path) -> StoreError:
    """``error`` as a StoreError. ``doing`` is what was tried, in words: "read the outages"."""
    return StoreError(_message(error, doing, path), hint=_hint(error, path))


def damaged_text(error: UnicodeDecodeError, path: Path) -> StoreError:
    """A StoreError for what SQLite quoted in its own message and is no text: Python fails to decode the message."""
    return StoreError(f"cannot read {path}: the database is damaged ({error})", hint="Read a copy of the file")


def commit_error(error: sqlite3.Error, *, doing: str, path: Path) -> CommitError:
    """``error`` as a CommitError: whether what was tried is durable is unknown."""
    return CommitError(_message(error, doing, path), hint=_hint(error, path))


def _message(error: sqlite3.Error, doing: str, path: Path) -> str:
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    what, _ = _WORDS.get(primary_code(error), (str(error), _GENERAL))
    return f"cannot {doing} in {path}: {what} ({name})"


def _hint(error: sqlite3.Error, path: Path) -> str:
    _, hint = _WORDS.get(primary_code(error), ("", _GENERAL))
    return hint.format(place=path.parent)
