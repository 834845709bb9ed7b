"""The journal decided again, by the very charts that decided it then."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Any

from ..charts.chart import Chart, chart_from_data
from ..charts.chart_checks import find_unknown_names
from ..core.engine import Engine
from ..core.stored_names import renew_chart
from ..core.world import World
from ..errors import ConnmonError, Divergence, NothingRecorded, StoreError
from ..explain.replay import Difference, first_difference, refold
from ..loading.charts import VOCABULARIES
from ..presence import find_agent
from ..store.checkpoints import Mark, Segments
from ..store.foreign_logs import is_log_foreign
from ..store.layout import log_of
from ..store.ledger import Ledger, Rows
from ..store.reading import Reader
from ..store.records import Recorded
from .kept import document_mark

# Looks at a file that an agent goes on writing, until two of its parts are of the same instant.
LOOKS = 10

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of deciding ``events`` events again.

    ``broken`` is the first event that is not as it was written (None: the chain of hashes stands), ``difference`` the
    first that is decided otherwise now (None: none is). ``kept_after`` is the checkpoint at which the journal begins
    (None: with its first event).
    """

    events: int
    broken: int | None = None
    difference: Difference | None = None
    kept_after: Mark | None = None

    @property
    def succeeded(self) -> bool:
        """Whether all is as it was recorded."""
        return self.broken is None and self.difference is None

    def as_document(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {
            "schema": SCHEMA,
            "events": self.events,
            "broken": self.broken,
            "difference": None if self.difference is None else asdict(self.difference),
            "kept_after": document_mark(self.kept_after),
        }

    def raise_if_failed(self) -> None:
        """Raise Divergence, naming the event."""
        if self.broken is not None:
            raise Divergence(
                f"event {self.broken} is not as it was written: its hash does not fit",
                hint="Trust nothing from this event on; compare with a copy of the state file",
            )
        if self.difference is not None:
            there = self.difference
            raise Divergence(
                f"event {there.seq} is decided otherwise now: {there.what}\n"
                f"  recorded: {there.recorded}\n  now:      {there.replayed}",
                hint=f"Run `connmon-agent explain {there.seq}` to see all that is recorded of event {there.seq}",
            )


def verify_journal(reader: Reader) -> Verification:
    """Check the chain of hashes, then decide every event again. Raises StoreError, ConnmonError: it cannot be done."""
    if find_agent(reader.path.parent) is None and is_log_foreign(reader.path):
        raise Divergence(
            f"{log_of(reader.path).name} is the log of another state file",
            hint="Put the database and the log of the same copy together",
        )
    for _ in range(LOOKS):
        segments = reader.segments()
        try:
            verification = _verify(reader, segments)
        except ConnmonError:
            if reader.segments().kept_after == segments.kept_after:
                raise
            continue  # an agent has removed the oldest events meanwhile
        if verification.succeeded:
            _check_charts(reader)
            _check_rounds(reader)
        if verification.succeeded or reader.segments().kept_after == segments.kept_after:
            return verification
    raise _too_fast()


def _verify(reader: Reader, segments: Segments) -> Verification:
    broken = reader.verify_chain()
    newest, world, kept = _look(reader)
    events = newest - segments.kept_after
    if broken is not None:
        return Verification(events, broken=broken)
    if not newest:
        raise NothingRecorded(
            f"no event is recorded in {reader.path}: nothing can be verified", hint="Start the agent first"
        )
    if isinstance(world, StoreError):
        return Verification(events, difference=Difference(newest, "the world after it", str(world), "it can be read"))
    difference = _decide_again(reader, segments, newest, world, kept)
    return Verification(events, difference=difference, kept_after=segments.start)


def _check_charts(reader: Reader) -> None:
    """Hold every chart against its hash: also one that nothing decided by, and a hash that only an index has right.

    Raises Divergence, StoreError.
    """
    for sha256, text in reader.kept_charts():
        if hashlib.sha256(text.encode(errors="replace")).hexdigest() != sha256:
            raise Divergence(
                f"the chart that is kept as {sha256[:12]} is not as it was written: its hash does not fit",
                hint="Every decision was verified without it; compare with a copy of the state file",
            )


def _check_rounds(reader: Reader) -> None:
    """Read the whole round log, which is no part of the chain. Raises Divergence, StoreError."""
    damage = reader.verify_rounds()
    if damage is not None:
        raise Divergence(
            f"the round log is not as it was written: {damage}",
            hint="No decision rests on it; compare with a copy of the state file",
        )


def _decide_again(reader: Reader, segments: Segments, newest: int, world: World, kept: Rows) -> Difference | None:
    """The first event that is decided otherwise now, or whose traces in the other tables are others."""
    begun = None if segments.start is None else reader.checkpoint(segments.start)
    rows = takewhile(lambda row: row.seq <= newest, reader.recorded(after_seq=segments.kept_after, segments=segments))
    marks = {mark.seq: mark for mark in segments.marks}
    with closing(Ledger(begun, segments.kept_after)) as ledger:
        try:
            difference = first_difference(
                rows,
                store=world.store,
                engine_for=EngineShelf(reader).take,
                start=None if begun is None else begun.world,
                final=world,
                kept=lambda seq: reader.checkpoint(marks[seq]).world if seq in marks else None,
                follow=ledger.add,
            )
        except KeyError as error:
            raise _undecidable(error) from error
        mismatch = None if difference is not None else ledger.find_mismatch(kept)
    if mismatch is None:
        return difference
    return Difference(mismatch.seq or newest, f"its row in {mismatch.table}", mismatch.kept, mismatch.made)


def refold_journal(
    reader: Reader, rows: Iterable[Recorded], start: World | None = None
) -> Iterator[tuple[Recorded, World]]:
    """Each of ``rows`` with the world after it. ``start`` is the world before the first of them; None: they begin with
    the first event of all. Raises ConnmonError.
    """
    world = reader.world()
    if world is None:
        return
    try:
        yield from refold(rows, store=world.store, engine_for=EngineShelf(reader).take, start=start)
    except KeyError as error:
        raise _undecidable(error) from error


class EngineShelf:
    """Engines by the charts that were in force, as the state file keeps their text."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def take(self, charts: Mapping[str, str]) -> Engine:
        """The engine for the charts with these hashes. Raises ConnmonError: one is not kept, or not understood."""
        return Engine(self.read_charts(charts), fast=True)

    def read_charts(self, charts: Mapping[str, str]) -> dict[str, Chart]:
        """The charts with these hashes. Raises ConnmonError: one is not kept, or not understood."""
        return {name: self._read_chart(name, sha256) for name, sha256 in charts.items()}

    def _read_chart(self, name: str, sha256: str) -> Chart:
        try:
            text = self._reader.chart_text(sha256)
        except StoreError:
            text = ""  # it is there, and it is no text any more
        if text is None:
            raise ConnmonError(f"the chart {name} {sha256[:12]} that decided is not kept in {self._reader.path}")
        if hashlib.sha256(text.encode()).hexdigest() != sha256:
            raise Divergence(
                f"the chart {name} {sha256[:12]} that decided is not as it was written: its hash does not fit",
                hint="Decisions by this chart cannot be verified; compare with a copy of the state file",
            )
        chart = chart_from_data(renew_chart(json.loads(text)))
        mistakes = find_unknown_names(chart, VOCABULARIES[name])
        if mistakes:
            raise ConnmonError(
                f"the chart {name} {sha256[:12]} that decided is not understood: {mistakes[0].message}",
                hint="Use the version of connmon-agent that wrote it",
            )
        return chart


def _look(reader: Reader) -> tuple[int, World | StoreError, Rows]:
    """The newest event's number, the world after it or why it cannot be read, and the rows that follow from events."""
    for _ in range(LOOKS):
        newest, kept = reader.newest(), reader.derived_rows()
        try:
            world: World | StoreError = reader.recorded_world() or StoreError("it is missing")
            if isinstance(world, World) and not reader.world_is_as_written(world):
                world = StoreError("it has a key that no agent writes")
        except StoreError as error:
            world = error
        if reader.newest() == newest:
            return newest, world, kept
    raise _too_fast()


def _too_fast() -> ConnmonError:
    return ConnmonError("the agent writes faster than its journal can be read", hint="Try again, or read a copy")


def _undecidable(error: KeyError) -> ConnmonError:
    return ConnmonError(f"the journal cannot be decided again: {error.args[0]}")
