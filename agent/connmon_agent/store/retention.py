"""The journal has an end: what is older than is wanted, or more than there is room for, is removed, oldest first.

A segment goes in steps, one each time: ``meta`` first names the checkpoint at which the journal begins from now on;
then go the rows of the restarts and old outages that ended before it, then its events, a few at a time. So a
transaction is short, and whenever the agent is killed the file is whole: readers pass over what lies before that
checkpoint. The event of the checkpoint itself stays, as the end of the chain that the next one is tied to.

Never removed are open intents, the newest outage, and whatever belongs to a segment that is still kept. What the
budget of restarts needs is in the world, which each checkpoint and the snapshot hold. The age alone never takes the
events of the newest outage, nor of an open intent, nor what an unsent notice tells of; the size does: a disk that is
full stops the agent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from ..core.timestamps import Timestamp
from . import outbox
from .checkpoints import BORN, KEPT_AFTER, read_kept_after

EVENTS_AT_ONCE = 50  # removed by one step
ROWS_AT_ONCE = 50  # of the other tables
MOST_OUTAGES = 10_000  # whose rows are kept, 300 bytes each
BLOCKS_AT_ONCE = 20  # of rounds, each ten minutes or more of them
PAGES_AT_ONCE = 50  # given back to the file system by one step
SPARE_PAGES = 256  # left in the file, 1 MiB: what is written next would ask for them again

Step = Callable[[], object]


class Limits(NamedTuple):
    """``keep``: seconds for which events are kept; ``most``: bytes of the whole file."""

    keep: float
    most: int


# Rows that no later event can change any more, and whose last event is no longer kept. The list of outages is short and
# worth more than their events: it goes by its age alone, up to a number that no sound link reaches.
_REMOVE_ROWS = {
    "outage": "rowid IN (SELECT rowid FROM outage WHERE closed_seq <= :kept_after AND id < (SELECT max(id) FROM outage)"
    " AND (ended_steady < :oldest OR id <= (SELECT max(id) FROM outage) - :outages) ORDER BY id LIMIT :most)",
    "intent": "rowid IN (SELECT rowid FROM intent WHERE settled_seq <= :kept_after LIMIT :most)",
    "listen": "rowid IN (SELECT rowid FROM listen WHERE settled_seq <= :kept_after LIMIT :most)",
}
_REMOVE_EVENTS = "DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE seq < ? ORDER BY seq LIMIT ?)"
_REMOVE_BLOCKS = "DELETE FROM round_block WHERE id IN (SELECT id FROM round_block ORDER BY id LIMIT ?)"


def find_step(connection: sqlite3.Connection, at: Timestamp, limits: Limits) -> Step | None:
    """The next thing to remove, to be called within a transaction; None: nothing is. Raises sqlite3.Error."""
    kept_after = read_kept_after(connection)
    oldest = connection.execute("SELECT min(seq) FROM event").fetchone()[0]
    if oldest is not None and oldest < kept_after:
        return partial(_remove_before, connection, kept_after, at.steady - limits.keep)
    cut = _find_cut(connection, kept_after)
    if cut is not None and cut.steady < at.steady - limits.keep and not _is_needed(connection, cut.seq):
        return partial(_begin_after, connection, cut.seq)
    if count_bytes(connection) > limits.most:
        block = connection.execute("SELECT last_steady FROM round_block ORDER BY id LIMIT 1").fetchone()
        if block is not None and (cut is None or block[0] < cut.steady):
            return partial(_remove_blocks, connection)
        if cut is not None:
            return partial(_begin_after, connection, cut.seq)
    if _can_shrink(connection):
        return partial(_give_pages_back, connection)
    return None


class _Cut(NamedTuple):
    seq: int
    steady: float


def _find_cut(connection: sqlite3.Connection, kept_after: int) -> _Cut | None:
    """The end of the oldest segment, where another one follows it that has ended, too."""
    found = connection.execute(
        "SELECT seq, steady FROM checkpoint WHERE seq > ? ORDER BY seq LIMIT 2", (kept_after,)
    ).fetchall()
    return _Cut(*found[0]) if len(found) == 2 else None


def _is_needed(connection: sqlite3.Connection, seq: int) -> bool:
    """Whether the newest outage, an intent that is open, or what a notice is to tell of, began at event ``seq`` or
    before.
    """
    outage = connection.execute("SELECT opened_seq FROM outage ORDER BY id DESC LIMIT 1").fetchone()
    intents = [
        connection.execute(f"SELECT min(seq) FROM {table} WHERE outcome IS NULL").fetchone()[0]
        for table in ("intent", "listen")
    ]
    needs = (outage and outage[0], *intents, outbox.oldest_needed(connection))
    return any(needed is not None and needed <= seq for needed in needs)


def count_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that are in use. Raises sqlite3.Error."""
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _can_shrink(connection: sqlite3.Connection) -> bool:
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != 2:
        return False
    return bool(connection.execute("PRAGMA freelist_count").fetchone()[0] > SPARE_PAGES)


def _begin_after(connection: sqlite3.Connection, seq: int) -> None:
    connection.execute("INSERT OR IGNORE INTO meta SELECT ?, CAST(wall AS TEXT) FROM event WHERE seq = 1", (BORN,))
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KEPT_AFTER, str(seq)))


def _remove_before(connection: sqlite3.Connection, kept_after: int, oldest: float) -> None:
    """A part of what lies before event ``kept_after``; its events last, as they tell that something is left to do.

    ``oldest``: the steady time before which an outage must have ended to go.
    """
    connection.execute("DELETE FROM checkpoint WHERE seq < ?", (kept_after,))
    named = {"kept_after": kept_after, "oldest": oldest, "outages": MOST_OUTAGES, "most": ROWS_AT_ONCE}
    removed = [
        connection.execute(f"DELETE FROM {table} WHERE {rows}", named).rowcount for table, rows in _REMOVE_ROWS.items()
    ]
    if not any(removed):
        connection.execute(_REMOVE_EVENTS, (kept_after, EVENTS_AT_ONCE))
    _give_pages_back(connection)


def _remove_blocks(connection: sqlite3.Connection) -> None:
    connection.execute(_REMOVE_BLOCKS, (BLOCKS_AT_ONCE,))
    _give_pages_back(connection)


def _give_pages_back(connection: sqlite3.Connection) -> None:
    free = connection.execute("PRAGMA freelist_count").fetchone()[0] - SPARE_PAGES
    for _ in range(min(free, PAGES_AT_ONCE)):
        connection.execute("PRAGMA incremental_vacuum(1)")  # Python's module never asks for a second one
