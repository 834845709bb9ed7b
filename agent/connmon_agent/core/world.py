"""The world: all that the agent knows and has to remember. Frozen; a step makes a new one."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from .observations import Evidence, MeasuredQuality
from .plan import Plan
from .stored_names import stored_name
from .timestamps import Timestamp


class LinkState(StrEnum):
    STARTING = "STARTING"
    ONLINE = "ONLINE"
    DEGRADED = "DEGRADED"
    OFFLINE = "OFFLINE"
    RECOVERING = "RECOVERING"


class ServiceState(StrEnum):
    UNKNOWN = "UNKNOWN"
    READY = "READY"
    WAITING = "WAITING"
    RESTARTING = "RESTARTING"
    VERIFYING = "VERIFYING"
    BACKOFF = "BACKOFF"
    GAVE_UP = "GAVE_UP"


class ForwardState(StrEnum):
    CLOSED = "CLOSED"
    LISTENING = "LISTENING"
    OPEN = "OPEN"
    CONFLICT = "CONFLICT"


class Obstacle(StrEnum):
    """What a restart is put off for. The time for which it may be is counted for each anew."""

    UNOBSERVED = "unseen"
    ROLLOUT = "rollout"
    DISRUPTION = "disruption"
    DAMPING = "damping"
    REGISTRY = "registry"


BEGINNING = Timestamp(0.0, 0.0)


class Link(Struct, frozen=True, rename=stored_name):
    """The verdict on the internet link and the counters it rests on."""

    state: str = LinkState.STARTING
    since: Timestamp = BEGINNING
    reason: str = "no round of probes has ended yet"
    good: int = 0  # good rounds in a row, not counted beyond `rise`
    bad: int = 0  # bad rounds in a row, not counted beyond `fall`
    confirmed: bool = False  # the newest round of this run of the agent was good
    flapping: int = (
        0  # rounds since the last `rise` good or `fall` bad ones in a row, counted as core.link.flapping needs
    )
    booted: Timestamp | None = None  # when the first agent of this boot started; None: its network has come up since
    lacks: str = ""  # what this machine itself has not got yet after its boot, by the newest round; empty: nothing
    inconclusive: int = 0  # rounds in a row of which nothing can be said, not counted beyond `fall`
    first_failure: Timestamp | None = None  # the first of the newest bad rounds in a row; None: there has been none
    cause: str | None = None  # one of core.link.causes.Cause; None: nothing is wrong
    detail: str = ""  # the evidence for the cause, in words
    evidence: Evidence = field(default_factory=Evidence)
    evidence_since: Timestamp | None = None  # when the operating system last told something new; None: it never did
    disproved: Evidence | None = None  # of a fault, that good rounds have contradicted; None: there is none
    measured_quality: MeasuredQuality | None = None  # None: too little was seen to judge the quality
    suspects: tuple[str, ...] = ()  # kinds of probes that do not count, because they themselves seem to fail
    heard: tuple[str, ...] = ()  # targets that have answered since the agent's start
    answering: tuple[str, ...] = ()  # of the newest round, where it was bad: the targets that answered all the same
    answered_since: Timestamp | None = None  # when one of them last began to, in an outage; None: none has
    cluster: str | None = None  # why the Kubernetes API cannot be reached; None: it can, or was not asked yet
    api: str | None = None  # why the API server's address did not answer when it was last probed; None: it did
    doubts: Mapping[str, int] = field(default_factory=dict)  # by kind or IP version: rounds that speak against it
    penalty: float = 0.0  # of flapping, as it was at `penalized`
    penalized: Timestamp | None = None
    damped_until: Timestamp | None = None  # restarts wait until then; None: they do not
    metered: bool | None = None  # what the operating system says of the connection; None: it does not tell
    falls: tuple[float, ...] = ()  # steady seconds of the outages and relapses of the last hour, for people

    @property
    def ruled_out(self) -> bool:
        """Whether the operating system alone rules out that anything answers, and nothing has contradicted it."""
        return self.evidence.hard and self.evidence != self.disproved


class Outage(Struct, frozen=True, rename=stored_name):
    """The current or the last outage.

    ``cause`` is one of core.link.causes.Cause, or ``ordered``; ``detail`` is the evidence for it in words. ``back`` is
    when the link returned (None: it has not), ``ended`` when every service was settled (None: not yet). ``services``
    are the ones to recover (None: all).
    """

    id: int
    started: Timestamp
    cause: str
    by_operator: bool = False  # ordered, not caused by the link
    services: tuple[str, ...] | None = None
    back: Timestamp | None = None
    hold_over: bool = False  # the link stayed good for `hold`, or an operator overruled the hold
    ended: Timestamp | None = None
    relapses: int = 0
    detail: str = ""
    monitoring_gap: float = 0.0  # seconds since `started` in which nobody watched: neither outage nor uptime


class MonitoringGap(Struct, frozen=True):
    """A time in which nobody watched. ``cause`` in words, with its length: "the machine slept for 2 h".

    ``known`` False: how long it was is not known, and ``since`` is what the clocks say. ``doubtful``: a clock that was
    set forward may be the only thing that happened, or all that shows of a machine that was paused.
    """

    since: Timestamp
    until: Timestamp
    cause: str
    known: bool = True
    doubtful: bool = False


class Intent(Struct, frozen=True):
    """A restart that was decided and committed, and whose outcome is not known yet."""

    token: str
    previous_token: str | None
    generation: int
    uid: str | None
    annotated: bool
    made: Timestamp
    in_doubt: bool = False  # the request's outcome is unknown: read back before anything else
    resent: bool = False  # the request was sent more than once: a refusal of one says nothing of the others
    contested: bool = False  # sent again, it met a change: it is not sent once more


class Baseline(Struct, frozen=True):
    """A workload as it was seen before our restart of it; the fields are those of Observation."""

    template: str | None = None
    pods: tuple[str, ...] | None = None
    managers: tuple[str, ...] = ()


class Service(Struct, frozen=True):
    """One service's instance of the service chart, with its counters and deadlines (steady seconds)."""

    name: str
    state: str = ServiceState.UNKNOWN
    since: Timestamp = BEGINNING
    reason: str = "the cluster has not been asked yet"
    attempts: int = 0  # charged since the budget was last full
    intent: Intent | None = None
    token: str | None = None  # of the last restart of ours, seen or made; None: none is known
    restarted: Timestamp | None = None  # when our last restart was accepted
    made: str | None = None  # the pod template that it made, as in a Observation; None: not known
    before: Baseline | None = None  # what it was before that; None: not known
    undone: str = ""  # who took the token of that restart out of the pod template, in words; empty: it is there
    template: str | None = None  # the pod template as it was last seen; None: it was not
    returned: str | None = None  # the pod template that the link found when it came back; None: not looked at yet
    deadline: float | None = None  # until when the rollout must be complete
    next: Timestamp | None = None  # when the service is looked at again on purpose; None: at the usual pace
    healthy_since: Timestamp | None = None
    done: int | None = None  # the id of the outage in which it was last settled
    postponed_since: Timestamp | None = None  # since when its restart has been put off for one and the same obstacle
    postponed_for: str | None = None  # an Obstacle; None: it is not put off
    refusals: int = 0  # restart requests in a row that the cluster refused; none of them is charged
    refused: Timestamp | None = None  # when the first of them was refused; None: none was
    refusal: str = ""  # why the newest of them was, in the cluster's words
    progress_mark: str = ""  # how far somebody else's rollout was when it was last seen (Observation.progress_mark)
    progressed: Timestamp | None = None  # since when it has not been seen to move; None: no such rollout is known


