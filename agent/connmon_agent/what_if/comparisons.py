"""The answer to a what-if: two agents on the same record, outage by outage, with how far the record bears it out.

The other agent is let live through the record twice: with the rounds as they came, and with rounds at its own pace,
where the link is taken to be as it was last seen until it is seen again. What both lives agree on, and for which no
round had to be assumed, is exact. Where both agree that there is an outage, but not when, the truth lies between them.
Where only one of them has it, the record does not tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..core.link.quiet_rounds import LONGEST_PAUSE
from ..core.plan import Plan
from ..core.steps import Step
from ..core.timestamps import Timestamp
from ..core.world import World
from .clusters import Experience, Model, ModelledCluster
from .differences import Difference
from .hypotheses import HypotheticalAgent
from .recordings import EngineFor, Moment, Recording, Run
from .tallies import OutageSeen, Tally

SHORT = 30.0  # seconds; an outage that is over by itself so soon needs no restart
SAME_TIME = 0.0015  # seconds within which two times are the same: the round log keeps milliseconds


class Exactness(StrEnum):
    """How far the record bears an answer out."""

    EXACT = "exact"
    BOUNDED = "bounded"
    UNKNOWN = "unknown"


class Fate(StrEnum):
    """What becomes of an outage."""

    SAME = "same"
    CHANGED = "changed"
    GONE = "gone"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Totals:
    """What one agent comes to. Times in seconds; ``delay`` is the median detection delay (None: no outage was
    detected).

    ``short`` outages were over within ``SHORT``. A restart was ``needless`` where every replica of the service was
    available when it was decided.
    """

    outages: int
    short: int
    delay: float | None
    outage_seconds: float
    gap_seconds: float
    restarts: int
    needless: int
    gave_up: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of one outage. ``recorded`` None: there was none; ``what_if`` None: there would be none.

    ``exactness`` is of whether there is an outage and when it is detected, ``end`` of when the link is back. ``delay``
    is how long its detection takes at least and at most, from its first bad round (None: nothing was detected). A
    ``hypothetical`` one comes after the first restart that differs: its restarts rest on the model.
    """

    fate: Fate
    exactness: Exactness
    end: Exactness
    recorded: OutageSeen | None
    what_if: OutageSeen | None
    delay: tuple[float, float] | None
    recorded_restarts: int
    restarts: int
    hypothetical: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole answer. ``unlike`` are the events that are decided otherwise, ``covered_from`` since when every round
    is known (None: none is).
    """

    first: Timestamp
    last: Timestamp
    covered_from: Timestamp | None
    rounds: int
    events: int
    unlike: Sequence[int]
    first_difference: Difference | None
    recorded: Totals
    what_if: Totals
    answers: Sequence[Answer]


class RecordingAgent:
    """The agent that recorded, as it is counted."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.events = 0

    def take(self, moment: Moment) -> None:
        """Take what is recorded next."""
        if isinstance(moment, Run):
            return
        row = moment.row
        self.events += 1
        step = Step(moment.after, row.transitions, row.effects)
        self.tally.note(moment.before, moment.event, step)


def compare(
    recording: Recording,
    start: World,
    *,
    change: Callable[[Plan], Plan],
    engine_for: EngineFor,
    experience: Experience,
    model: Model,
) -> Comparison:
    """Read the whole record, and answer what would be with ``change`` made to every plan in it."""
    recorded = RecordingAgent()
    as_came, paced = (
        HypotheticalAgent(
            start, change=change, engine_for=engine_for, cluster=ModelledCluster(experience, model), paced=own_pace
        )
        for own_pace in (False, True)
    )
    for moment in recording.moments():
        for agent in (recorded, as_came, paced):
            agent.take(moment)
    for agent in (as_came, paced):
        agent.finish(recording.last)
    unseen = _find_unseen(recording.world.plan, change)
    answers = _Answers(recorded.tally, as_came, paced, recording.last, unseen).all()
    return Comparison(
        first=recording.first or recording.last,
        last=recording.last,
        covered_from=recording.rounds_from,
        rounds=recording.rounds,
        events=recorded.events,
        unlike=sorted({*as_came.unlike, *paced.unlike}),
        first_difference=paced.first_difference or as_came.first_difference,
        recorded=total(recorded.tally, recording.last),
        what_if=total(paced.tally, recording.last),
        answers=answers,
    )


def _find_unseen(plan: Plan, change: Callable[[Plan], Plan]) -> float:
    """How long an outage may be, in seconds, that falls between two rounds; 0: rounds are no farther apart than they
    were, and find what they found.
    """
    interval = change(plan).link.check_interval
    return interval * LONGEST_PAUSE if interval > plan.link.check_interval else 0.0


