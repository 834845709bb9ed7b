"""What a step is told as: one readable sentence a decision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..core.effects import LISTEN_TOKEN
from ..core.steps import Step, Transition
from ..core.timestamps import Timestamp
from ..core.world import ForwardState, LinkState, ServiceState

AGENT, LINK, PROBES, SERVICES, CLUSTER, FORWARDS = "agent", "link", "probes", "services", "cluster", "forwards"
NOTICES = "notices"
AREAS = (AGENT, LINK, PROBES, SERVICES, CLUSTER, FORWARDS, NOTICES)  # the parts of the agent that speak

_AREA_OF_CHART = {"link": LINK, "service": SERVICES, "forward": FORWARDS}

ALARMING = frozenset(
    {
        LinkState.OFFLINE,
        LinkState.DEGRADED,
        ServiceState.UNKNOWN,
        ServiceState.GAVE_UP,
        ServiceState.BACKOFF,
        ForwardState.CONFLICT,
    }
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Which recorded event a sentence is about, and what kind of sentence it is.

    ``kind`` is one of ``message_catalog.KINDS``. ``seq`` is the event's number; None: it could not be recorded.
    ``outages`` are the ids of the outages that the event belongs to: usually none or one, two where one outage cuts the
    recovery from another short. ``led_by`` are the sentences of earlier events that belong to an outage, too, which
    was not known when they were said: the failing rounds before the outage that this sentence begins.
    """

    kind: str
    seq: int | None = None
    outages: tuple[int, ...] = ()
    source: str = ""  # the state that was left; empty where the sentence is about no transition
    dest: str = ""
    trigger: str = ""
    led_by: tuple[LogRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One line of the log. ``level`` is debug, info, warning or error; ``about`` is "agent", "link" or a service.

    ``detail`` is for the log file alone, below the line: the traceback of an internal error. ``area`` is one of AREAS;
    empty: it follows from ``about``. ``mark`` None: it is about no event.
    """

    at: Timestamp
    level: str
    about: str
    text: str
    detail: str = ""
    area: str = field(default="", compare=False)
    mark: Mark | None = field(default=None, compare=False)

    @property
    def part(self) -> str:
        """The part of the agent that speaks, by which the level can be set: one of AREAS."""
        return self.area or (self.about if self.about in AREAS else SERVICES)


def tell_damage(damage: str | None, set_aside: Path | None) -> str | None:
    """That a new state file was begun, and why; None: the one that was there was sound. See ``Journal``."""
    if set_aside is None:
        return None
    return f"the state file was damaged ({damage}); it was renamed to {set_aside.name} and a new one created"


def tell_step(at: Timestamp, step: Step) -> Iterator[LogRecord]:
    """The step as sentences, in the order in which things happened."""
    for about, note in step.notes:
        yield LogRecord(at, "info", about, note)
    for transition in step.transitions:
        area = _AREA_OF_CHART.get(transition.chart, SERVICES)
        yield LogRecord(
            at, _level(transition), transition.instance, _tell(transition), area=area, mark=_mark(transition)
        )
    told = {transition.instance for transition in step.transitions}
    for one in step.resolutions:
        if one.service not in told and not one.token.startswith(LISTEN_TOKEN):
            text = f"the restart was {one.outcome}: {one.reason}"
            yield LogRecord(at, "info", one.service, text, mark=Mark("restart-answered"))


def _mark(transition: Transition) -> Mark:
    moved = transition.source != transition.dest
    kind = f"{transition.chart}-{transition.dest.lower().replace('_', '-') if moved else 'note'}"
    return Mark(kind, source=transition.source, dest=transition.dest, trigger=transition.trigger)


def _tell(transition: Transition) -> str:
    if transition.source == transition.dest:
        return f"{transition.dest}: {transition.reason}"
    return f"{transition.source} -> {transition.dest}: {transition.reason}"


# What a port goes through at every start and end of the agent.
ROUTINE = frozenset({("assigned", ForwardState.CLOSED), ("agent_stopped", ForwardState.CLOSED)})


def _level(transition: Transition) -> str:
    if transition.chart == "forward" and (transition.trigger, transition.dest) in ROUTINE:
        return "debug"
    if transition.trigger == "check_failed":
        return "warning"
    if transition.source != transition.dest and transition.dest in ALARMING:
        return "warning"
    return "info"
