"""The outbox: one row a notice, in the transaction of the event that decides on it.

It is outside of the chain of events: rows change while they are sent, and neither a replay nor a verification makes
them again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from typing import Any

from ..core.notice_decisions import decide_notices
from ..core.notices import UNSENT, Notice, expire
from ..core.timestamps import Timestamp
from ..core.world import World
from ..texts import LONGEST_MESSAGE, make_encodable, make_safe

KEPT = 500  # rows that have ended, for `notify list`; numbers are never used again, as the newest row always stays

_COLUMNS = (
    "number, outage, channel, kind, from_seq, until_seq, queued_steady, queued_wall, due_steady, due_wall, part, state,"
    " attempts, detail, tried_steady, tried_wall, settled_steady, settled_wall, wait_until"
)
_UNSENT = "state IN ({})".format(", ".join(f"'{state}'" for state in UNSENT))
_INSERT = f"INSERT OR IGNORE INTO notice ({_COLUMNS}) VALUES ({', '.join('?' * (_COLUMNS.count(',') + 1))})"
_CHANGE = """
    UPDATE notice SET until_seq = ?, queued_steady = ?, queued_wall = ?, due_steady = ?, due_wall = ?, state = ?,
                      attempts = ?, detail = ?, tried_steady = ?, tried_wall = ?, settled_steady = ?, settled_wall = ?,
                      wait_until = ?
    WHERE number = ?
"""
# What is decided on meanwhile stays: one that was dropped is not sent again, and until where it tells.
_ATTEMPT = f"""
    UPDATE notice SET due_steady = ?, due_wall = ?, state = ?, attempts = ?, detail = ?, tried_steady = ?,
                      tried_wall = ?, settled_steady = ?, settled_wall = ?, wait_until = ?
    WHERE number = ? AND {_UNSENT}
"""
_TRIM = f"""
    DELETE FROM notice WHERE NOT {_UNSENT} AND number <= (
        SELECT number FROM notice WHERE NOT {_UNSENT} ORDER BY number DESC LIMIT 1 OFFSET ?
    )
"""


def write_notices(
    connection: sqlite3.Connection, seq: int, at: Timestamp, before: World, after: World, channels: Mapping[str, bool]
) -> tuple[Notice, ...]:
    """Write the notices that event ``seq`` makes, within its transaction; returns all that are unsent then.

    ``channels`` says of each channel whether it works offline.
    """

    def opened(outage: int) -> int:
        row = connection.execute("SELECT opened_seq FROM outage WHERE id = ?", (outage,)).fetchone()
        return seq if row is None else int(row[0])

    known = read_notices(connection)
    numbers = {notice.number for notice in known}
    for notice in decide_notices(before, after, at=at, seq=seq, opened=opened, channels=channels, known=known):
        if notice.number in numbers:
            connection.execute(_CHANGE, (*_changing(notice), notice.number))
        else:
            connection.execute(_INSERT, _values(notice))
    connection.execute(_TRIM, (KEPT,))
    return read_unsent(connection)


def read_notices(connection: sqlite3.Connection, where: str = "1") -> list[Notice]:
    """The rows of the outbox by their numbers. Raises sqlite3.Error."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM notice WHERE {where} ORDER BY number")
    return [_notice(row) for row in rows]


def read_unsent(connection: sqlite3.Connection) -> tuple[Notice, ...]:
    """Those that are still to be sent. Raises sqlite3.Error."""
    return tuple(read_notices(connection, _UNSENT))


def write_attempt(connection: sqlite3.Connection, notice: Notice) -> bool:
    """Write how far an attempt is; False: it is not to be sent any more, and nothing was written."""
    return connection.execute(_ATTEMPT, (*_attempt(notice), notice.number)).rowcount == 1


def drop_notices(
    connection: sqlite3.Connection, numbers: Collection[int] | None, why: str, at: Timestamp
) -> list[Notice]:
    """End the notices with these numbers (None: all) unsent; returns them as they were. Others that are unsent stay."""
    dropped = [one for one in read_unsent(connection) if numbers is None or one.number in numbers]
    for one in dropped:
        write_attempt(connection, expire(one, why, at))
    return dropped


def oldest_needed(connection: sqlite3.Connection) -> int | None:
    """The first event that an unsent notice tells of; None: none does. Raises sqlite3.Error."""
    found: int | None = connection.execute(f"SELECT min(from_seq) FROM notice WHERE {_UNSENT}").fetchone()[0]
    return found


def _notice(row: tuple[Any, ...]) -> Notice:
    number, outage, channel, kind, from_seq, until_seq = row[:6]
    queued, due = Timestamp(*row[6:8]), Timestamp(*row[8:10])
    part, state, attempts, detail = row[10:14]
    return Notice(
        number,
        outage,
        channel,
        kind,
        from_seq,
        until_seq,
        queued,
        due,
        part,
        state,
        attempts,
        detail,
        tried=_timestamp(row[14:16]),
        settled=_timestamp(row[16:18]),
        wait_until=row[18],
    )


def _timestamp(pair: tuple[float | None, float | None]) -> Timestamp | None:
    steady, wall = pair
    return None if steady is None or wall is None else Timestamp(steady, wall)


def _values(notice: Notice) -> tuple[object, ...]:
    name = (notice.number, notice.outage, make_encodable(notice.channel), str(notice.kind))
    return (*name, notice.from_seq, notice.until_seq, *notice.queued, *notice.due, notice.part, *_attempt(notice)[2:])


def _changing(notice: Notice) -> tuple[object, ...]:
    return (notice.until_seq, *notice.queued, *_attempt(notice))


def _attempt(notice: Notice) -> tuple[object, ...]:
    nothing = (None, None)
    detail = make_encodable(make_safe(notice.detail, LONGEST_MESSAGE))
    times = (*(notice.tried or nothing), *(notice.settled or nothing))
    return (*notice.due, str(notice.state), notice.attempts, detail, *times, notice.wait_until)
