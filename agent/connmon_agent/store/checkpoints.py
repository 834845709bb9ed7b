"""Checkpoints: the world as it was after one event, so that nobody has to begin with the first event of all.

They cut the chain of events into segments. What is read or decided again begins at the nearest one, and the oldest
segments can be removed (``retention``): the journal then begins at the checkpoint that is named by ``KEPT_AFTER``.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from ..core.timestamps import Timestamp
from ..core.world import World
from ..errors import Divergence
from .json_text import JsonText
from .layout import RESULTS, EventRow
from .records import AgentRow, LatestRound

EVERY = 500  # events from one checkpoint to the next: they are decided again within some 20 ms
LONGEST = 7 * 86_400.0  # seconds from one to the next, where there is any event between them
KEPT_AFTER = "kept_after"  # the key in the table ``meta`` of the event after which the journal is kept
BORN = "born"  # of when the first event was recorded, in Unix seconds, where that event is no longer kept
FIND_BORN = f"SELECT value FROM meta WHERE key = '{BORN}' UNION ALL SELECT wall FROM event WHERE seq = 1"
LONGEST_BODY = 64_000_000  # bytes of a body once it is unpacked; one of a hundred services has some 200,000
_LEVEL = 6  # of zlib

# The rows that later events may still change, by table; every other row stays as it is.
_CHANGING = {
    "outage": "ended_steady IS NULL OR closed_seq IS NULL OR id = :outage",
    "intent": "outcome IS NULL",
    "listen": "outcome IS NULL",
}

_MARK = "seq, steady, wall, earliest_wall, latest_wall, hash"
_INSERT = f"INSERT INTO checkpoint ({_MARK}, body, seal) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


class Body(Struct, frozen=True):
    """What a checkpoint holds: the world, who ran and what was probed last, and the rows that can still change."""

    world: World
    agent: AgentRow | None = None
    round: LatestRound | None = None
    rows: dict[str, list[dict[str, Any]]] = {}


BODIES: JsonText[Body] = JsonText(Body)


@dataclass(frozen=True, slots=True)
class Mark:
    """One checkpoint without its body. ``seq`` is the last event before it, ``at`` when that was, ``hash`` its hash.

    ``earliest`` and ``latest`` are the wall times between which the events of the segment lie that ends here.
    """

    seq: int
    at: Timestamp
    earliest: float
    latest: float
    hash: str


@dataclass(frozen=True, slots=True)
class Segments:
    """How the chain is cut. ``kept_after``: the number of the last event that is no longer kept; 0: all are."""

    kept_after: int
    marks: tuple[Mark, ...]  # from the one at ``kept_after`` on, oldest first

    @property
    def start(self) -> Mark | None:
        """The checkpoint at which the journal begins; None: it begins with the first event."""
        return self.marks[0] if self.marks and self.marks[0].seq == self.kept_after else None

    def find_before(self, seq: int) -> Mark | None:
        """The last checkpoint before event ``seq``; None: there is none."""
        return next((mark for mark in reversed(self.marks) if mark.seq < seq), None)

    def find_at(self, wall: float) -> Mark | None:
        """The last checkpoint at ``wall`` (Unix seconds) or before; None: there is none."""
        return next((mark for mark in reversed(self.marks) if mark.at.wall <= wall), None)

    def find_spans(self, low: float, high: float) -> Iterator[tuple[int, int | None]]:
        """The segments that may hold events between these wall times: after which event each begins, and with which it
        ends (None: the one that goes on).
        """
        after = self.kept_after
        for mark in self.marks:
            if mark.seq > after:
                if mark.latest >= low and mark.earliest <= high:
                    yield after, mark.seq
                after = mark.seq
        yield after, None


def read_segments(connection: sqlite3.Connection) -> Segments:
    """How the chain is cut. Raises sqlite3.Error; a file of an older agent has no checkpoints."""
    kept_after = read_kept_after(connection)
    rows = connection.execute(f"SELECT {_MARK} FROM checkpoint WHERE seq >= ? ORDER BY seq", (kept_after,))
    marks = (Mark(row[0], Timestamp(row[1], row[2]), row[3], row[4], row[5]) for row in rows)
    return Segments(kept_after, tuple(marks))


def read_kept_after(connection: sqlite3.Connection) -> int:
    """The number of the last event that is no longer kept; 0: all are. Raises sqlite3.Error."""
    row = connection.execute("SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?", (KEPT_AFTER,)).fetchone()
    return 0 if row is None else int(row[0])


def read_body(connection: sqlite3.Connection, seq: int) -> Body:
    """The body of the checkpoint after event ``seq``. Raises Divergence: it is not as it was written."""
    row = connection.execute(f"SELECT {_MARK}, body, seal FROM checkpoint WHERE seq = ?", (seq,)).fetchone()
    try:
        if row is None:
            raise ValueError("it is missing")
        text = _unpack(row[6])
        if row[7] != _seal(row[:6], text):
            raise ValueError("its hash does not fit")
        return BODIES.from_text(text)
    except (ValueError, zlib.error) as error:
        raise Divergence(
            f"the checkpoint after event {seq} is not as it was written: {error}",
            hint="Compare with a copy of the state file",
        ) from error


def read_newest(connection: sqlite3.Connection) -> tuple[int, float] | None:
    """After which event the newest checkpoint was made, and when (steady seconds). Where there is none: 0, and when the
    first event was. None: nothing was recorded yet. Raises sqlite3.Error.
    """
    row = connection.execute(
        "SELECT seq, steady FROM checkpoint WHERE seq = (SELECT max(seq) FROM checkpoint)"
        " UNION ALL SELECT 0, steady FROM event WHERE seq = 1"
    ).fetchone()
    return None if row is None else (row[0], row[1])


def write_checkpoint(connection: sqlite3.Connection, row: EventRow, world: World) -> None:
    """Make one after the event ``row``, which is written already, and which made ``world``."""
    body = Body(world, _read_agent(connection), _read_round(connection), _read_changing(connection, world))
    text = BODIES.to_text(body).encode()
    walls = connection.execute(
        "SELECT min(wall), max(wall) FROM event WHERE seq > (SELECT coalesce(max(seq), 0) FROM checkpoint)"
    ).fetchone()
    mark = (row.seq, row.steady, row.wall, *walls, row.hash)
    connection.execute(_INSERT, (*mark, zlib.compress(text, _LEVEL), _seal(mark, text)))


def _read_agent(connection: sqlite3.Connection) -> AgentRow | None:
    row = connection.execute(
        "SELECT pid, version, started_steady, started_wall, heartbeat_steady, heartbeat_wall,"
        " stopped_steady, stopped_wall FROM agent"
    ).fetchone()
    if row is None:
        return None
    stopped = None if row[6] is None else Timestamp(*row[6:8])
    return AgentRow(row[0], row[1], Timestamp(*row[2:4]), Timestamp(*row[4:6]), stopped)


def _read_round(connection: sqlite3.Connection) -> LatestRound | None:
    row = connection.execute("SELECT steady, wall, results, loss, latency_ms FROM latest_round").fetchone()
    return None if row is None else LatestRound(Timestamp(*row[:2]), RESULTS.from_text(row[2]), *row[3:])


def _read_changing(connection: sqlite3.Connection, world: World) -> dict[str, list[dict[str, Any]]]:
    named = {"outage": None if world.outage is None else world.outage.id}
    found = {}
    for table, condition in _CHANGING.items():
        cursor = connection.execute(f"SELECT * FROM {table} WHERE {condition} ORDER BY 1", named)
        names = [column[0] for column in cursor.description]
        found[table] = [dict(zip(names, row, strict=True)) for row in cursor]
    return found


def _seal(mark: tuple[object, ...], text: bytes) -> str:
    """The SHA-256 of all columns before the body, and of the body's text, joined by newlines."""
    return hashlib.sha256("\n".join(map(str, mark)).encode() + b"\n" + text).hexdigest()


def _unpack(body: bytes) -> bytes:
    inflater = zlib.decompressobj()
    text = inflater.decompress(body, LONGEST_BODY)
    if not inflater.eof:
        raise ValueError("its body is cut off, or too long")
    return text
