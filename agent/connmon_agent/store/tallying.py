"""The counters of a state file: as it keeps them, or as its tables make them where an older agent kept none.

They stand apart from the other statements, because `status` needs none of this.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from ..core.tallies import LineTallies, Tallies, name_cause
from .json_text import JsonText

COUNTED = "tallies"  # the key in the table ``meta`` of the counters that the events make
COUNTED_BETWEEN = "line_tallies"  # of those that rounds and traffic make

TALLIES: JsonText[Tallies] = JsonText(Tallies)
LINE_TALLIES: JsonText[LineTallies] = JsonText(LineTallies)
_SET_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"


def write_tallies(connection: sqlite3.Connection, tallies: Tallies) -> None:
    """Keep the counters that the events make."""
    connection.execute(_SET_META, (COUNTED, TALLIES.to_text(tallies)))


def write_line_tallies(connection: sqlite3.Connection, lines: LineTallies) -> None:
    """Keep the counters that rounds and traffic make."""
    connection.execute(_SET_META, (COUNTED_BETWEEN, LINE_TALLIES.to_text(lines)))


def recall_tallies(connection: sqlite3.Connection) -> tuple[Tallies, LineTallies]:
    """The counters. Those that cannot be read, or were not kept, begin with what the history still tells.

    Raises sqlite3.Error.
    """
    tallies = _decode(connection, COUNTED, TALLIES)
    lines = _decode(connection, COUNTED_BETWEEN, LINE_TALLIES)
    return tallies or _count_history(connection), lines or LineTallies()


def _decode(connection: sqlite3.Connection, key: str, codec: Any) -> Any:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    try:
        return None if row is None else codec.from_text(row[0])
    except ValueError:  # a counter is not worth a memory that cannot be opened
        return None


def _count_history(connection: sqlite3.Connection) -> Tallies:
    """Outages and restarts of the whole history; an outage by the cause that it ended with."""
    outages: dict[str, int] = {}
    for cause, count in connection.execute("SELECT cause, count(*) FROM outage GROUP BY cause"):
        outages[name_cause(cause)] = outages.get(name_cause(cause), 0) + count
    restarts: dict[str, dict[str, int]] = {}
    settled = "SELECT service, outcome, count(*) FROM intent WHERE outcome IS NOT NULL GROUP BY service, outcome"
    for service, outcome, count in connection.execute(settled):
        restarts.setdefault(service, {})[outcome] = count
    return Tallies(outages, restarts)
