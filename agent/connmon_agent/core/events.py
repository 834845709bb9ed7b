"""The events: all that can happen to the world. Each carries the moment at which it was true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .bounds import Words
from .moments import Moment
from .plan import Plan
from .sightings import Evidence, ProbeResult, QualitySight, Sighting, Unseen


@dataclass(frozen=True, slots=True)
class AgentStarted:
    """An agent took the state directory over; half-done work is of unknown outcome now.

    ``charts`` maps the name of each chart that it decides by to its SHA-256. ``heartbeat`` is the last sign of life of
    the agent before, from which on nobody watched; None: there was none, or this agent watched all the time.
    """

    at: Moment
    pid: int
    version: str
    boot_id: str
    charts: Mapping[str, str] = field(default_factory=dict)
    heartbeat: Moment | None = None


@dataclass(frozen=True, slots=True)
class AgentStopped:
    """The agent ended in order."""

    at: Moment
    reason: Words


@dataclass(frozen=True, slots=True)
class Configured:
    """A configuration came into force, at the start or by a reload. ``charts`` maps a chart's name to its SHA-256."""

    at: Moment
    plan: Plan
    charts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RoundFinished:
    """One round of probes ended."""

    at: Moment
    results: tuple[ProbeResult, ...]


@dataclass(frozen=True, slots=True)
class EvidenceChanged:
    """The operating system tells something new of the way out."""

    at: Moment
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class QualityChanged:
    """The link's quality, measured over a window, crossed a threshold."""

    at: Moment
    sight: QualitySight


@dataclass(frozen=True, slots=True)
class MeteredSeen:
    """The operating system says whether the connection is metered (None: it does not tell). ``source``: who says so."""

    at: Moment
    metered: bool | None
    source: str


@dataclass(frozen=True, slots=True)
class WentBlind:
    """From ``since`` to ``at`` nobody watched. It is neither uptime nor outage.

    ``cause`` in words: "the machine slept for 2 h", "the agent stood still for 40 s". Where ``since`` has the steady
    time of ``at``, the wall clock was set, and ``since`` is what it would have shown: what people compute from wall
    times is wrong by the step, and core.blindness says whether somebody may have been blind.
    """

    at: Moment
    since: Moment
    cause: Words


@dataclass(frozen=True, slots=True)
class Inspected:
    """The cluster was asked for one service's workload."""

    at: Moment
    service: str
    seen: Sighting | Unseen


class Outcome(StrEnum):
    """What became of a restart request."""

    APPLIED = "applied"
    REFUSED = "refused"  # it certainly did not take effect
    UNKNOWN = "unknown"  # it may have: read back


@dataclass(frozen=True, slots=True)
class RestartAnswered:
    """The outcome of one restart request.

    ``kind`` is a ClusterError's kind (None: applied); ``generation`` and ``template`` are the object's after the patch
    (None: not known), the latter as in a Sighting.
    """

    at: Moment
    service: str
    token: str
    outcome: Outcome
    reason: Words
    kind: str | None = None
    generation: int | None = None
    retry_after: float | None = None
    template: str | None = None


@dataclass(frozen=True, slots=True)
class TimerDue:
    """A deadline passed."""

    at: Moment
    timer: str


@dataclass(frozen=True, slots=True)
class PortsSeen:
    """The local ports that are still wanted were looked at.

    ``taken`` are those that cannot be listened on, each with who holds it or what forbids it, in words; ``busy`` the
    services through whose port a connection is open.
    """

    at: Moment
    taken: tuple[tuple[int, Words], ...]
    busy: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListenAnswered:
    """The outcome of one order to listen. ``refusal`` is why it failed, in words (None: it is listened on)."""

    at: Moment
    service: str
    token: str
    refusal: Words | None = None


@dataclass(frozen=True, slots=True)
class ForwardChecked:
    """A connection was made through a service's local port to its end in the cluster, beginning at ``began``.

    ``port`` is the local one. ``trouble`` is why it failed, in words (None: it did not); ``lasting``: waiting will not
    mend it, a person must.
    """

    at: Moment
    began: Moment
    service: str
    port: int
    trouble: Words | None = None
    lasting: bool = False


class Order(StrEnum):
    """What an operator can order."""

    PAUSE = "pause"
    RESUME = "resume"
    RECOVER = "recover"
    REARM = "rearm"


@dataclass(frozen=True, slots=True)
class Ordered:
    """An operator gave an order. ``services`` empty: all of them. ``by`` names the operator: "root (pid 4711)"."""

    at: Moment
    order: Order
    services: tuple[str, ...]
    by: Words


Event = (
    AgentStarted
    | AgentStopped
    | Configured
    | RoundFinished
    | EvidenceChanged
    | QualityChanged
    | MeteredSeen
    | WentBlind
    | Inspected
    | RestartAnswered
    | TimerDue
    | PortsSeen
    | ListenAnswered
    | ForwardChecked
    | Ordered
)
