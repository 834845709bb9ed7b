"""Everything that is shown comes from here: the state file, read-only, decoded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..core.link.round_counts import apply_counts
from ..core.observations import InternalErrors, LineUsage, LogLoss, MeasuredQuality, Traffic
from ..core.timestamps import Timestamp
from ..core.world import World
from ..errors import StoreError
from .checkpoints import FIND_BORN, Body, Mark, Segments, read_body, read_kept_after, read_segments
from .failures import damaged_text, store_error
from .layout import (
    COUNTS,
    COUNTS_SINCE,
    ERRORS,
    EVENT_COLUMNS,
    EVENTS,
    GENESIS,
    INTERNAL_ERRORS,
    LOG_LOSS,
    LOG_LOSSES,
    QUALITIES,
    QUALITY,
    RESTARTS,
    RESULTS,
    TRAFFIC,
    UNVERIFIED,
    USAGE,
    USAGES,
    EventRow,
    log_of,
    read_step,
    size_of,
)
from .ledger import TABLES, Rows, read_table
from .readonly import open_readonly
from .records import AgentRow, IntentRow, LatestRound, OutageRow, Recorded
from .round_blocks import RecordedRound, RoundPatterns, unpack_rounds
from .round_log import describe_block
from .snapshots import holds_unknown_keys, read_world

if TYPE_CHECKING:
    from ..core.counters import Counters, LineCounters
    from ..core.notices import Notice

PAGE = 500  # events a query: a long one would keep the writer from shortening its log
LOOKS = 5  # at a chain of which the oldest part is removed meanwhile
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
        self._read_step = lru_cache(maxsize=ALIKE)(read_step)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._opened.close()

    def world(self) -> World | None:
        """The world as the agent knows it: as it was last committed, with what rounds have counted since. None before
        the first event.
        """
        world, seq, counts = self._read_world()
        if world is None or counts is None:
            return world
        since = self._decoded("what rounds have counted", COUNTS_SINCE.from_text, counts)
        return apply_counts(world, since.counts) if since.seq == seq else world

    def recorded_world(self) -> World | None:
        """The world as it was last committed; None before the first event."""
        return self._read_world()[0]

    def _read_world(self) -> tuple[World | None, int, str | None]:
        """The world as it was last committed, the number of its event, and what rounds have counted since some event.

        One statement: what it reads is of one commit.
        """
        # JSON holds no raw newline.
        forwards = "(SELECT group_concat(body, char(10)) FROM forward)" if self._has("forward") else "NULL"
        counts = f"(SELECT value FROM meta WHERE key = '{COUNTS}')"
        row = self._first(f"SELECT world, seq, {counts}, {forwards} FROM snapshot")
        if row is None:
            return None, 0, None
        ports = row[3].split("\n") if row[3] else ()
        world: World = self._decoded("the world", lambda text: read_world(text, ports), row[0])
        return world, row[1], row[2]

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
        return AgentRow(pid, version, Timestamp(*row[2:4]), Timestamp(*row[4:6]), _timestamp(row[6:8]))

    def latest_round(self) -> LatestRound | None:
        """The newest round of probes; None before the first."""
        row = self._first("SELECT steady, wall, results, loss, latency_ms FROM latest_round")
        if row is None:
            return None
        results = self._decoded("the newest round", RESULTS.from_text, row[2])
        return LatestRound(Timestamp(*row[:2]), results, row[3], row[4], self._latest_quality(), self._latest_usage())

    def latest_traffic(self) -> tuple[Traffic, ...]:
        """What went through the local ports since the agent's start, as of its last word."""
        row = self._first("SELECT traffic FROM latest_traffic") if self._has("latest_traffic") else None
        return () if row is None else self._decoded("the traffic", TRAFFIC.from_text, row[0])

    def internal_errors(self) -> InternalErrors | None:
        """What failed in the agent itself, the last time that anything did; None: nothing ever."""
        row = self._first(f"SELECT value FROM meta WHERE key = '{ERRORS}'")
        return None if row is None else self._decoded("the internal errors", INTERNAL_ERRORS.from_text, row[0])

    def counters(self) -> tuple[Counters, LineCounters]:
        """The counters. Of a file of an older agent: those that its history tells."""
        from .counting import recall_counters  # which `status` need not pay for

        try:
            return recall_counters(self._opened.connection)
        except sqlite3.Error as error:
            raise store_error(error, doing="read the counters", path=self.path) from error

    def born(self) -> float | None:
        """When the first event was recorded, in Unix seconds; None: none was."""
        row = self._first(FIND_BORN)
        return None if row is None else float(row[0])

    def log_loss(self) -> LogLoss | None:
        """The lines that the log could not write, the last time that it lost any; None: it never did."""
        row = self._first(f"SELECT value FROM meta WHERE key = '{LOG_LOSS}'")
        return None if row is None else self._decoded("the losses of the log", LOG_LOSSES.from_text, row[0])

    def notices(self) -> list[Notice]:
        """The notices of the outbox by their numbers; none in a file of an older agent."""
        if not self._has("notice"):
            return []
        from .outbox import read_notices  # which `status` of a site without notices need not pay for

        with self._told("read the notices"):
            return read_notices(self._opened.connection)

    def unverified_api(self) -> str | None:
        """The API server whose certificate the agent does not verify; None: it does, as far as it has said."""
        row = self._first(f"SELECT value FROM meta WHERE key = '{UNVERIFIED}'")
        return None if row is None else str(row[0]) or None

    def _has(self, table: str) -> bool:
        """A reader never migrates: a file of an older agent lacks what came later."""
        return self._first("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", table) is not None

    def _latest_quality(self) -> MeasuredQuality | None:
        """None too where an older agent wrote the file, which knew of no quality."""
        row = self._first(f"SELECT value FROM meta WHERE key = '{QUALITY}'")
        return None if row is None else self._decoded("the quality of the link", QUALITIES.from_text, row[0])

    def _latest_usage(self) -> LineUsage | None:
        """None too where an older agent wrote the file, which did not count it."""
        row = self._first(f"SELECT value FROM meta WHERE key = '{USAGE}'")
        return None if row is None else self._decoded("what the probes take on the line", USAGES.from_text, row[0])

    def outages(self) -> list[OutageRow]:
        """The history, newest last."""
        return [read_outage(row) for row in self._rows(f"{self._outages_query()} ORDER BY id")]

    def outage(self, id: int) -> OutageRow | None:
        """One outage; None when there was none of that number."""
        row = self._first(f"{self._outages_query()} WHERE id = ?", id)
        return None if row is None else read_outage(row)

    def _outages_query(self) -> str:
        """A reader never migrates: in a file of an older agent an outage has neither detail nor a monitoring gap."""
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
        segments: Segments | None = None,
    ) -> Iterator[Recorded]:
        """The events after number ``after_seq``, oldest first, up to the one that is the newest now.

        ``since`` and ``until`` are Unix seconds, both included (None: no bound). ``outage`` keeps those from the
        event that opened it to the one that closed it. ``segments``, where they were read before. Raises StoreError too
        where the agent removes the oldest events while they are read.
        """
        first, last = self._span(outage)
        low = float("-inf") if since is None else since
        high = float("inf") if until is None else until
        for after, end in (segments or self.segments()).find_spans(low, high):
            before = max(after, after_seq, first - 1)
            until = last if end is None else min(last, end)
            for row in self._events(before, until):
                self._require_kept(before + 1, row.seq)
                before = row.seq
                if low <= row.wall <= high:
                    yield self._recorded(row)
            if end is not None:
                self._require_kept(before + 1, until + 1)

    def _require_kept(self, expected: int, found: int) -> None:
        """Raise StoreError where the events from number ``expected`` up to ``found`` were removed meanwhile."""
        if expected < found and self.segments().kept_after >= expected:
            raise StoreError(
                f"the agent removed event {expected} from {self.path} while the journal was read",
                hint="Try again: it begins later now",
            )

    def segments(self) -> Segments:
        """How the chain of events is cut, and where it begins."""
        if not self._has("checkpoint"):  # an older agent's
            return Segments(0, ())
        with self._told("read the checkpoints"):
            return read_segments(self._opened.connection)

    def checkpoint(self, mark: Mark) -> Body:
        """What the checkpoint holds. Raises Divergence: it is not as it was written."""
        with self._told("read a checkpoint"):
            return read_body(self._opened.connection, mark.seq)

    def rounds(self, *, since: float | None = None, until: float | None = None) -> Iterator[RecordedRound]:
        """The rounds that the round log holds, oldest first; none in a file of an older agent.

        ``since`` and ``until`` as for ``recorded``. Latencies are told to 5 %.
        """
        if not self._has("round_block"):
            return
        low = float("-inf") if since is None else since
        high = float("inf") if until is None else until
        query = "SELECT id FROM round_block WHERE latest_wall >= ? AND earliest_wall <= ? ORDER BY id"
        for (number,) in self._rows(query, low, high):
            for (body,) in self._rows("SELECT body FROM round_block WHERE id = ?", number):
                yield from self._unpack(f"block {number} of the rounds", body, low, high)
        for number, body in self._rows("SELECT id, body FROM round_tail ORDER BY id"):
            yield from self._unpack(f"round {number} of the newest", body, low, high)

    def round_patterns(self) -> Iterator[list[RecordedRound]]:
        """All rounds that the round log holds, oldest first, some minutes of them at a time.

        Results have no latency, and rounds that went alike share one tuple of them. Raises StoreError.
        """
        if not self._has("round_block"):
            return
        patterns = RoundPatterns()
        for (number,) in self._rows("SELECT id FROM round_block ORDER BY id"):
            for (body,) in self._rows("SELECT body FROM round_block WHERE id = ?", number):
                yield self._decoded(f"block {number} of the rounds", patterns.unpack, body)
        for number, body in self._rows("SELECT id, body FROM round_tail ORDER BY id"):
            yield self._decoded(f"round {number} of the newest", patterns.unpack, body)

    def verify_rounds(self) -> str | None:
        """What of the round log is not as it was written, in words; None: all of it is. Raises StoreError."""
        if not self._has("round_block"):
            return None
        columns = "id, first_steady, last_steady, earliest_wall, latest_wall, rounds"
        blocks = self._rows(f"SELECT {columns} FROM round_block ORDER BY id")
        tail = self._rows("SELECT id, body FROM round_tail ORDER BY id")
        for table, ids in (("round_block", [row[0] for row in blocks]), ("round_tail", [row[0] for row in tail])):
            if ids and ids != list(range(ids[0], ids[0] + len(ids))):
                return f"the rows of {table} are not numbered one after the other"
        for number, *written in blocks:
            for (body,) in self._rows("SELECT body FROM round_block WHERE id = ?", number):
                name = f"block {number} of the rounds"
                if describe_block(self._decoded(name, unpack_rounds, body)) != tuple(written):
                    return f"{name} does not hold what stands beside it"
        for number, body in tail:
            self._decoded(f"round {number} of the newest", unpack_rounds, body)
        return None

    def _unpack(self, what: str, body: bytes, low: float, high: float) -> Iterator[RecordedRound]:
        return (round for round in self._decoded(what, unpack_rounds, body) if low <= round.at.wall <= high)

    def chart_text(self, sha256: str) -> str | None:
        """The canonical text of the chart with that hash; None where it was never saved."""
        row = self._first("SELECT text FROM chart WHERE sha256 = ?", sha256)
        return None if row is None else str(row[0])

    def kept_charts(self) -> list[tuple[str, str]]:
        """The SHA-256 under which each chart is kept, and its text. Raises StoreError."""
        return [(str(sha256), str(text)) for sha256, text in self._rows("SELECT sha256, text FROM chart")]

    def newest(self) -> int:
        """The number of the newest event; 0: there is none."""
        row = self._first("SELECT coalesce(max(seq), 0) FROM event")
        return 0 if row is None else int(row[0])

    def counts(self) -> tuple[int, int]:
        """How many events are kept, and how many bytes the database and its log take on the disk."""
        # No gaps; count(*), and both bounds in one query, would read every page.
        row = self._first("SELECT (SELECT max(seq) FROM event), (SELECT min(seq) FROM event)")
        newest, oldest = (0, 1) if row is None or row[0] is None else row
        with self._told("count the events"):
            events = newest - max(oldest - 1, read_kept_after(self._opened.connection))
        return events, size_of(self.path) + size_of(log_of(self.path))

    def derived_rows(self) -> Rows:
        """The tables whose rows follow from the events. Raises StoreError."""
        present = [table for table in TABLES if self._has(table)]
        with self._told("read the memory"):
            return {table: read_table(self._opened.connection, table) for table in present}

    def verify_chain(self) -> int | None:
        """The number of the first event that is not as it was written, or is missing; None: all that are kept stand.

        Raises Divergence: the checkpoint at which they begin is not as it was written.
        """
        for _ in range(LOOKS):
            segments = self.segments()
            broken = self._verify_chain(segments)
            if broken is None or self.segments().kept_after == segments.kept_after:
                return broken
        return broken  # an agent removed the oldest of them meanwhile, again and again

    def _verify_chain(self, segments: Segments) -> int | None:
        # First: an agent may add events while they are read, and a snapshot must not be of one that came later.
        snapshot = self._first("SELECT seq FROM snapshot")
        hashes = {mark.seq: mark.hash for mark in segments.marks}
        number, before = segments.kept_after, GENESIS
        if number:
            if segments.start is None:
                return number
            self.checkpoint(segments.start)
            before = segments.start.hash
        try:
            for row in self._events(number, _NO_MORE):
                number += 1
                if row.seq != number or row.previous != before or row.hash != row.expected_hash():
                    return number
                if hashes.get(number, row.hash) != row.hash:
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
            Timestamp(row.steady, row.wall),
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

    def _decoded(self, what: str, decode: Any, text: str | bytes) -> Any:
        try:
            return decode(text)
        except ValueError as error:
            raise StoreError(
                f"{what} in {self.path} cannot be decoded: {error}",
                hint="Use the newest connmon-agent. If this is the newest, the file is damaged",
            ) from error

    def _first(self, sql: str, *parameters: object) -> tuple[Any, ...] | None:
        rows = self._rows(sql, *parameters)
        return rows[0] if rows else None

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """Within, what SQLite says is a StoreError."""
        try:
            yield
        except sqlite3.Error as error:
            raise store_error(error, doing=doing, path=self.path) from error
        except UnicodeDecodeError as error:
            raise damaged_text(error, self.path) from error

    def _rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Every row at once: a half-read result would be a long transaction."""
        with self._told("read the memory"):
            return self._opened.connection.execute(sql, parameters).fetchall()


def _timestamp(pair: tuple[float | None, float | None]) -> Timestamp | None:
    steady, wall = pair
    return None if steady is None or wall is None else Timestamp(steady, wall)


def read_outage(row: tuple[Any, ...]) -> OutageRow:
    """The outage in a row of the query for outages."""
    id, started, back, ended = row[0], Timestamp(*row[1:3]), _timestamp(row[3:5]), _timestamp(row[5:7])
    cause, by_operator, relapses, restarts, result, detail, monitoring_gap = row[7:]
    return OutageRow(
        id, started, back, ended, cause, bool(by_operator), relapses, restarts, result, detail, monitoring_gap
    )
