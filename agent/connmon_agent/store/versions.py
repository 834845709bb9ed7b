"""Which SQLite this is, and what is known to ail it."""

from __future__ import annotations

import sqlite3

# The WAL-reset bug (sqlite.org/wal.html#walresetbug): 3.7.0 to 3.51.2, mended in 3.51.3, 3.50.7 and 3.44.6.
FIRST_AFFECTED = (3, 7, 0)
MENDED = ((3, 44, 6), (3, 50, 7), (3, 51, 3))


def sqlite_version() -> tuple[int, int, int]:
    """The version of the SQLite library in use."""
    return sqlite3.sqlite_version_info


def has_wal_reset_bug(version: tuple[int, int, int]) -> bool:
    """Whether two connections that write or checkpoint at once could lose commits with that version."""
    if version < FIRST_AFFECTED or version >= MENDED[-1]:
        return False
    return not any(version[:2] == mended[:2] and version >= mended for mended in MENDED)


def describe_wal_reset_bug() -> str | None:
    """In words, where this version has the bug: why it is harmless here. None where it has not."""
    if not has_wal_reset_bug(sqlite_version()):
        return None
    return "has a WAL bug that needs two concurrent writers. Harmless here unless another program writes this file"
