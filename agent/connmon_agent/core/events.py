"""The events: all that can happen to the world. Each carries the moment at which it was true."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import UNSET, Struct, UnsetType, field

from .bounds import Words
from .link.round_counts import RoundCounts
from .observations import Evidence, MeasuredQuality, Observation, ProbeResult, Unobserved
from .plan import Plan
from .stored_names import stored_name
from .timestamps import Timestamp


class WithCounts(Struct, frozen=True, kw_only=True):
    """``counts``: what rounds that only counted have changed since the event before; it is decided on with that."""

    counts: RoundCounts | UnsetType = UNSET


class EventBase(WithCounts, frozen=True, tag_field="is", tag=stored_name, rename=stored_name):
    """What is common to all events. Written down, each names its class under ``is``, a word no field can have."""

    at: Timestamp


class AgentStarted(EventBase, frozen=True):
    """An agent took the state directory over; half-done work is of unknown outcome now.

    ``charts`` maps the name of each chart that it decides by to its SHA-256. ``heartbeat`` is the last sign of life of
    the agent before, from which on nobody watched; None: there was none, or this agent watched all the time.
    """

    pid: int
    version: str
    boot_id: str
    charts: Mapping[str, str] = field(default_factory=dict)
    heartbeat: Timestamp | None = None


class AgentStopped(EventBase, frozen=True):
    """The agent ended in order."""

    reason: Words


class Configured(EventBase, frozen=True):
    """A configuration came into force, at the start or by a reload. ``charts`` maps a chart's name to its SHA-256."""

    plan: Plan
    charts: Mapping[str, str]


class RoundFinished(EventBase, frozen=True):
    """One round of probes ended."""

    results: tuple[ProbeResult, ...]


class EvidenceChanged(EventBase, frozen=True):
    """The operating system tells something new of the way out."""

    evidence: Evidence


class QualityChanged(EventBase, frozen=True):
    """The link's quality, measured over a window, crossed a threshold."""

    measured_quality: MeasuredQuality


class MeteredSeen(EventBase, frozen=True):
    """The operating system says whether the connection is metered (None: it does not tell). ``source``: who says so."""

    metered: bool | None
    source: str


class MonitoringGapEnded(EventBase, frozen=True):
    """From ``since`` to ``at`` nobody watched. It is neither uptime nor outage.

    ``cause`` in words: "the machine slept for 2 h", "the agent stood still for 40 s". Where ``since`` has the steady
    time of ``at``, the wall clock was set, and ``since`` is what it would have shown: what people compute from wall
    times is wrong by the step, and core.link.monitoring_gaps says whether somebody may have been blind.
    """

    since: Timestamp
    cause: Words


class Inspected(EventBase, frozen=True):
    """The cluster was asked for one service's workload."""

    service: str
    seen: Observation | Unobserved


class Outcome(StrEnum):
    """What became of a restart request."""

    APPLIED = "applied"
    REFUSED = "refused"  # it certainly did not take effect
    UNKNOWN = "unknown"  # it may have: read back


class RestartAnswered(EventBase, frozen=True):
    """The outcome of one restart request.

    ``kind`` is a ClusterError's kind (None: applied); ``generation`` and ``template`` are the object's after the patch
    (None: not known), the latter as in a Observation.
    """

    service: str
    token: str
    outcome: Outcome
    reason: Words
    kind: str | None = None
    generation: int | None = None
    retry_after: float | None = None
    template: str | None = None


class TimerDue(EventBase, frozen=True):
    """A deadline passed."""

    timer: str


class PortsSeen(EventBase, frozen=True):
    """The local ports that are still wanted were looked at.

    ``taken`` are those that cannot be listened on, each with who holds it or what forbids it, in words; ``busy`` the
    services through whose port a connection is open.
    """

    taken: tuple[tuple[int, Words], ...]
    busy: tuple[str, ...] = ()


class ListenAnswered(EventBase, frozen=True):
    """The outcome of one order to listen. ``refusal`` is why it failed, in words (None: it is listened on)."""

    service: str
    token: str
    refusal: Words | None = None


class ForwardChecked(EventBase, frozen=True):
    """A connection was made through a service's local port to its end in the cluster, beginning at ``began``.

    ``port`` is the local one. ``trouble`` is why it failed, in words (None: it did not); ``lasting``: waiting will not
    mend it, a person must.
    """

    began: Timestamp
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


class Ordered(EventBase, frozen=True):
    """An operator gave an order. ``services`` empty: all of them. ``by`` names the operator: "root (pid 4711)"."""

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
    | MonitoringGapEnded
    | Inspected
    | RestartAnswered
    | TimerDue
    | PortsSeen
    | ListenAnswered
    | ForwardChecked
    | Ordered
)
