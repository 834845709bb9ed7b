"""Replay: decide recorded events again, and hold the result against what was recorded.

Recovery never depends on this: it is for people, and for finding out whether another version would decide otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ..core.engine import Engine
from ..core.events import AgentStarted, Configured, Event
from ..core.steps import Step, Transition
from ..core.unworded import PARTS, Decided, decide_alike, parts_of, without_sentences
from ..core.world import World


class RecordedStep(Decided, Protocol):
    """A committed event and the step it caused, as the journal holds them."""

    @property
    def seq(self) -> int: ...
    @property
    def event(self) -> Event: ...


R = TypeVar("R", bound=RecordedStep)

_NAMING_CHARTS = (AgentStarted, Configured)

# Gives the engine for the charts with these hashes; raises KeyError naming the one that is not kept.
EngineFor = Callable[[Mapping[str, str]], Engine]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a replay first decides otherwise. ``seq`` is the event's number, ``what`` the part of the step."""

    seq: int
    what: str
    recorded: str
    replayed: str


def refold(
    recorded: Iterable[R], *, store: str, engine_for: EngineFor, start: World | None = None
) -> Iterator[tuple[R, World]]:
    """Each event with the world after it. ``store`` is the database's random name.

    ``start`` is the world before the first of them; None: they begin with the first event of all.
    """
    for row, step in _decide_again(recorded, start or World(store=store), engine_for):
        yield row, step.world


def first_difference(
    recorded: Iterable[R],
    *,
    store: str,
    engine_for: EngineFor,
    start: World | None = None,
    final: World | None = None,
    kept: Callable[[int], World | None] = lambda seq: None,
    follow: Callable[[R, Step], None] | None = None,
) -> Difference | None:
    """The first event that is decided otherwise now; None when all are decided as recorded.

    An older version may have worded its reasons otherwise (``core.unworded``); where no reason differs, the final world
    must be the same to the letter.
    ``final`` is the world that the journal keeps; the replayed one must end in it (None: it is not compared).
    ``kept`` gives the world that the journal keeps after the event of that number (None: it keeps none).
    ``follow`` is given each event with the step it causes now. ``start`` as for ``refold``.
    """
    seq, world, reworded = 0, start or World(store=store), False
    for row, step in _decide_again(recorded, world, engine_for):
        if (difference := _compare(row, step)) is not None:
            if not decide_alike(row, step):
                return difference
            reworded = True
        if follow is not None:
            follow(row, step)
        seq, world = row.seq, step.world
        if (there := kept(seq)) is not None and not _is_kept(there, world, reworded):
            return _compare_worlds(seq, "the checkpoint after it", kept=there, made=world)
    if final is not None and not _is_kept(final, world, reworded):
        return _compare_worlds(seq, "the world after it", kept=final, made=world)
    return None


def _compare_worlds(seq: int, what: str, *, kept: World, made: World) -> Difference:
    """The difference of two worlds that should be alike, after event ``seq``."""
    return Difference(seq, what, _tell_unlike(kept, made), _tell_unlike(made, kept))


def _decide_again(recorded: Iterable[R], start: World, engine_for: EngineFor) -> Iterator[tuple[R, Step]]:
    world, charts = start, start.charts
    engine = engine_for(charts) if charts else None
    for row in recorded:
        event = row.event
        if isinstance(event, _NAMING_CHARTS) and event.charts and event.charts != charts:
            engine, charts = engine_for(event.charts), event.charts
        if engine is None:
            raise KeyError("the journal does not begin with the start of an agent")
        step = engine.step(world, event)
        world = step.world
        yield row, step


def _is_kept(kept: World, made: World, reworded: bool) -> bool:
    return made == kept or (reworded and without_sentences(made) == without_sentences(kept))


def _compare(row: RecordedStep, step: Step) -> Difference | None:
    if parts_of(row) == parts_of(step):
        return None
    if row.transitions != step.transitions:
        return Difference(
            row.seq, "transitions", _tell_transitions(row.transitions), _tell_transitions(step.transitions)
        )
    for what in PARTS:
        kept, now = getattr(row, what), getattr(step, what)
        if kept != now:
            return Difference(row.seq, what, repr(kept), repr(now))
    return None


def _tell_transitions(transitions: tuple[Transition, ...]) -> str:
    return "; ".join(
        f"{one.instance}: {one.source} -> {one.dest} ({', '.join(f'{name}={answer}' for name, answer in one.guards)})"
        f" {one.reason}"
        for one in transitions
    ) or "none"  # fmt: skip


def _tell_unlike(one: World, other: World) -> str:
    """The fields of ``one`` in which the two worlds differ."""
    unlike = [name for name in World.__struct_fields__ if getattr(one, name) != getattr(other, name)]
    return "; ".join(f"{name} = {getattr(one, name)!r}" for name in unlike)
