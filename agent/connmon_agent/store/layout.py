"""What the writer and the readers of the state file must agree on."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from ..core.effects import Effect, Listen, Restart
from ..core.events import Event
from ..core.link.round_counts import RoundCounts
from ..core.observations import InternalErrors, LineUsage, LogLoss, MeasuredQuality, ProbeResult, Traffic
from ..core.steps import Resolution, Step, Transition
from ..core.stored_names import chart_name
from ..core.world import Forward, World
from ..errors import StoreError
from .json_text import JsonText

APPLICATION_ID = 0x434E4D4E  # "CNMN", by which everybody knows the database
SCHEMA_VERSION = 7  # the number of migrations; in the file: PRAGMA user_version
GENESIS = "0" * 64  # stands where the first event has no hash before it


class StepBody(Struct, frozen=True):
    """A step as an event's row keeps it: all but the world. ``charts``: SHA-256 of the charts that took transitions."""

    transitions: tuple[Transition, ...] = ()
    effects: tuple[Effect, ...] = ()
    resolutions: tuple[Resolution, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    refusal: str | None = None
    charts: Mapping[str, str] = field(default_factory=dict)
    listens: tuple[Listen, ...] = ()

    @classmethod
    def of(cls, step: Step) -> StepBody:
        """What is kept of ``step``."""
        taken = {transition.chart for transition in step.transitions}
        charts = {name: sha256 for name, sha256 in step.world.charts.items() if name in taken}
        return cls(step.transitions, step.effects, step.resolutions, step.notes, step.refusal, charts, step.listens)


def read_step(text: str) -> StepBody:
    """The step that ``text`` stands for, with today's names in its transitions. Raises ValueError."""
    step = STEPS.from_text(text)
    renewed = tuple(map(_renew, step.transitions))
    return step if renewed == step.transitions else replace(step, transitions=renewed)


def _renew(transition: Transition) -> Transition:
    return replace(
        transition,
        trigger=chart_name(transition.trigger),
        guards=tuple((chart_name(name), answer) for name, answer in transition.guards),
        actions=tuple(map(chart_name, transition.actions)),
    )


WORLDS: JsonText[World] = JsonText(World)
EVENTS: JsonText[Event] = JsonText(Event)
STEPS: JsonText[StepBody] = JsonText(StepBody)
FORWARDS: JsonText[Forward] = JsonText(Forward)
TRAFFIC: JsonText[tuple[Traffic, ...]] = JsonText(tuple[Traffic, ...])
RESTARTS: JsonText[Restart] = JsonText(Restart)
RESULTS: JsonText[tuple[ProbeResult, ...]] = JsonText(tuple[ProbeResult, ...])
QUALITIES: JsonText[MeasuredQuality | None] = JsonText(MeasuredQuality | None)
USAGES: JsonText[LineUsage | None] = JsonText(LineUsage | None)

INTERNAL_ERRORS: JsonText[InternalErrors] = JsonText(InternalErrors)
LOG_LOSSES: JsonText[LogLoss] = JsonText(LogLoss)

UNVERIFIED = "unverified_api"  # the key in ``meta`` of the API server whose certificate is not verified; empty: none
ERRORS = "internal_errors"  # the key in the table ``meta`` of what failed in the agent that wrote last
LOG_LOSS = "log_loss"  # the key in the table ``meta`` of the lines that the log of the agent that wrote last lost
COUNTS = "counts"  # of what rounds have changed in the link since the newest event, and after which event that was
QUALITY = "quality"  # the key in the table ``meta`` of the quality up to the newest round
USAGE = "line_usage"  # of what the rounds took on the line up to it


class CountsSince(Struct, frozen=True):
    """What rounds have changed in the link since event ``seq``; it is void once another event has followed."""

    seq: int
    counts: RoundCounts


COUNTS_SINCE: JsonText[CountsSince] = JsonText(CountsSince)


class EventRow(NamedTuple):
    """One row of the table ``event``: its columns, in their order."""

    seq: int
    steady: float
    wall: float
    boottime: float
    boot_id: str
    kind: str
    outage: int | None
    body: str
    step: str
    previous: str
    hash: str

    def expected_hash(self) -> str:
        """The SHA-256 that this row's content and the hash before it call for."""
        # JSON holds no raw newline and the boot id is one line: no two rows have the same text.
        return hashlib.sha256("\n".join(map(str, self[:-1])).encode()).hexdigest()


EVENT_COLUMNS = ", ".join(EventRow._fields)


def check_identity(connection: sqlite3.Connection, path: Path) -> int:
    """The schema version of connmon's database, 0 when nothing was ever written. Raises StoreError: it is not ours.

    ``sqlite3.DatabaseError`` passes through: the file is no database, or cannot be read.
    """
    tables: int = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID and tables:
        raise StoreError(f"{path} is a database of another program", hint="Use another state directory")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path} was written by a newer connmon-agent (schema {version}, this one knows {SCHEMA_VERSION})",
            hint="Use the newer version",
        )
    return version if tables else 0


def log_of(path: Path) -> Path:
    """The write-ahead log beside the database ``path``."""
    return path.with_name(path.name + "-wal")


def uri_of(path: PurePath) -> str:
    """The absolute ``path`` as SQLite's URI, without a query.

    SQLite takes no host (https://www.sqlite.org/uri.html, 3.1): a share of Windows has its server in the path.
    """
    uri = path.as_uri()
    return uri if uri.startswith("file:///") else f"file:////{uri.removeprefix('file://')}"


def index_of(path: Path) -> Path:
    """The index of that log, which all who have the database open share."""
    return path.with_name(path.name + "-shm")


def files_of(path: Path) -> tuple[Path, ...]:
    """The database ``path``, its log and its index."""
    return path, log_of(path), index_of(path)


def size_of(path: Path) -> int:
    """The file's size in bytes, 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
