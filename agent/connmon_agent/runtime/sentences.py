"""What a step is told as: one readable sentence a decision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.moments import Moment
from ..core.steps import Step, Transition
from ..core.world import ForwardState, LinkState, ServiceState

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
class Sentence:
    """One line of the log. ``level`` is debug, info, warning or error; ``about`` is "agent", "link" or a service.

    ``detail`` is for the log file alone, below the line: the traceback of an internal error.
    """

    at: Moment
    level: str
    about: str
    text: str
    detail: str = ""


def tell_damage(damage: str | None, set_aside: Path | None) -> str | None:
    """That a new state file was begun, and why; None: the one that was there was sound. See ``Journal``."""
    if set_aside is None:
        return None
    return f"the state file was damaged ({damage}); it is kept as {set_aside.name}, and a new one begins"


def tell_step(at: Moment, step: Step) -> Iterator[Sentence]:
    """The step as sentences, in the order in which things happened."""
    for about, note in step.notes:
        yield Sentence(at, "info", about, note)
    for transition in step.transitions:
        yield Sentence(at, _level(transition), transition.instance, _tell(transition))


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
