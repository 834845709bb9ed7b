"""The one writer of the state file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from ..core.counters import (
    Counters,
    LineCounters,
    after_power_cut,
    count_probes,
    count_step,
    count_time,
    count_traffic,
    with_new_agent,
)
from ..core.events import AgentStarted, Configured, Event
from ..core.link.round_counts import RoundCounts
from ..core.notice_decisions import has_news
from ..core.notices import Notice, NoticeState
from ..core.observations import InternalErrors, LineUsage, LogLoss, MeasuredQuality, ProbeResult, Traffic
from ..core.steps import Step
from ..core.stored_names import stored_name
from ..core.timestamps import Timestamp
from ..core.world import World
from ..errors import CommitError, InvariantError, StoreError
from ..settings import JOURNAL_KEEP, JOURNAL_MAX_SIZE, MEGABYTE, ROUNDS_KEEP
from . import checkpoints, counting, outbox, retention, writes
from .checkpoints import FIND_BORN
from .failures import commit_error, is_damage, store_error
from .layout import EVENTS, LOG_LOSS, LOG_LOSSES, STEPS, UNVERIFIED, EventRow, StepBody
from .opening import OpenedStore, Progress, Trace, open_store, require_full_sync
from .retention import Limits
from .round_log import Tail, log_round
from .snapshots import SnapshotWriter

TIDY_AFTER = 10  # rounds; while there is something to remove, each removes some of it
COPY_AFTER = 250  # transactions; a quiet round writes three pages of 4 KiB, a decision about seven


class SqliteJournal:
    """``ports.Journal`` over one SQLite file. One call at a time, from whichever thread.

    Commits go to the log, which is copied into the database by a round that decides nothing, after ``COPY_AFTER``
    transactions; SQLite does it by itself in the midst of decisions where no such round comes (opening.LONGEST_LOG).
    A copied log is written again from its beginning and not cut: a commit that makes the file longer waits for the
    file's new size too, which took half as long again (docs/benchmarks.md).

    Power may fail at any instant of that. SQLite syncs the log before it copies, and the database before it writes the
    log again; so a committed transaction is always whole in one of the two. A log begun anew has new salt in its
    header, synced before anything follows it, and every page carries the salt and a checksum over all before it: what
    is left of the older log, or was torn, is never taken for a commit.

    ``set_aside`` is where a damaged file was moved when this one was opened, and ``damage`` says what ailed it; both
    are None when the file was sound. ``rounds_keep``, seconds for which rounds are kept, ``limits``, which say what of
    the events is, and ``channels``, the names of those that get notices, each with whether it works offline, may be set
    in any thread; ``unsent``, the notices that are to be sent, may be read in any.
    """

    set_aside: Path | None
    damage: str | None
    _connection: sqlite3.Connection
    _world: World
    _seq: int
    _hash: str
    _in_order: bool  # False: a transaction's outcome is unknown
    _counted: tuple[Counters, LineCounters]
    _rounds: Tail
    _charts: Mapping[str, str] | None  # by which the agent that writes decides; None: it has not said yet
    _checkpoint: tuple[int, float] | None  # the newest: after which event, and when (steady seconds); None: none is
    _counts: RoundCounts | UnsetType  # as the file has them for the newest event
    _untidied: int  # rounds since it was looked whether anything is to be removed
    _uncopied: int  # transactions since the log was copied into the database, or the file was opened
    unsent: tuple[Notice, ...]

    def __init__(
        self,
        path: Path,
        *,
        boottime: Callable[[], float],
        boot_id: str,
        wall: Callable[[], float],
        trace: Trace | None,
        progress: Progress | None,
    ) -> None:
        self.path = path
        self.progress = progress
        self._boottime = boottime
        self._boot_id = boot_id
        self._wall = wall
        self._trace = trace
        self.rounds_keep = ROUNDS_KEEP
        self.limits = Limits(JOURNAL_KEEP, JOURNAL_MAX_SIZE * MEGABYTE)
        self.channels: Mapping[str, bool] = {}
        self._snapshots = SnapshotWriter()
        self._abandoned = False
        self._suspect = True  # the file may have been damaged since it was looked through
        self._take(open_store(path, wall=wall, trace=trace, progress=progress))
        self._begin_counting()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        boottime: Callable[[], float],
        boot_id: str,
        wall: Callable[[], float] = time.time,
        trace: Trace | None = None,
        progress: Progress | None = None,
    ) -> SqliteJournal:
        """Open the state file, or begin one. Raises StoreError.

        ``boottime`` gives seconds since the machine booted and ``boot_id`` names that boot: both go into every event.
        ``wall`` gives Unix seconds. ``trace``, for diagnosis, is called with every SQL statement before it runs.
        ``progress`` is called while the opening gets on, see ``open_store``; the attribute is for those to come.
        """
        return cls(path, boottime=boottime, boot_id=boot_id, wall=wall, trace=trace, progress=progress)

    @property
    def counted(self) -> tuple[Counters, LineCounters]:
        """The counters as the file holds them: what was not written is not counted. May be read in any thread."""
        return self._counted

    def load(self) -> World:
        """The world as it was last committed; a fresh one, named at random, where nothing was. Raises StoreError."""
        self._require_order()
        return self._world

    def commit(self, event: Event, step: Step) -> int:
        """Make ``event`` and ``step`` durable in one transaction with one wait for the disk; returns its number.

        Raises CommitError: nobody knows whether it is durable, and every call but ``reopen`` and ``close`` is refused
        from then on. Raises InvariantError: the step contradicts the file, nothing was written, and the journal is
        in order.
        """
        row, world = self._draft(event, step)
        counters, lines = self._counted
        counted = count_step(counters, event, self._world, step)
        channels, unsent = self.channels, self.unsent
        with self._deciding(f"record event {row.seq}") as connection:
            writes.write_event(connection, row, world)
            writes.write_timers(connection, self._world.timers, step.world.timers)
            writes.write_forwards(connection, self._world.forwards, step.world.forwards)
            writes.write_outage(connection, row.seq, event.at, step.world, before=self._world.outage)
            writes.settle_intents(connection, row.seq, step.resolutions)
            writes.open_intents(connection, row.seq, step.effects, step.world)
            writes.open_listens(connection, row.seq, step.listens)
            writes.write_sign_of_life(connection, event)
            if counted is not counters:
                counting.write_counters(connection, counted)
            if channels and has_news(self._world, step.world):
                unsent = outbox.write_notices(connection, row.seq, event.at, self._world, step.world, channels)
            charts = event.charts or self._charts if isinstance(event, AgentStarted | Configured) else self._charts
            checkpoint = self._make_checkpoint(connection, row, step.world, charts)
        self._charts, self._checkpoint, self._counts = charts, checkpoint, UNSET
        self._counted, self.unsent = (counted, lines), unsent
        self._world, self._seq, self._hash = step.world, row.seq, row.hash
        return row.seq

    def note_round(
        self,
        at: Timestamp,
        results: Sequence[ProbeResult],
        measured_quality: MeasuredQuality | None = None,
        usage: LineUsage | None = None,
        probed: Sequence[ProbeResult] = (),
        counts: RoundCounts | UnsetType = UNSET,
    ) -> None:
        """Remember the newest round, the quality up to it, what rounds took on the line, the heartbeat, and the
        ``counts`` that no event holds yet; count what was ``probed`` in it. Raises StoreError.

        It does not wait for the disk: a later commit makes them durable too, and losing them to a power cut loses a
        heartbeat, never a decision.
        """
        self._require_order()
        if self._uncopied >= COPY_AFTER:  # before the round: what comes first in a log waits for the disk once more
            self._copy_log()
        counters = count_time(self._counted[0], at.steady, self._world)
        lines = count_probes(self._counted[1], probed, [result.name for result in results])
        with self._unsynced("note the newest round") as connection:
            writes.write_round(connection, at, results)
            writes.write_quality(connection, measured_quality, usage)
            counting.write_counters(connection, counters)
            counting.write_line_counters(connection, lines)
            rounds = log_round(connection, self._rounds, at, probed, keep=self.rounds_keep)
            if counts != self._counts:
                writes.write_counts(connection, self._seq, counts)
        self._counted, self._rounds, self._counts = (counters, lines), rounds, counts
        self._tidy(at)

    def note_traffic(self, at: Timestamp, traffic: Sequence[Traffic]) -> None:
        """Remember what went through the local ports, without waiting for the disk. Raises StoreError."""
        self._require_order()
        counters, lines = self._counted[0], count_traffic(self._counted[1], traffic)
        with self._unsynced("note the traffic") as connection:
            writes.write_traffic(connection, at, traffic)
            counting.write_line_counters(connection, lines)
        self._counted = counters, lines

    def note_errors(self, errors: InternalErrors) -> None:
        """Remember what failed in the agent itself, without waiting for the disk. Raises StoreError."""
        self._require_order()
        with self._unsynced("note an internal error") as connection:
            writes.write_errors(connection, errors)

    def note_attempt(self, notice: Notice) -> bool:
        """Write how far the attempt to send ``notice`` is; False: it is not to be sent any more. Raises StoreError.

        How it ended is durable on return: a notice that was sent is sent again only where the agent dies before.
        """
        doing = f"note an attempt of notice {notice.number}"
        with self._unsynced(doing) if notice.state == NoticeState.SENDING else self._deciding(doing) as connection:
            written = outbox.write_attempt(connection, notice)
            unsent = outbox.read_unsent(connection)
        self.unsent = unsent
        return written

    def drop_notices(self, numbers: Collection[int] | None, why: str, at: Timestamp) -> list[Notice]:
        """End the unsent notices with these numbers (None: all); returns them as they were. Durable on return.

        Raises StoreError.
        """
        with self._deciding("drop notices") as connection:
            dropped = outbox.drop_notices(connection, numbers, why, at)
            unsent = outbox.read_unsent(connection)
        self.unsent = unsent
        return dropped

    def load_chart(self, sha256: str) -> str | None:
        """The canonical text of the chart with that hash; None where it was never saved. Raises StoreError."""
        row = self._fetch("SELECT text FROM chart WHERE sha256 = ?", sha256, doing="read a chart")
        return None if row is None else str(row[0])

    def save_chart(self, name: str, sha256: str, text: str) -> None:
        """Keep a chart's canonical text for replays to come; a known one is left as it is. Raises CommitError."""
        with self._deciding(f"save the chart {name}") as connection:
            connection.execute("INSERT OR IGNORE INTO chart VALUES (?, ?, ?, ?)", (sha256, name, text, self._wall()))

    def meta_get(self, key: str) -> str | None:
        """A value that outlives the agent; None where none was set. Raises StoreError."""
        row = self._fetch("SELECT value FROM meta WHERE key = ?", key, doing=f"read {key}")
        return None if row is None else str(row[0])

    def meta_set(self, values: Mapping[str, str], *, durable: bool = True) -> None:
        """Set values, all of them or none. Not ``durable``: without waiting for the disk. Raises StoreError."""
        doing = f"set {', '.join(values)}"
        with self._deciding(doing) if durable else self._unsynced(doing) as connection:
            connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(values.items()))

    def note_unverified(self, server: str | None) -> None:
        """Remember the API server whose certificate is not verified (None: it is), without waiting for the disk.

        Raises StoreError.
        """
        self.meta_set({UNVERIFIED: server or ""}, durable=False)

    def born(self) -> float | None:
        """When the first event was recorded, in Unix seconds; None: none was. Raises StoreError."""
        row = self._fetch(FIND_BORN, doing="read the first event")
        return None if row is None else float(row[0])

    def note_log_loss(self, loss: LogLoss) -> None:
        """Remember how many lines the log lost, without waiting for the disk. Raises StoreError."""
        self.meta_set({LOG_LOSS: LOG_LOSSES.to_text(loss)}, durable=False)

    def last_sign_of_life(self) -> Timestamp | None:
        """When the agent that wrote last ended in order, else its last heartbeat; None: none ran. Raises StoreError."""
        row = self._fetch(
            "SELECT coalesce(stopped_steady, heartbeat_steady), coalesce(stopped_wall, heartbeat_wall) FROM agent",
            doing="read the last sign of life",
        )
        return None if row is None else Timestamp(*row)

    def reopen(self) -> World:
        """Close, open and load again: what is there now was durable. Raises StoreError."""
        self._in_order = False
        with suppress(sqlite3.Error):  # its transaction is of unknown outcome; the file knows better
            self._connection.close()
        self._take(
            open_store(self.path, wall=self._wall, trace=self._trace, check=self._suspect, progress=self.progress)
        )
        self._suspect = False
        if not self._counted[0].boot:  # nothing of this agent was counted in this file yet
            self._begin_counting()
        return self._world

    def close(self) -> None:
        """Copy the log into the database and close. A reader in the way keeps the log, and loses nothing."""
        if self._abandoned:
            return
        with suppress(sqlite3.Error):  # what is committed is in the log, and the next start finds it there
            if self._in_order:
                self._connection.execute("PRAGMA busy_timeout = 0")  # a reader must not hold up the end
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._in_order = False
        self._connection.close()

    def abandon(self) -> None:
        """Another thread is held up by the disk in a call of this journal: to close it would wait for the same disk."""
        self._abandoned = True

    def _take(self, opened: OpenedStore) -> None:
        self._connection = opened.connection
        self._world = opened.remembered.world
        self._seq = opened.remembered.seq
        self._hash = opened.remembered.hash
        self._counted = opened.remembered.counters, opened.remembered.lines
        self._rounds = opened.remembered.rounds
        self.set_aside = opened.set_aside
        self.damage = opened.damage
        self._charts, self._counts = None, UNSET
        self._checkpoint = opened.remembered.checkpoint
        self.unsent = self._recall_unsent()
        self._in_order = True
        self._untidied = self._uncopied = 0

    def _recall_unsent(self) -> tuple[Notice, ...]:
        try:
            return outbox.read_unsent(self._connection)
        except sqlite3.Error as error:
            raise store_error(error, doing="read the notices", path=self.path) from error

    def _begin_counting(self) -> None:
        """Go on with the counters that the file holds, or anew where a power cut may have taken the newest of them."""
        counters, lines = self._counted
        try:
            stopped = self._connection.execute("SELECT stopped_wall IS NOT NULL FROM agent").fetchone()
        except sqlite3.Error as error:
            raise store_error(error, doing="read how the last agent ended", path=self.path) from error
        cut = stopped is not None and not stopped[0] and counters.boot not in ("", self._boot_id)
        if cut or not counters.boot:
            counters, lines = after_power_cut(counters, lines, self._wall())
        self._counted = replace(counters, boot=self._boot_id), with_new_agent(lines)

    def _draft(self, event: Event, step: Step) -> tuple[EventRow, str]:
        """The next event's row and the world's text. Raises InvariantError: they cannot be written as JSON."""
        try:
            row = EventRow(
                seq=self._seq + 1,
                steady=event.at.steady + 0.0,  # SQLite gives -0.0 back as 0.0, and the hash must hold
                wall=event.at.wall + 0.0,
                boottime=self._boottime() + 0.0,
                boot_id=self._boot_id,
                kind=stored_name(type(event).__name__),
                outage=writes.open_outage_of(step.world),
                body=EVENTS.to_text(event),
                step=STEPS.to_text(StepBody.of(step)),
                previous=self._hash,
                hash="",
            )
            return row._replace(hash=row.expected_hash()), self._snapshots.to_text(step.world)
        except ValueError as error:
            raise InvariantError(f"the {type(event).__name__} {self._seq + 1} cannot be written: {error}") from error

    def _make_checkpoint(
        self, connection: sqlite3.Connection, row: EventRow, world: World, charts: Mapping[str, str] | None
    ) -> tuple[int, float] | None:
        """Make a checkpoint where one is due; returns the newest. From it decisions are made again by the charts that
        the world names: so there is none where the agent decides by others, as until it has read its configuration.
        """
        seq, steady = self._checkpoint or (0, row.steady)
        due = row.seq - seq >= checkpoints.EVERY or (row.seq > seq and row.steady - steady >= checkpoints.LONGEST)
        if not due or not charts or charts != world.charts:
            return seq, steady
        checkpoints.write_checkpoint(connection, row, world)
        return row.seq, row.steady

    def _tidy(self, at: Timestamp) -> None:
        """Do the next step of removing what is no longer to be kept; where nothing is, look again some rounds later.

        Raises StoreError.
        """
        self._untidied += 1
        if self._untidied < TIDY_AFTER:
            return
        try:
            step = retention.find_step(self._connection, at, self.limits)
        except sqlite3.Error as error:
            raise store_error(error, doing="look for what is to be removed", path=self.path) from error
        if step is None:
            self._untidied = 0
            return
        self._require_references(False)  # rows that stay name events that go
        try:
            with self._unsynced("remove what is too old"):
                step()
        finally:
            self._in_order = self._in_order and self._require_references(True)

    def _require_references(self, on: bool) -> bool:
        """Check the references between tables, or do not; whether that was done."""
        with suppress(sqlite3.Error):
            self._connection.execute(f"PRAGMA foreign_keys = {'ON' if on else 'OFF'}")
            return bool(self._connection.execute("PRAGMA foreign_keys").fetchone()[0]) is on
        return False

    def _require_order(self) -> None:
        if not self._in_order:
            raise CommitError(
                f"{self.path} must be opened again: whether its last transaction is durable is unknown",
                hint="The agent retries automatically. Until then nothing is restarted",
            )

    @contextmanager
    def _deciding(self, doing: str) -> Iterator[sqlite3.Connection]:
        """A transaction that is durable when the block is left."""
        self._require_order()
        connection = self._connection
        self._in_order = False  # until the disk has answered, nobody knows
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
            self._in_order = self._suspect = True
            self._uncopied += 1
        except (sqlite3.IntegrityError, InvariantError, ValueError, OverflowError) as error:
            self._in_order = self._roll_back()
            raise InvariantError(f"cannot {doing} in {self.path}: {error}") from error
        except sqlite3.Error as error:
            self._suspect = self._suspect or is_damage(error)
            raise commit_error(error, doing=doing, path=self.path) from error
        finally:
            self._roll_back()

    @contextmanager
    def _unsynced(self, doing: str) -> Iterator[sqlite3.Connection]:
        """A transaction that is safe against a crash of the agent, and durable with the next deciding one."""
        self._require_order()
        connection = self._connection
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
            self._uncopied += 1
        except sqlite3.Error as error:
            raise store_error(error, doing=doing, path=self.path) from error
        except ValueError as error:
            raise InvariantError(f"cannot {doing} in {self.path}: {error}") from error
        finally:
            self._in_order = self._roll_back() and self._restore_full_sync()

    def _roll_back(self) -> bool:
        """End what transaction there is; whether none is open now."""
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        return not self._connection.in_transaction

    def _restore_full_sync(self) -> bool:
        with suppress(sqlite3.Error, StoreError):  # then the next commit is refused, and the journal opened again
            require_full_sync(self._connection, self.path)
            return True
        return False

    def _fetch(self, sql: str, *parameters: str, doing: str) -> tuple[Any, ...] | None:
        self._require_order()
        try:
            row: tuple[Any, ...] | None = self._connection.execute(sql, parameters).fetchone()
            return row
        except sqlite3.Error as error:
            raise store_error(error, doing=doing, path=self.path) from error

    def _copy_log(self) -> None:
        """Copy the log into the database, as far as no reader is in the way, and wait for nobody. Raises StoreError."""
        try:
            _, written, copied = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            raise store_error(error, doing="copy the log into the database", path=self.path) from error
        if copied == written:  # if not, the next round tries again
            self._uncopied = 0