class ListenIntent(Struct, frozen=True):
    """A port that was decided on and committed, and of which it is not known yet whether it can be had."""

    token: str
    port: int
    made: Timestamp
    choice: str = ""  # why this port and no better one, in words; empty for the primary one


class Forward(Struct, frozen=True):
    """One service's instance of the forward chart: the local port that leads to it."""

    name: str
    state: str = ForwardState.CLOSED
    since: Timestamp = BEGINNING
    reason: str = "no local port has been tried yet"
    port: int | None = None  # that is listened on; None: none is
    lease: int | None = None  # the port that it had last, which it gets again where that is free
    choice: str = ""  # why this port and no better one, in words; empty for the primary one
    intent: ListenIntent | None = None
    proven: Timestamp | None = None  # the beginning of a check that passed; noted where something waits for it
    trouble: str | None = None  # why the last check failed; None: it did not, or there was none
    troubled: Timestamp | None = None  # the beginning of the check that failed; noted as `proven` is
    lasting: bool = False  # that trouble will not pass by itself


class RefusedPort(Struct, frozen=True):
    """A port that was refused when it was asked for, though a look at it may find it free: it is let be for a while."""

    port: int
    why: str
    until: float  # steady seconds
    times: int = 1  # that it was refused, one after another


class World(Struct, frozen=True, rename=stored_name):
    """Everything. ``store`` is the random name of the database, a part of every restart token."""

    store: str
    plan: Plan = field(default_factory=Plan)
    charts: Mapping[str, str] = field(default_factory=dict)
    link: Link = Link()
    outage: Outage | None = None
    services: Mapping[str, Service] = field(default_factory=dict)
    timers: Mapping[str, Timestamp] = field(default_factory=dict)
    paused: bool = False
    tokens: int = 0  # tokens made so far: no two are ever equal
    outages: int = 0  # outages so far
    boot: str = ""  # the name of the machine's boot in which the agent last ran; empty: it never did, or did not tell
    monitoring_gap: MonitoringGap | None = None  # the last time in which nobody watched; None: there was none
    forwards: Mapping[str, Forward] = field(default_factory=dict)  # by service; one without a local port has none
    taken: tuple[tuple[int, str], ...] = ()  # wanted local ports that cannot be had, as last seen, each with why
    refused: tuple[RefusedPort, ...] = ()  # since the agent was started or configured; what a look explains is not here
    listens: int = 0  # orders to listen so far: no two of their tokens are equal

    @property
    def names(self) -> tuple[str, ...]:
        """The services' names in the order of the plan. Decisions go by it: the mapping's own order is lost on disk."""
        return tuple(plan.name for plan in self.plan.services)
