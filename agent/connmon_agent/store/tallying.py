"""The counters of a state file: as it keeps them, or as its tables make them where an older agent kept none."""

from __future__ import annotations

import sqlite3
from typing import Any

from ..core.tallies import LineTallies, Tallies, name_cause
from .layout import COUNTED, COUNTED_BETWEEN, LINE_TALLIES, TALLIES


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
