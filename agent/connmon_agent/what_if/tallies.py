"""What an agent did: its outages, restarts and gaps, counted from its decisions one by one."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.events import Event, Inspected
from ..core.observations import Observation
from ..core.steps import Step
from ..core.timestamps import Timestamp
from ..core.world import Outage, ServiceState, World


@dataclass
class OutageSeen:
    """One outage. ``detected`` is when OFFLINE was decided; ``back`` and ``ended`` as in the world, None: not yet."""

    id: int
    started: Timestamp
    detected: Timestamp
    cause: str
    by_operator: bool
    back: Timestamp | None = None
    ended: Timestamp | None = None
    begun_before: bool = False  # before what is kept: when it was detected is not known
    gap: float = 0.0
    relapses: int = 0
    _dark: float = 0.0  # seconds without a link up to the newest return
    _dark_since: Timestamp | None = None  # when the link was lost for the newest time

    @property
    def watched(self) -> bool:
        """Whether rounds of probes found it: no operator ordered it, it is no monitoring gap, and it is known."""
        return not self.by_operator and self.cause != "blind" and not self.begun_before

    def lasted(self, until: Timestamp) -> float:
        """Seconds without a link, as far as somebody watched: between relapses there was one. ``until``: of an outage
        that has not ended.
        """
        dark = self._dark
        if self.back is None:
            dark += until.steady - (self._dark_since or self.started).steady
        return max(0.0, dark - self.gap)

    def note(self, now: Outage, at: Timestamp) -> None:
        """Take over what the world says of it ``at`` this time."""
        if now.back is not None and self.back is None:
            self._dark += now.back.steady - (self._dark_since or self.started).steady
        elif now.back is None and self.back is not None:
            self._dark_since = at
        self.back, self.ended, self.gap, self.relapses = now.back, now.ended, now.monitoring_gap, now.relapses

    def overlaps(self, other: OutageSeen, until: Timestamp) -> bool:
        """Whether both were, at some time, the same outage of the line."""
        ends = [(one.back or until).steady for one in (self, other)]
        return self.started.steady <= ends[1] and other.started.steady <= ends[0]


@dataclass(frozen=True, slots=True)
class RestartSeen:
    """One restart that was requested. ``available``: all replicas were, when it was decided."""

    at: Timestamp
    service: str
    attempt: int
    outage: int
    available: bool


@dataclass
class Tally:
    """Everything that is counted of one agent."""

    outages: list[OutageSeen] = field(default_factory=list)
    restarts: list[RestartSeen] = field(default_factory=list)
    gave_up: int = 0
    gap: float = 0.0  # seconds of monitoring gaps, as far as their length is known

    def note(self, before: World, event: Event, step: Step) -> None:
        """Take in one decision."""
        after = step.world
        if after.outage is not before.outage and after.outage is not None:
            self._note_outage(before.outage, after.outage, event.at)
        gap = after.monitoring_gap
        if gap is not None and gap is not before.monitoring_gap and gap.known:
            self.gap += gap.until.steady - gap.since.steady
        for effect in step.effects:
            if not effect.again:
                self._note_restart(event, after, effect.service)
        self.gave_up += sum(
            one.chart == "service" and one.source != one.dest == ServiceState.GAVE_UP for one in step.transitions
        )

    def _note_outage(self, before: Outage | None, now: Outage, at: Timestamp) -> None:
        if before is not None and not self.outages and (before.ended is None or before.id == now.id):
            old = OutageSeen(before.id, before.started, before.started, before.cause, before.by_operator)
            old.begun_before = True
            old.note(before, at)
            self.outages.append(old)
        if before is None or now.id != before.id:
            if before is not None and self.outages and self.outages[-1].ended is None:
                self.outages[-1].ended = at
                self.outages[-1].back = self.outages[-1].back or at
            self.outages.append(OutageSeen(now.id, now.started, at, now.cause, now.by_operator))
        self.outages[-1].note(now, at)

    def _note_restart(self, event: Event, after: World, service: str) -> None:
        seen = event.seen if isinstance(event, Inspected) else None
        available = isinstance(seen, Observation) and seen.healthy
        outage = after.outage.id if after.outage is not None else 0
        self.restarts.append(RestartSeen(event.at, service, after.services[service].attempts, outage, available))
