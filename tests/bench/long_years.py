"""A state file as long as one likes: a recorded outage again and again, by SQL, because deciding it takes days."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.bench.journals import simulate_days, write_journal

from connmon_agent.core.world import World
from connmon_agent.store.checkpoints import EVERY, write_checkpoint
from connmon_agent.store.layout import EVENT_COLUMNS, EventRow
from connmon_agent.store.reading import Reader

FIRST = 14  # events before the first outage of ``simulate_days``
PERIOD = 42  # events from one outage to the next
RECORDED = 3  # outages that are decided, of which the last is repeated


def write_long_year(path: Path, *, outages: int, seconds: float) -> None:
    """A state file of so many outages, evenly over so many seconds, with a checkpoint every 500 events as it has them.

    What is read of a journal is as if it had been recorded; its hashes do not fit, which only `replay --verify` looks
    at.
    """
    write_journal(path, simulate_days(events=FIRST + RECORDED * PERIOD))
    with Reader(path) as reader:
        world = reader.recorded_world()
    assert world is not None
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = OFF")  # a log of all of it would take most of the time
        connection.execute("BEGIN")
        _repeat(connection, world, outages=outages - RECORDED, step=seconds / outages)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


def _repeat(connection: sqlite3.Connection, world: World, *, outages: int, step: float) -> None:
    first, last = FIRST + (RECORDED - 1) * PERIOD + 1, FIRST + RECORDED * PERIOD
    began, ended = (connection.execute("SELECT wall FROM event WHERE seq = ?", (seq,)).fetchone()[0]
                    for seq in (first, last))  # fmt: skip
    pace = min(1.0, 0.95 * step / (ended - began))  # of the time within one repetition
    columns = EVENT_COLUMNS.replace("seq,", "seq + :rows,").replace(" outage,", " outage + :number,")
    for name in ("steady", "wall"):
        moved = f"(SELECT {name} FROM event WHERE seq = :first)"
        columns = columns.replace(f" {name},", f" {moved} + ({name} - {moved}) * :pace + :shift,")
    events = f"INSERT INTO event SELECT {columns} FROM event WHERE seq BETWEEN :first AND :last ORDER BY seq"
    since = last
    for number in range(1, outages + 1):
        shift = ended - began + (number - 1) * step
        values = {"rows": number * PERIOD, "number": number, "first": first, "last": last, "pace": pace, "shift": shift}
        connection.execute(events, values)
        connection.execute(_OUTAGE, {**values, "id": RECORDED})
        connection.execute(_INTENT, {**values, "id": RECORDED})
        if last + number * PERIOD - since >= EVERY:
            since = last + number * PERIOD
            row = connection.execute(f"SELECT {EVENT_COLUMNS} FROM event WHERE seq = ?", (since,)).fetchone()
            write_checkpoint(connection, EventRow._make(row), world)
    connection.execute("UPDATE agent SET heartbeat_wall = (SELECT max(wall) FROM event)")
    connection.execute("UPDATE snapshot SET seq = (SELECT max(seq) FROM event)")


_OUTAGE = """
    INSERT INTO outage SELECT id + :number, started_steady + :shift, started_wall + :shift, back_steady + :shift,
    back_wall + :shift, ended_steady + :shift, ended_wall + :shift, cause, by_operator, relapses, restarts, result,
    opened_seq + :rows, closed_seq + :rows, detail, blind FROM outage WHERE id = :id
"""
_INTENT = """
    INSERT INTO intent SELECT token || '-' || :number, seq + :rows, service, outage + :number, attempt, body, outcome,
    reason, settled_seq + :rows FROM intent WHERE outage = :id
"""