def total(tally: Tally, until: Timestamp) -> Totals:
    """The sums of one agent up to ``until``."""
    watched = [one for one in tally.outages if one.watched]
    delays = sorted(one.detected.steady - one.started.steady for one in watched)
    return Totals(
        outages=len(watched),
        short=sum(one.back is not None and one.lasted(until) < SHORT for one in watched),
        delay=delays[(len(delays) - 1) // 2] if delays else None,
        outage_seconds=sum(one.lasted(until) for one in watched),
        gap_seconds=tally.gap,
        restarts=len(tally.restarts),
        needless=sum(one.available for one in tally.restarts),
        gave_up=tally.gave_up,
    )


class _Answers:
    def __init__(
        self,
        recorded: Tally,
        as_came: HypotheticalAgent,
        paced: HypotheticalAgent,
        until: Timestamp,
        unseen: float,
    ) -> None:
        self._recorded, self._as_came, self._paced, self._until = recorded, as_came, paced, until
        self._unseen = unseen

    def all(self) -> list[Answer]:
        """Every outage that there was or would be, in the order of their beginnings."""
        recorded, ours = self._recorded.outages, self._paced.tally.outages
        answers = [self._answer(one) for one in ours]
        answers += [self._answer_gone(one) for one in recorded if self._find(one, ours) is None]
        answers += [self._answer_doubtful(one) for one in self._as_came.tally.outages if self._is_apart(one)]
        return sorted(answers, key=lambda one: (one.recorded or one.what_if or _NOWHERE).started.steady)

    def _find(self, one: OutageSeen, others: Iterable[OutageSeen]) -> OutageSeen | None:
        return next((other for other in others if one.overlaps(other, self._until)), None)

    def _answer(self, mine: OutageSeen) -> Answer:
        theirs = self._find(mine, self._recorded.outages)
        other = self._find(mine, self._as_came.tally.outages)
        begun = mine.started.steady if theirs is None else min(mine.started.steady, theirs.started.steady)
        delays = sorted(one.detected.steady - begun for one in (mine, other) if one is not None)
        return Answer(
            fate=self._fate(theirs, mine),
            exactness=Exactness.UNKNOWN if other is None else self._judge(mine, other, _detection),
            end=Exactness.UNKNOWN if other is None else self._judge_end(theirs, mine, other),
            recorded=theirs,
            what_if=mine,
            delay=(max(0.0, delays[0]), max(0.0, delays[-1])) if mine.watched else None,
            recorded_restarts=0 if theirs is None else _count(self._recorded, theirs),
            restarts=_count(self._paced.tally, mine),
            hypothetical=self._is_hypothetical(mine),
        )

    def _answer_gone(self, theirs: OutageSeen) -> Answer:
        other = self._find(theirs, self._as_came.tally.outages)
        exactness = Exactness.UNKNOWN if other is not None else self._judge(theirs, theirs, self._end)
        return Answer(
            fate=Fate.GONE,
            exactness=exactness,
            end=exactness,
            recorded=theirs,
            what_if=None,
            delay=None,
            recorded_restarts=_count(self._recorded, theirs),
            restarts=0,
            hypothetical=self._is_hypothetical(theirs),
        )

    def _is_apart(self, one: OutageSeen) -> bool:
        """Whether only the life with the rounds as they came has it."""
        return self._find(one, [*self._paced.tally.outages, *self._recorded.outages]) is None

    def _answer_doubtful(self, mine: OutageSeen) -> Answer:
        """There is one if the agent had made the rounds that were recorded, and none at its own pace."""
        delay = max(0.0, mine.detected.steady - mine.started.steady)
        return Answer(
            fate=Fate.NEW,
            exactness=Exactness.UNKNOWN,
            end=Exactness.UNKNOWN,
            recorded=None,
            what_if=mine,
            delay=(delay, delay) if mine.watched else None,
            recorded_restarts=0,
            restarts=_count(self._as_came.tally, mine),
            hypothetical=self._is_hypothetical(mine, self._as_came),
        )

    def _judge(self, mine: OutageSeen, other: OutageSeen, time_of: Callable[[OutageSeen], float]) -> Exactness:
        """Of what both lives have at about the same time."""
        if mine.watched and mine.lasted(self._until) < self._unseen:
            return Exactness.UNKNOWN
        times = time_of(mine), time_of(other)
        since = min(mine.started.steady, other.started.steady)
        assumed = any(one.assumed.touches(since, max(times)) for one in (self._paced, self._as_came))
        apart = self._unseen > 0 or abs(times[0] - times[1]) > SAME_TIME
        return Exactness.BOUNDED if assumed or apart else Exactness.EXACT

    def _judge_end(self, theirs: OutageSeen | None, mine: OutageSeen, other: OutageSeen) -> Exactness:
        """Rounds of an outage come ever more slowly, from its detection on: another one, and all come otherwise."""
        exactness = self._judge(mine, other, self._end)
        if theirs is None or abs(theirs.detected.steady - mine.detected.steady) > SAME_TIME:
            return Exactness.BOUNDED if exactness is Exactness.EXACT else exactness
        return exactness

    def _end(self, one: OutageSeen) -> float:
        return (one.back or self._until).steady

    def _fate(self, theirs: OutageSeen | None, mine: OutageSeen) -> Fate:
        if theirs is None:
            return Fate.NEW
        alike = abs(theirs.detected.steady - mine.detected.steady) <= SAME_TIME and theirs.relapses == mine.relapses
        restarts = _count(self._recorded, theirs) == _count(self._paced.tally, mine)
        back = [None if one.back is None else one.back.steady for one in (theirs, mine)]
        return Fate.SAME if alike and restarts and back[0] == back[1] else Fate.CHANGED

    def _is_hypothetical(self, one: OutageSeen, life: HypotheticalAgent | None = None) -> bool:
        """Whether a restart of it, or one before it, differs from the record. ``life`` None: the paced one's."""
        difference = (life or self._paced).first_difference
        return difference is not None and (one.ended or self._until).steady >= difference.at.steady


def _detection(one: OutageSeen) -> float:
    return one.detected.steady


def _count(tally: Tally, outage: OutageSeen) -> int:
    return sum(one.outage == outage.id for one in tally.restarts)


_NOWHERE = OutageSeen(0, Timestamp(0.0, 0.0), Timestamp(0.0, 0.0), "", by_operator=False)
