"""What the state file keeps beside the events, made again from them, to be held against what is there."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from ..core.steps import Step
from ..core.unworded import parts_of
from ..core.world import World
from ..errors import InvariantError
from . import writes
from .checkpoints import Body
from .json_text import renew
from .layout import RESTARTS
from .records import Recorded

# Every table whose rows follow from the events alone, with the column that numbers the event a row comes from.
TABLES = {"timer": None, "outage": "opened_seq", "intent": "seq", "listen": "seq"}
# The columns with sentences, which an older version may have worded otherwise.
SENTENCES = frozenset({"detail", "result", "reason", "answer"})
# The column that numbers the event which ended what the row tells of; nothing changes it afterwards.
_ENDED_BY = {"outage": "closed_seq", "intent": "settled_seq", "listen": "settled_seq"}

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A row that is not as its events make it. ``seq`` is the event it comes from; None: it names none."""

    seq: int | None
    table: str
    kept: str
    made: str


class Ledger:
    """The tables in memory, written by the very statements that the journal writes them by.

    ``start`` is the checkpoint after event ``after`` that the journal begins with; None: with the first event.
    """

    def __init__(self, start: Body | None = None, after: int = 0) -> None:
        from .schema import migrate  # sqlite-utils costs memory, and only a verification needs it here

        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        migrate(self._connection)
        self._world = World(store="")
        self._reworded = False
        self._after = after
        if start is not None:
            self._world = start.world
            writes.write_timers(self._connection, {}, start.world.timers)
            for table, rows in start.rows.items():
                for row in rows:
                    self._insert(table, row)

    def _insert(self, table: str, row: dict[str, Any]) -> None:
        columns = [name for name in row if name in self._columns(table)]  # a newer agent may have added some
        marks = ", ".join("?" * len(columns))
        values = [row[name] for name in columns]
        self._connection.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", values)

    def _columns(self, table: str) -> set[str]:
        return {str(row[1]) for row in self._connection.execute(f"PRAGMA table_info({table})")}

    def add(self, row: Recorded, step: Step) -> None:
        """One event with the step it caused. Events come in their order."""
        before, after, connection = self._world, step.world, self._connection
        self._world = after
        self._reworded = self._reworded or parts_of(row) != parts_of(step)
        try:
            writes.write_timers(connection, before.timers, after.timers)
            writes.write_outage(connection, row.seq, row.at, after, before=before.outage)
            writes.settle_intents(connection, row.seq, step.resolutions)
            writes.open_intents(connection, row.seq, step.effects, after)
            writes.open_listens(connection, row.seq, step.listens)
        except InvariantError:
            return  # the journal would have refused it, too: the row that is missing is found below

    def find_mismatch(self, kept: Rows) -> Mismatch | None:
        """The first row of ``kept`` that is not as it was made here, or is missing; None: all are alike."""
        for table, numbered_by in TABLES.items():
            made = read_table(self._connection, table)
            for one, other in _pair(self._verifiable(table, kept.get(table, [])), self._verifiable(table, made)):
                if one != other and not (self._reworded and _without_sentences(one) == _without_sentences(other)):
                    source = other or one or {}
                    seq = source.get(numbered_by) if numbered_by else None
                    return Mismatch(seq, table, _tell(one, other), _tell(other, one))
        return None

    def _verifiable(self, table: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Without what had ended where the journal begins: what made it is no longer kept."""
        column = _ENDED_BY.get(table)
        if column is None:
            return rows
        return [row for row in rows if row[column] is None or row[column] > self._after]

    def close(self) -> None:
        """Let go of the memory."""
        self._connection.close()


def read_table(connection: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    """Every row of ``table``, one of ``TABLES``, by its columns' names, in the order of its key."""
    cursor = connection.execute(f"SELECT * FROM {table} ORDER BY 1")
    names = [column[0] for column in cursor.description]
    return [_renew(dict(zip(names, row, strict=True))) for row in cursor]


def _renew(row: dict[str, Any]) -> dict[str, Any]:
    """``row`` with its JSON as an agent of today writes it."""
    if isinstance(row.get("body"), str):
        with suppress(ValueError):  # it differs from what is made in any case
            row["body"] = renew(row["body"])
    return row


def _without_sentences(row: dict[str, Any] | None) -> dict[str, Any] | None:
    """``row`` without what an older version may have worded otherwise."""
    if row is None:
        return None
    kept = {name: value for name, value in row.items() if name not in SENTENCES}
    if isinstance(row.get("body"), str):
        with suppress(ValueError):
            restart = RESTARTS.from_text(row["body"])
            if RESTARTS.to_text(restart) == row["body"]:  # else it is not as an agent wrote it
                kept["body"] = replace(restart, reason="")
    return kept


def _pair(
    kept: list[dict[str, Any]], made: list[dict[str, Any]]
) -> list[tuple[dict[str, Any] | None, dict[str, Any] | None]]:
    length = max(len(kept), len(made))
    padding: list[None] = [None] * length
    return list(zip([*kept, *padding][:length], [*made, *padding][:length], strict=True))


def _tell(row: dict[str, Any] | None, other: dict[str, Any] | None) -> str:
    """The columns in which ``row`` differs from ``other``."""
    if row is None:
        return "no such row"
    return ", ".join(f"{name} = {value!r}" for name, value in row.items() if other is None or other.get(name) != value)
