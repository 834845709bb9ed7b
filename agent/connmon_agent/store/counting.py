"""The counters of a state file: as it keeps them, or as its tables make them where an older agent kept none.

They stand apart from the other statements, because `status` needs none of this.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from ..core.counters import Counters, LineCounters, name_cause
from .json_text import JsonText

COUNTED = "tallies"  # the key in the table ``meta`` of the counters that the events make
COUNTED_BETWEEN = "line_tallies"  # of those that rounds and traffic make

COUNTERS: JsonText[Counters] = JsonText(Counters)
LINE_COUNTERS: JsonText[LineCounters] = JsonText(LineCounters)
_SET_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"


def write_counters(connection: sqlite3.Connection, counters: Counters) -> None:
    """Keep the counters that the events make."""
    connection.execute(_SET_META, (COUNTED, COUNTERS.to_text(counters)))


def write_line_counters(connection: sqlite3.Connection, lines: LineCounters) -> None:
    """Keep the counters that rounds and traffic make."""
    connection.execute(_SET_META, (COUNTED_BETWEEN, LINE_COUNTERS.to_text(lines)))


def recall_counters(connection: sqlite3.Connection) -> tuple[Counters, LineCounters]:
    """The counters. Those that cannot be read, or were not kept, begin with what the history still tells.

    Raises sqlite3.Error.
    """
    counters = _decode(connection, COUNTED, COUNTERS)
    lines = _decode(connection, COUNTED_BETWEEN, LINE_COUNTERS)
    return counters or _count_history(connection), lines or LineCounters()


def _decode(connection: sqlite3.Connection, key: str, codec: Any) -> Any:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    try:
        return None if row is None else codec.from_text(row[0])
    except ValueError:  # a counter is not worth a memory that cannot be opened
        return None


def _count_history(connection: sqlite3.Connection) -> Counters:
    """Outages and restarts of the whole history; an outage by the cause that it ended with."""
    outages: dict[str, int] = {}
    for cause, count in connection.execute("SELECT cause, count(*) FROM outage GROUP BY cause"):
        outages[name_cause(cause)] = outages.get(name_cause(cause), 0) + count
    restarts: dict[str, dict[str, int]] = {}
    settled = "SELECT service, outcome, count(*) FROM intent WHERE outcome IS NOT NULL GROUP BY service, outcome"
    for service, outcome, count in connection.execute(settled):
        restarts.setdefault(service, {})[outcome] = count
    return Counters(outages, restarts)
