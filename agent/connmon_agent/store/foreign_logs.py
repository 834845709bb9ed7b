"""Whether the log beside a database is that database's own: a copy may have brought two files together."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from .layout import log_of, size_of, uri_of

_LAST = "SELECT (SELECT value FROM meta WHERE key = 'store'), seq, hash FROM event ORDER BY seq DESC LIMIT 1"
_SAME = "SELECT (SELECT value FROM meta WHERE key = 'store'), hash FROM event WHERE seq = ?"


def is_log_foreign(path: Path) -> bool:
    """Whether the log beside the database ``path`` goes on from other events than those in the database.

    SQLite lays any log that is whole over the database beside it. Only for a file that nobody writes: a log that is
    being copied into the database leaves it between two states. False where nothing can be compared.
    """
    if not size_of(log_of(path)):
        return False
    uri = uri_of(path.absolute())
    try:
        with closing(sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True)) as alone:
            found = alone.execute(_LAST).fetchone()
        if found is None:
            return False
        store, seq, digest = found
        with closing(sqlite3.connect(f"{uri}?mode=ro", uri=True)) as both:
            same: bool = both.execute(_SAME, (seq,)).fetchone() == (store, digest)
            return not same
    except sqlite3.Error:
        return False
