"""``replay --what-if``, ``--sweep`` and ``--inject``: questions to the journal, none of which changes anything."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from pathlib import Path

from ..core.link.causes import LAYERS
from ..core.plan import Plan
from ..core.world import World
from ..errors import ConnmonError, Divergence, NothingRecorded
from ..loading.overrides import Overrides, apply_overrides, check_overrides, value_in
from ..store.reading import Reader
from ..store.records import Recorded
from ..what_if.clusters import Experience, Model
from ..what_if.comparisons import Comparison, compare
from ..what_if.recordings import Recording
from ..what_if.sweeps import Outcome, sweep
from .decisions import EngineShelf

PROCESSES = 2  # that a sweep takes; more would share the machine with the agent
SMALL = 20_000  # events and rounds, times combinations: so few are not worth another process


@dataclass(frozen=True)
class Record:
    """The journal and the round log of a state file, to be read once. ``start`` is the world before its first event."""

    reader: Reader
    start: World
    newest: int
    kept_after: int

    @classmethod
    def of(cls, reader: Reader) -> Record:
        """What the file holds now. Raises NothingRecorded, StoreError."""
        world, segments, newest = reader.world(), reader.segments(), reader.newest()
        if world is None or not newest:
            raise NothingRecorded(f"no event is recorded in {reader.path}", hint="Start the agent first")
        start = World(store=world.store) if segments.start is None else reader.checkpoint(segments.start).world
        return cls(reader, start, newest, segments.kept_after)

    def rows(self) -> Iterator[Recorded]:
        """The events, oldest first."""
        rows = self.reader.recorded(after_seq=self.kept_after)
        return takewhile(lambda row: row.seq <= self.newest, rows)

    def recording(self) -> Recording:
        """Events and rounds in one order."""
        shelf = EngineShelf(self.reader)
        return Recording(self.rows(), self.reader.round_patterns(), start=self.start, engine_for=shelf.take)

    @property
    def plan(self) -> Plan:
        """The newest settings."""
        world = self.reader.world()
        return self.start.plan if world is None else world.plan

    @property
    def targets(self) -> int:
        """How many targets had a vote in the newest round of all; 0: not known."""
        latest = self.reader.latest_round()
        return 0 if latest is None else sum(one.kind in LAYERS for one in latest.results)


class Change:
    """Makes the same change to every plan of the record, and remembers whether it was one."""

    def __init__(self, overrides: Overrides) -> None:
        self._overrides = overrides
        self.changed = False

    def __call__(self, plan: Plan) -> Plan:
        found = apply_overrides(plan, self._overrides)
        self.changed = self.changed or found != plan
        return found


def ask(reader: Reader, overrides: Overrides, model: Model) -> Comparison:
    """What would have been with those settings. Raises ConnmonError; Divergence where nothing is changed, and
    something is decided otherwise all the same.
    """
    record = Record.of(reader)
    check_overrides(record.plan, overrides, option="--what-if", targets=record.targets)
    change = Change(overrides)
    shelf = EngineShelf(reader)
    experience = Experience.of(record.rows())
    with _told():
        comparison = compare(
            record.recording(), record.start, change=change, engine_for=shelf.take, experience=experience, model=model
        )
    if not change.changed and comparison.unlike:
        seq = comparison.unlike[0]
        raise Divergence(
            f"event {seq} is decided otherwise with the settings that were recorded",
            hint=f"Run `connmon-agent replay --verify`, and `connmon-agent explain {seq}`",
        )
    return comparison


def tell_settings(plan: Plan, overrides: Overrides) -> list[tuple[str, str, str]]:
    """Each setting with its value in ``plan`` and the one that is asked about."""
    return [(one.key, value_in(plan, one.key), one.text) for one in overrides]


def find_current(plan: Plan, combinations: Sequence[Overrides]) -> int | None:
    """The number of the combination that is in force; None: none is."""
    return next((number for number, one in enumerate(combinations) if apply_overrides(plan, one) == plan), None)


def run_sweep(
    reader: Reader, combinations: Sequence[Overrides], model: Model, processes: int
) -> tuple[list[Outcome], Record]:
    """What each combination would have come to, in their order, and the record. Raises ConnmonError."""
    record = Record.of(reader)
    for one in combinations:
        check_overrides(record.plan, one, option="--sweep", targets=record.targets)
    numbered = list(enumerate(combinations))
    count = min(max(1, processes), len(numbered), os.cpu_count() or 1)
    size = record.newest - record.kept_after + 200 * len(numbered)
    if count == 1 or size * len(numbered) < SMALL:
        return sweep_part(reader.path, numbered, model), record
    return _sweep_in_processes(record, numbered, model, count), record


def _sweep_in_processes(
    record: Record, numbered: Sequence[tuple[int, Overrides]], model: Model, count: int
) -> list[Outcome]:
    # Only a sweep needs processes.
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import active_children, get_context

    parts = [numbered[first::count] for first in range(count)]
    work = partial(sweep_part, record.reader.path, model=model, newest=record.newest)
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_leave_interrupts)
    try:
        found = list(pool.map(work, parts))
    except BrokenProcessPool as error:
        hint = "Check the free memory, or run it with --processes 1"
        raise ConnmonError("a process of the sweep was ended by the system", hint=hint) from error
    finally:
        for child in active_children():  # who interrupts it does not wait for them
            child.terminate()
        pool.shutdown(cancel_futures=True)
    return sorted((one for part in found for one in part), key=lambda one: one.number)


def _leave_interrupts() -> None:
    """Ctrl-C is for the parent, which ends its children."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def sweep_part(
    path: Path, numbered: Sequence[tuple[int, Overrides]], model: Model, newest: int | None = None
) -> list[Outcome]:
    """Some of the combinations, by one process, up to the event ``newest`` (None: the newest one)."""
    with Reader(path) as reader, _told():
        record = Record.of(reader)
        record = record if newest is None else replace(record, newest=newest)
        shelf = EngineShelf(reader)
        experience = Experience.of(record.rows())
        changes: list[tuple[int, Callable[[Plan], Plan]]] = [
            (number, partial(_apply, overrides)) for number, overrides in numbered
        ]
        return sweep(
            record.recording(), record.start, changes, engine_for=shelf.take, experience=experience, model=model
        )


def _apply(overrides: Overrides, plan: Plan) -> Plan:
    return apply_overrides(plan, overrides)


@contextmanager
def _told() -> Iterator[None]:
    """Within, a journal that begins with no start of an agent is told as such."""
    try:
        yield
    except KeyError as error:
        raise ConnmonError(f"the journal cannot be decided again: {error.args[0]}") from error
