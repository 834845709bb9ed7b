"""What is said of each decision: its sentences, marked with the event and the outage that they belong to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from ..core.events import (
    AgentStarted,
    AgentStopped,
    Configured,
    Event,
    ForwardChecked,
    ListenAnswered,
    MonitoringGapEnded,
    Ordered,
    PortsSeen,
)
from ..core.steps import Step
from ..core.world import World
from .log_records import AGENT, FORWARDS, LINK, LogRecord, Mark, tell_step

# An outage is dated back to its first bad round; `replay` looks that far for it.
LOOK_BACK = 200  # events

_OF_AGENT: dict[type, str] = {
    AgentStarted: "agent-started",
    AgentStopped: "agent-stopped",
    Configured: "agent-configured",
    Ordered: "agent-ordered",
    MonitoringGapEnded: "agent-blind",
}
_OF_PORTS = (PortsSeen, ListenAnswered, ForwardChecked)


class Teller:
    """Tells steps in their order. It remembers what led to the next outage, as far as this agent said it."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, LogRecord]] = deque(maxlen=5 * LOOK_BACK)

    def tell(self, event: Event, step: Step, before: World, seq: int | None = None) -> list[LogRecord]:
        """The sentences of ``step``, which ``event`` made of the world ``before``.

        ``seq`` is the number under which the event was recorded; None: it could not be.
        """
        outages = outages_of(before, step.world)
        said = [
            replace(one, area=_area(event, one), mark=_complete(event, one, seq, outages))
            for one in tell_step(event.at, step)
        ]
        if said and _begins_outage(before, step.world):
            said[0] = _lead(said[0], tuple(self._find_leading(step.world, seq)))
        if seq is not None:
            self._recent.extend((seq, one) for one in said)
        return said

    def _find_leading(self, world: World, opened: int | None) -> Iterator[LogRecord]:
        """What `replay` shows of an outage before the event that began it."""
        if world.outage is None or opened is None:
            return
        for seq, one in self._recent:
            mark = one.mark
            if mark and seq > opened - LOOK_BACK and one.at.steady >= world.outage.started.steady:
                outages = (*mark.outages, world.outage.id)
                yield replace(one, mark=replace(mark, outages=outages, led_by=()))


def outages_of(before: World, after: World) -> tuple[int, ...]:
    """The ids of the outages that an event between two worlds belongs to: from the one that begins an outage to the
    one that ends it, both included.
    """
    open_ones = {
        world.outage.id
        for world in (before, after)
        if world.outage is not None and (world.outage.ended is None or (world is after and _ends_now(before, after)))
    }
    return tuple(sorted(open_ones))


def _ends_now(before: World, after: World) -> bool:
    return after.outage is not None and (before.outage is None or before.outage != after.outage)


def _begins_outage(before: World, after: World) -> bool:
    return after.outage is not None and (before.outage is None or before.outage.id != after.outage.id)


def _area(event: Event, record: LogRecord) -> str:
    return FORWARDS if isinstance(event, _OF_PORTS) else record.area or record.part


def _complete(event: Event, record: LogRecord, seq: int | None, outages: tuple[int, ...]) -> Mark:
    mark = record.mark or Mark(_kind_of_note(event, record))
    return replace(mark, seq=seq, outages=outages)


def _kind_of_note(event: Event, record: LogRecord) -> str:
    if record.about == AGENT:
        return _OF_AGENT.get(type(event), "agent-note")
    if record.about == LINK:
        return "link-note"
    return "forward-note" if isinstance(event, _OF_PORTS) else "service-note"


def _lead(record: LogRecord, earlier: tuple[LogRecord, ...]) -> LogRecord:
    return replace(record, mark=replace(record.mark, led_by=earlier)) if record.mark else record
