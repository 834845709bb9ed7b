"""Everything that is shown comes from here: the state file, read-only, decoded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.moments import Moment
from ..core.sightings import InternalErrors, LineUsage, LogLoss, QualitySight, Traffic
from ..core.world import World
from ..errors import StoreError
from .failures import damaged_text, store_error
from .layout import (
    ERRORS,
    EVENT_COLUMNS,
    EVENTS,
    GENESIS,
    INTERNAL_ERRORS,
    LOG_LOSS,
    LOG_LOSSES,
    QUALITY,
    RESTARTS,
    RESULTS,
    SIGHTS,
    STEPS,
    TRAFFIC,
    UNVERIFIED,
    USAGE,
    USAGES,
    EventRow,
    log_of,
    size_of,
)
from .ledger import TABLES, Rows, read_table
from .readonly import open_readonly
from .records import AgentRow, IntentRow, LatestRound, OutageRow, Recorded
from .snapshots import holds_unknown_keys, read_world

if TYPE_CHECKING:
    from ..core.tallies import LineTallies, Tallies

PAGE = 500  # events a query: a long one would keep the writer from shortening its log
ALIKE = 1024  # decoded steps kept by a reader: two of three events cause the very step of an earlier one

# Older agents did not write the end of a recovery that the next outage overtook: it is that outage's beginning.
_NEXT = "(SELECT next.{} FROM outage AS next WHERE next.id > outage.id ORDER BY next.id LIMIT 1)"
_OUTAGES = f"""
    SELECT id, started_steady, started_wall, back_steady, back_wall,
           coalesce(ended_steady, {_NEXT.format("started_steady")}),
           coalesce(ended_wall, {_NEXT.format("started_wall")}),
           cause, by_operator, relapses, restarts,
           CASE WHEN ended_steady IS NULL THEN coalesce('overtaken by outage ' || {_NEXT.format("id")}, result)
                ELSE result END,
           {{detail}}, {{blind}} FROM outage
