"""Many what-ifs at once: what each setting costs in delay and in needless restarts, and which are worth it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.plan import Plan
from ..core.timestamps import Timestamp
from ..core.world import World
from .clusters import Experience, Model, ModelledCluster
from .comparisons import SHORT, RecordingAgent, Totals, total
from .hypotheses import HypotheticalAgent
from .recordings import EngineFor, Recording
from .tallies import Tally

ALLOWANCE = 1.0  # seconds that the suggested setting may detect later


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one combination, by its number, comes to. ``bounded`` outages rest on rounds that were assumed; ``missed``
    are recorded ones of ``SHORT`` or longer that it would not have noticed.
    """

    number: int
    totals: Totals
    bounded: int
    missed: int


def sweep(
    recording: Recording,
    start: World,
    changes: Sequence[tuple[int, Callable[[Plan], Plan]]],
    *,
    engine_for: EngineFor,
    experience: Experience,
    model: Model,
) -> list[Outcome]:
    """Read the record once, with one agent for each of ``changes``, which are numbered."""
    agents = [
        HypotheticalAgent(
            start, change=change, engine_for=engine_for, cluster=ModelledCluster(experience, model), paced=True
        )
        for _, change in changes
    ]
    recorded = RecordingAgent()
    for moment in recording.moments():
        recorded.take(moment)
        for agent in agents:
            agent.take(moment)
    pairs = zip(changes, agents, strict=True)
    return [_count(number, agent, recorded.tally, recording.last) for (number, _), agent in pairs]


def _count(number: int, agent: HypotheticalAgent, recorded: Tally, last: Timestamp) -> Outcome:
    agent.finish(last)
    ours = agent.tally.outages
    bounded = sum(agent.assumed.touches(one.started.steady, (one.back or last).steady) for one in ours)
    long = [one for one in recorded.outages if one.watched and one.lasted(last) >= SHORT]
    missed = sum(not any(one.overlaps(other, last) for other in ours) for one in long)
    return Outcome(number, total(agent.tally, last), bounded, missed)


def cost_of(outcome: Outcome) -> tuple[float, float]:
    """What is weighed: the median detection delay in seconds, and the needless restarts.

    Who detects nothing has no delay, and needs none: there is then nothing to be late for.
    """
    return outcome.totals.delay or 0.0, float(outcome.totals.needless)


def find_best(outcomes: Sequence[Outcome]) -> frozenset[int]:
    """The numbers of the outcomes that no other one beats in delay and needless restarts both (Pareto).

    One that misses more long outages than another is none of them.
    """
    fewest = min((one.missed for one in outcomes), default=0)
    able = [one for one in outcomes if one.missed == fewest]
    return frozenset(one.number for one in able if not any(_beats(other, one) for other in able))


def suggest(outcomes: Sequence[Outcome], current: int | None) -> int | None:
    """The number of the combination to try: the fewest needless restarts among the best that detect an outage at most
    ``ALLOWANCE`` later than the current setting does. None: that is the current one, or it is not known.
    """
    now = next((one for one in outcomes if one.number == current), None)
    if now is None:
        return None
    best = find_best(outcomes)
    able = [one for one in outcomes if one.number in best and cost_of(one)[0] <= cost_of(now)[0] + ALLOWANCE]
    found = min(able, key=lambda one: (cost_of(one)[1], cost_of(one)[0], one.number), default=now)
    return None if found.totals.needless >= now.totals.needless else found.number


def _beats(one: Outcome, other: Outcome) -> bool:
    mine, theirs = cost_of(one), cost_of(other)
    return mine[0] <= theirs[0] and mine[1] <= theirs[1] and mine != theirs
