"""The round log: every round of probes, kept for a while beside the events, and no part of their chain.

A round is a row of ``round_tail`` at first, written with the heartbeat. Once ``BLOCK_SECONDS`` of them have gathered
they become one row of ``round_block``, and blocks older than is wanted go. Nothing is decided by any of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ..core.observations import ProbeResult
from ..core.timestamps import Timestamp
from .round_blocks import RecordedRound, pack_rounds, unpack_rounds

BLOCK_SECONDS = 600.0
MOST_ROUNDS = 1000  # of one block, however fast they come
BLOCKS_AT_ONCE = 100  # looked at by one write, so that a shorter time to keep them holds nothing up
PAGES_AT_ONCE = 200  # given back to the file system by one write

Tail = tuple[RecordedRound, ...]  # the rounds since the newest block, oldest first

_INSERT_TAIL = "INSERT INTO round_tail (body) VALUES (?)"
_INSERT_BLOCK = """
    INSERT INTO round_block (first_steady, last_steady, earliest_wall, latest_wall, rounds, body)
    VALUES (?, ?, ?, ?, ?, ?)
"""
_REMOVE = """
    DELETE FROM round_block WHERE last_steady < ? AND id IN (SELECT id FROM round_block ORDER BY id LIMIT ?)
"""


def log_round(
    connection: sqlite3.Connection, tail: Tail, at: Timestamp, probed: Sequence[ProbeResult], *, keep: float
) -> Tail:
    """Write one round within the open transaction; returns the tail as it is once that is committed.

    ``keep``: seconds for which rounds are kept, by the steady time; 0: they are not, and those that are there go.
    """
    if keep <= 0:
        return _forget(connection, tail, at)
    if not probed:
        return tail
    new = RecordedRound(at, tuple(probed))
    if tail and not _belongs(new, tail):
        _close_block(connection, tail)
        _remove_old(connection, at.steady - keep)
        tail = ()
    connection.execute(_INSERT_TAIL, (pack_rounds([new]),))
    return (*tail, new)


def read_tail(connection: sqlite3.Connection) -> Tail:
    """The rounds since the newest block. Raises ValueError: they cannot be read, and ``sqlite3.Error``."""
    rows = connection.execute("SELECT body FROM round_tail ORDER BY id").fetchall()
    return tuple(found for (body,) in rows for found in unpack_rounds(body))


def describe_block(rounds: Sequence[RecordedRound]) -> tuple[float, float, float, float, int]:
    """The columns beside the body of a block that holds ``rounds``, which were unpacked from it."""
    walls = [round.at.wall for round in rounds]  # the clock may have been set meanwhile
    return rounds[0].at.steady, rounds[-1].at.steady, min(walls), max(walls), len(rounds)


def _belongs(new: RecordedRound, tail: Tail) -> bool:
    age = new.at.steady - tail[0].at.steady
    return 0 <= age < BLOCK_SECONDS and len(tail) < MOST_ROUNDS


def _close_block(connection: sqlite3.Connection, tail: Tail) -> None:
    body = pack_rounds(tail)
    connection.execute(_INSERT_BLOCK, (*describe_block(unpack_rounds(body)), body))
    connection.execute("DELETE FROM round_tail")


def _forget(connection: sqlite3.Connection, tail: Tail, at: Timestamp) -> Tail:
    if tail:
        connection.execute("DELETE FROM round_tail")
    _remove_old(connection, at.steady)
    return ()


def _remove_old(connection: sqlite3.Connection, before: float) -> None:
    if connection.execute(_REMOVE, (before, BLOCKS_AT_ONCE)).rowcount:
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        for _ in range(min(free, PAGES_AT_ONCE)):
            connection.execute("PRAGMA incremental_vacuum(1)")  # Python's module never asks for a second one