"""
_EVENTS = f"SELECT {EVENT_COLUMNS} FROM event WHERE seq > ? AND seq <= ?"
_NO_MORE = 2**63 - 1  # SQLite's largest integer


class Reader:
    """The state file as it is now. A context manager; every method raises StoreError when the file cannot be read.

    Works beside a live agent, after a ``kill -9``, on a read-only directory or a copy, and for another user.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened = open_readonly(path)
        self._read_step = lru_cache(maxsize=ALIKE)(STEPS.from_text)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._opened.close()

    def world(self) -> World | None:
        """The world as it was last committed; None before the first event."""
        # One statement: what it reads is of one commit. JSON holds no raw newline.
        forwards = "(SELECT group_concat(body, char(10)) FROM forward)" if self._has("forward") else "NULL"
        row = self._first(f"SELECT world, {forwards} FROM snapshot")
        if row is None:
            return None
        decoded: World = self._decoded("the world", lambda text: read_world(text, (row[1] or "").splitlines()), row[0])
        return decoded

    def world_is_as_written(self, world: World) -> bool:
        """Whether the snapshot has nothing in it that was passed over when it was read as ``world``."""
        row = self._first("SELECT world FROM snapshot")
        return row is not None and not holds_unknown_keys(row[0], world)

    def agent(self) -> AgentRow | None:
        """The agent that wrote last; None before the first start."""
        row = self._first(
            "SELECT pid, version, started_steady, started_wall, heartbeat_steady, heartbeat_wall,"
            " stopped_steady, stopped_wall FROM agent"
        )
        if row is None:
            return None
        pid, version = row[:2]
        return AgentRow(pid, version, Moment(*row[2:4]), Moment(*row[4:6]), _moment(row[6:8]))

    def latest_round(self) -> LatestRound | None:
        """The newest round of probes; None before the first."""
        row = self._first("SELECT steady, wall, results, loss, latency_ms FROM latest_round")
        if row is None:
            return None
        results = self._decoded("the newest round", RESULTS.from_text, row[2])
        return LatestRound(Moment(*row[:2]), results, row[3], row[4], self._latest_quality(), self._latest_usage())

    def latest_traffic(self) -> tuple[Traffic, ...]:
        """What went through the local ports since the agent's start, as of its last word."""
        row = self._first("SELECT traffic FROM latest_traffic") if self._has("latest_traffic") else None
        return () if row is None else self._decoded("the traffic", TRAFFIC.from_text, row[0])

    def internal_errors(self) -> InternalErrors | None:
        """What failed in the agent itself, the last time that anything did; None: nothing ever."""
        row = self._first(f"SELECT value FROM meta WHERE key = '{ERRORS}'")
        return None if row is None else self._decoded("the internal errors", INTERNAL_ERRORS.from_text, row[0])

    def tallies(self) -> tuple[Tallies, LineTallies]:
        """The counters. Of a file of an older agent: those that its history tells."""
        from .tallying import recall_tallies  # which `status` need not pay for

        try:
            return recall_tallies(self._opened.connection)
        except sqlite3.Error as error:
            raise store_error(error, doing="read the counters", path=self.path) from error

    def born(self) -> float | None:
        """When the first event was recorded, in Unix seconds; None: none was."""
        row = self._first("SELECT wall FROM event WHERE seq = 1")
        return None if row is None else float(row[0])

    def log_loss(self) -> LogLoss | None:
        """The lines that the log could not write, the last time that it lost any; None: it never did."""
        row = self._first(f"SELECT value FROM meta WHERE key = '{LOG_LOSS}'")
        return None if row is None else self._decoded("the losses of the log", LOG_LOSSES.from_text, row[0])

    def unverified_api(self) -> str | None:
        """The API server whose certificate the agent does not verify; None: it does, as far as it has said."""
        row = self._first(f"SELECT value FROM meta WHERE key = '{UNVERIFIED}'")
        return None if row is None else str(row[0]) or None

    def _has(self, table: str) -> bool:
        """A reader never migrates: a file of an older agent lacks what came later."""
        return self._first("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", table) is not None

    def _latest_quality(self) -> QualitySight | None:
        """None too where an older agent wrote the file, which knew of no quality."""
        row = self._first(f"SELECT value FROM meta WHERE key = '{QUALITY}'")
        return None if row is None else self._decoded("the quality of the link", SIGHTS.from_text, row[0])

    def _latest_usage(self) -> LineUsage | None:
        """None too where an older agent wrote the file, which did not count it."""
        row = self._first(f"SELECT value FROM meta WHERE key = '{USAGE}'")
        return None if row is None else self._decoded("what the probes take on the line", USAGES.from_text, row[0])

    def outages(self) -> list[OutageRow]:
        """The history, newest last."""
        return [_outage(row) for row in self._rows(f"{self._outages_query()} ORDER BY id")]

    def outage(self, id: int) -> OutageRow | None:
        """One outage; None when there was none of that number."""
        row = self._first(f"{self._outages_query()} WHERE id = ?", id)
        return None if row is None else _outage(row)

    def _outages_query(self) -> str:
        """A reader never migrates: in a file of an older agent an outage has neither detail nor blind time."""
        columns = {row[1] for row in self._rows("PRAGMA table_info(outage)")}
        absent = {"detail": "''", "blind": "0.0"}
        return _OUTAGES.format(**{name: name if name in columns else value for name, value in absent.items()})

    def recorded(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        outage: int | None = None,
        after_seq: int = 0,
    ) -> Iterator[Recorded]:
        """The events after number ``after_seq``, oldest first, up to the one that is the newest now.

        ``since`` and ``until`` are Unix seconds, both included (None: no bound). ``outage`` keeps those from the
        event that opened it to the one that closed it.
        """
        first, last = self._span(outage)
        low = float("-inf") if since is None else since
        high = float("inf") if until is None else until
        for row in self._events(max(after_seq, first - 1), last):
            if low <= row.wall <= high:
                yield self._recorded(row)

    def chart_text(self, sha256: str) -> str | None:
        """The canonical text of the chart with that hash; None where it was never saved."""
        row = self._first("SELECT text FROM chart WHERE sha256 = ?", sha256)
        return None if row is None else str(row[0])

    def kept_charts(self) -> list[tuple[str, str]]:
        """The SHA-256 under which each chart is kept, and its text. Raises StoreError."""
        return [(str(sha256), str(text)) for sha256, text in self._rows("SELECT sha256, text FROM chart")]

    def counts(self) -> tuple[int, int]:
        """How many events there are, and how many bytes the database and its log take on the disk."""
        row = self._first("SELECT max(seq), min(seq) FROM event")  # no gaps, and count(*) would read every page
        events = 0 if row is None or row[0] is None else row[0] - row[1] + 1
        return events, size_of(self.path) + size_of(log_of(self.path))

    def derived_rows(self) -> Rows:
        """The tables whose rows follow from the events. Raises StoreError."""
        try:
            present = [table for table in TABLES if self._has(table)]
            return {table: read_table(self._opened.connection, table) for table in present}
        except sqlite3.Error as error:
            raise store_error(error, doing="read the memory", path=self.path) from error
        except UnicodeDecodeError as error:
            raise damaged_text(error, self.path) from error

    def verify_chain(self) -> int | None:
        """The number of the first event that is not as it was written, or is missing; None: all of them stand."""
        # First: an agent may add events while they are read, and a snapshot must not be of one that came later.
        snapshot = self._first("SELECT seq FROM snapshot")
        number, before = 0, GENESIS
        try:
            for row in self._events(0, _NO_MORE):
                number += 1
                if row.seq != number or row.previous != before or row.hash != row.expected_hash():
                    return number
                before = row.hash
        except (StoreError, UnicodeError):  # SQLite cannot read it, or it is no text
            return self._first_unreadable(number + 1)
        return number + 1 if snapshot is not None and snapshot[0] > number else None

    def _first_unreadable(self, after: int) -> int:
        """The first event from number ``after`` on that cannot be read: a whole page of them failed together."""
        for number in range(after, after + PAGE):
            try:
                if not list(self._events(number - 1, number)):
                    return number
            except (StoreError, UnicodeError):
                return number
        return after

    def open_intents(self) -> list[IntentRow]:
        """The restarts whose outcome is not known yet, oldest first."""
        rows = self._rows("SELECT token, seq, outage, attempt, body FROM intent WHERE outcome IS NULL ORDER BY seq")
        return [
            IntentRow(token, seq, outage, attempt, self._decoded(f"the intent {token}", RESTARTS.from_text, body))
            for token, seq, outage, attempt, body in rows
        ]

    def _span(self, outage: int | None) -> tuple[int, int]:
        """The numbers of an outage's first and last event; an empty span when there is no such outage."""
        if outage is None:
            return 1, _NO_MORE
        row = self._first("SELECT opened_seq, coalesce(closed_seq, ?) FROM outage WHERE id = ?", _NO_MORE, outage)
        return (1, 0) if row is None else (row[0], row[1])

    def _events(self, after: int, last: int) -> Iterator[EventRow]:
        newest = self._first("SELECT coalesce(max(seq), 0) FROM event")
        end = min(last, newest[0] if newest else 0)
        while after < end:
            until = min(after + PAGE, end)
            yield from map(EventRow._make, self._rows(f"{_EVENTS} ORDER BY seq", after, until))
            after = until

    def _recorded(self, row: EventRow) -> Recorded:
        name = f"event {row.seq}"
        event = self._decoded(name, EVENTS.from_text, row.body)
        step = self._decoded(name, self._read_step, row.step)
        return Recorded(
            row.seq,
            Moment(row.steady, row.wall),
            row.boottime,
            row.boot_id,
            event,
            step.transitions,
            step.effects,
            step.resolutions,
            step.notes,
            row.outage,
            step.refusal,
            step.charts,
            step.listens,
        )

    def _decoded(self, what: str, decode: Any, text: str) -> Any:
        try:
            return decode(text)
        except ValueError as error:
            raise StoreError(
                f"{what} in {self.path} cannot be decoded: {error}",
                hint="It is damaged, or a newer connmon-agent wrote it",
            ) from error

    def _first(self, sql: str, *parameters: object) -> tuple[Any, ...] | None:
        rows = self._rows(sql, *parameters)
        return rows[0] if rows else None

    def _rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Every row at once: a half-read result would be a long transaction."""
        try:
            return self._opened.connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise store_error(error, doing="read the memory", path=self.path) from error
        except UnicodeDecodeError as error:
            raise damaged_text(error, self.path) from error


def _moment(pair: tuple[float | None, float | None]) -> Moment | None:
    steady, wall = pair
    return None if steady is None or wall is None else Moment(steady, wall)


def _outage(row: tuple[Any, ...]) -> OutageRow:
    id, started, back, ended = row[0], Moment(*row[1:3]), _moment(row[3:5]), _moment(row[5:7])
    cause, by_operator, relapses, restarts, result, detail, blind = row[7:]
    return OutageRow(id, started, back, ended, cause, bool(by_operator), relapses, restarts, result, detail, blind)
