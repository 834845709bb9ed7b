"""What is recorded, in the order in which it happened: the events, and between them the rounds of the round log.

Beside each stands the world of the agent that recorded it, so that whoever decides otherwise knows where he does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple, Protocol

from msgspec import UNSET

from ..core.engine import Engine
from ..core.events import AgentStarted, Configured, Event, MonitoringGapEnded, RoundFinished
from ..core.link.causes import LAYERS
from ..core.link.monitoring_gaps import GAP_AFTER, SILENT_ROUNDS
from ..core.link.round_counts import apply_counts
from ..core.observations import ProbeResult
from ..core.timestamps import Timestamp
from ..core.unworded import Decided
from ..core.world import Link, World
from .followers import Follower, Standing

LONGEST_RUN = 400  # rounds; a run is looked into as a whole, or passed over as a whole
_COUNTED = ("good", "bad", "inconclusive", "flapping", "confirmed", "cause")

EngineFor = Callable[[Mapping[str, str]], Engine]  # gives the engine for the charts with these hashes


class RecordedStep(Decided, Protocol):
    """A committed event and the step it caused, as the journal holds them."""

    @property
    def seq(self) -> int: ...
    @property
    def event(self) -> Event: ...


class RecordedRound(Protocol):
    """One round of the round log."""

    @property
    def at(self) -> Timestamp: ...
    @property
    def results(self) -> tuple[ProbeResult, ...]: ...


class LoggedRound(NamedTuple):
    """A round that is no event. ``quiet``: it asked one target alone, and the recording agent decided nothing on it.

    ``pattern`` numbers its results; ``standing`` is how far the recording agent's verdict was after it.
    """

    at: Timestamp
    results: tuple[ProbeResult, ...]
    pattern: int
    quiet: bool
    standing: Standing


@dataclass(frozen=True, slots=True)
class Run:
    """Rounds between two events. ``state`` is the link's in the record while they came, ``whole`` the newest one of all
    targets (None: all are quiet).
    """

    rounds: Sequence[LoggedRound]
    patterns: frozenset[int]
    state: str
    whole: LoggedRound | None


@dataclass(frozen=True, slots=True)
class EventMoment:
    """An event of the record.

    ``derived`` is the link before it as the round log makes it, ``before`` the world that it was decided on, ``after``
    the world after it, ``standing`` of that one. ``covered``: the round log knows all rounds since the event before.
    """

    row: RecordedStep
    derived: Link
    before: World
    after: World
    covered: bool
    standing: Standing

    @property
    def event(self) -> Event:
        """What happened."""
        return self.row.event


Moment = Run | EventMoment


class Recording:
    """All that is recorded, read once. ``start`` is the world before the first event.

    After it was read, ``last`` is the newest instant, ``rounds`` how many rounds the log holds, and ``rounds_from`` the
    oldest of them (None: there is none).
    """

    def __init__(
        self,
        rows: Iterable[RecordedStep],
        blocks: Iterable[Sequence[RecordedRound]],
        *,
        start: World,
        engine_for: EngineFor,
    ) -> None:
        self._rows = iter(rows)
        self._ahead: deque[RecordedStep] = deque()
        self._blocks = blocks
        self._engine_for = engine_for
        self._charts: Mapping[str, str] = start.charts
        self._follower = Follower(start, engine_for(start.charts) if start.charts else _NoEngine())
        self._recorded = start
        self._seen: Timestamp | None = None  # the newest round or event
        self._numbers: dict[int, int] = {}
        self._held: list[tuple[ProbeResult, ...]] = []  # what is numbered must stay, or its id may come again
        self._full: frozenset[str] = frozenset()
        self._run: list[LoggedRound] = []
        self._lost = False  # rounds since the last event are known to be missing
        self.first: Timestamp | None = None
        self.last = Timestamp(0.0, 0.0)
        self.rounds = 0
        self.rounds_from: Timestamp | None = None

    @property
    def world(self) -> World:
        """The recording agent's world as far as was read."""
        return self._follower.world

    def moments(self) -> Iterator[Moment]:
        """Everything, oldest first."""
        for block in self._blocks:
            for one in block:
                yield from self._take_round(one)
            yield from self._end_run()
        while self._peek() is not None:
            yield self._take_event()

    def _peek(self, before: float = inf) -> RecordedStep | None:
        """The next event, where it was before that steady time, in milliseconds."""
        if not self._ahead and (row := next(self._rows, None)) is not None:
            self._ahead.append(row)
        return self._ahead[0] if self._ahead and _milliseconds(self._ahead[0].event.at) < before else None

    def _find_event(self, now: int) -> int:
        """How many events there are up to the round that ended then, that one included; 0: it is none of them.

        Others may have come in the same millisecond: those before it precede it, and others follow it.
        """
        self._peek()
        while self._ahead and _milliseconds(self._ahead[-1].event.at) <= now:
            row = next(self._rows, None)
            if row is None:
                break
            self._ahead.append(row)
        for number, row in enumerate(self._ahead, 1):
            if isinstance(row.event, RoundFinished) and _milliseconds(row.event.at) == now:
                return number
        return 0

    def number_of(self, results: tuple[ProbeResult, ...]) -> int:
        """The number of the pattern of results that are one object wherever they are alike."""
        number = self._numbers.get(id(results))
        if number is None:
            number = self._numbers[id(results)] = len(self._held)
            self._held.append(results)
        return number

    def _take_round(self, one: RecordedRound) -> Iterator[Moment]:
        number = _milliseconds(one.at)
        while self._peek(number) is not None:
            yield from self._end_run()
            yield self._take_event()
        due = self._find_event(number)
        for _ in range(due):
            yield from self._end_run()
            yield self._take_event()
        same = due > 0
        self.rounds += 1
        self.rounds_from = self.rounds_from or one.at
        self._note_time(one.at)
        if not same and self._charts:
            yield from self._add(one.at, one.results)

    def _add(self, at: Timestamp, results: tuple[ProbeResult, ...]) -> Iterator[Moment]:
        number, follower = self.number_of(results), self._follower
        asked = _names_of(results)
        quiet = asked < self._full and all(one.ok for one in results)
        before = follower.state
        if not quiet:
            self._full = asked
            if follower.take_round(at, results, number) is not None:
                self._lost = True  # the agent decided otherwise: it did not see this round, or saw others
        if follower.state != before or len(self._run) >= LONGEST_RUN:
            yield from self._end_run()
        self._run.append(LoggedRound(at, results, number, quiet, follower.standing(at.steady)))

    def _end_run(self) -> Iterator[Run]:
        if self._run:
            whole = [one for one in self._run if not one.quiet]
            patterns = frozenset(one.pattern for one in whole)
            yield Run(tuple(self._run), patterns, self._run[-1].standing.state, whole[-1] if whole else None)
            self._run = []

    def _take_event(self) -> EventMoment:
        row, follower = self._ahead.popleft(), self._follower
        event = row.event
        if isinstance(event, AgentStarted | Configured):
            self._full = frozenset()
            if event.charts and event.charts != self._charts:
                self._charts = event.charts
                follower.use(self._engine_for(event.charts))
        derived = follower.world.link
        covered = self.rounds_from is not None and not self._lost and _agree(derived, event) and self._is_near(event)
        before = self._restore(event)
        follower.put(before)
        step = follower.step(event)
        self._recorded = step.world
        if isinstance(event, RoundFinished):
            self._full = _names_of(event.results)
        self._lost = False
        self._note_time(event.at)
        return EventMoment(row, derived, before, step.world, covered, follower.standing(event.at.steady))

    def _restore(self, event: Event) -> World:
        """The world that the event was decided on: as recorded with the event before, and what it says was counted."""
        return apply_counts(self._recorded, event.counts)

    def _is_near(self, event: Event) -> bool:
        """Whether the round log goes on up to the event, where the agent was watching until then."""
        if isinstance(event, AgentStarted | MonitoringGapEnded) or self._seen is None:
            return True
        pause = self._follower.standing(event.at.steady).wanted
        return event.at.steady - self._seen.steady <= max(GAP_AFTER, SILENT_ROUNDS * pause)

    def _note_time(self, at: Timestamp) -> None:
        self.first = self.first or at
        self.last = max(self.last, at)
        self._seen = at


class _NoEngine(Engine):
    """Before the first start of an agent there are no charts to decide by."""

    def __init__(self) -> None:
        super().__init__({})


def _milliseconds(at: Timestamp) -> int:
    """As the round log keeps times."""
    return round(at.steady * 1000)


def _names_of(results: Sequence[ProbeResult]) -> frozenset[str]:
    return frozenset(one.name for one in results if one.kind in LAYERS)


def _agree(derived: Link, event: Event) -> bool:
    """Whether the round log counts what the event says was counted, but for words and for parts of a millisecond."""
    counts = event.counts
    if counts is UNSET:
        return True
    told = {name: getattr(counts, name) for name in _COUNTED}
    return all(one is UNSET or one == getattr(derived, name) for name, one in told.items())
