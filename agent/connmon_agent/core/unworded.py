"""Steps and worlds without the sentences that explain them: what two versions of the agent must agree on.

A file is verified by deciding its events again. Guards, states, restarts, deadlines and counters must come out as they
are recorded; how a version words its reasons need not.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from .effects import Effect, Listen
from .steps import Resolution, Transition
from .world import Forward, Link, ListenIntent, MonitoringGap, Outage, Service, World

# The fields that hold a sentence which this code composes. Texts of others (an answer of the cluster, who holds a port)
# are recorded in the events, and must come out the same.
SENTENCES: Mapping[type[Struct], tuple[str, ...]] = {
    Link: ("reason", "detail", "lacks"),
    Outage: ("detail",),
    MonitoringGap: ("cause",),
    Service: ("reason", "undone"),
    Forward: ("reason", "choice"),
    ListenIntent: ("choice",),
}


PARTS = ("transitions", "effects", "resolutions", "notes", "refusal", "listens")
parts_of = attrgetter(*PARTS)  # of a step, computed now or recorded then, all that a journal keeps


class Decided(Protocol):
    """What a step decides, computed now or recorded then."""

    @property
    def transitions(self) -> tuple[Transition, ...]: ...
    @property
    def effects(self) -> tuple[Effect, ...]: ...
    @property
    def resolutions(self) -> tuple[Resolution, ...]: ...
    @property
    def listens(self) -> tuple[Listen, ...]: ...
    @property
    def notes(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def refusal(self) -> str | None: ...


def decide_alike(one: Decided, other: Decided) -> bool:
    """Whether two steps are the same but for their sentences."""
    return _decision_of(one) == _decision_of(other)


def without_sentences(world: World) -> World:
    """``world`` with every sentence that this code composes left empty."""
    return replace(
        world,
        link=_blank(world.link),
        outage=_blank(world.outage),
        monitoring_gap=_blank(world.monitoring_gap),
        services={name: _blank(service) for name, service in world.services.items()},
        forwards={
            name: _blank(replace(forward, intent=_blank(forward.intent))) for name, forward in world.forwards.items()
        },
    )


def _blank(value: Any) -> Any:
    return None if value is None else replace(value, **dict.fromkeys(SENTENCES[type(value)], ""))


def _decision_of(step: Decided) -> tuple[object, ...]:
    """A transition from a state to itself is recorded where its sentence is a new one, so that it is none of these:
    what else it changes is in the world.
    """
    return (
        [replace(one, reason="") for one in step.transitions if one.source != one.dest],
        [replace(one, reason="") for one in step.effects],
        [replace(one, reason="") for one in step.resolutions],
        [replace(one, reason="") for one in step.listens],
        [about for about, _ in step.notes],
        step.refusal is None,
    )
