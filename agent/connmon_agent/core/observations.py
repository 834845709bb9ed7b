"""What is seen of the world outside: probe results and the state of a workload in the cluster."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from .bounds import Sentences, Words
from .stored_names import stored_name
from .timestamps import Timestamp

# Seconds of watching that tell what a day takes: all targets are asked once a minute.
SHORTEST_USAGE = 300.0


class Failure(StrEnum):
    """How a probe failed, as far as a verdict on the link can rest on it."""

    SILENT = "silent"  # nothing answered in time
    REFUSED = "refused"  # the target, or a firewall in its place, said no: somebody is there
    UNREACHABLE = "unreachable"  # this machine or a router has no way there
    WRONG = (
        "wrong"  # an answer in somebody else's place, as a portal gives it: a page, another host, TLS of another name
    )
    DECLINED = "declined"  # the server's own trouble or refusal: 404, 429, 500, a moved page, a certificate out of date
    NXDOMAIN = "nxdomain"  # the name server says that the name does not exist
    SERVFAIL = "servfail"  # the name server could not find out
    NAME = "name"  # the target's own name could not be resolved
    DOWN = "down"  # an interface that is missing, switched off or without a carrier
    UNROUTED = "unrouted"  # an interface without an address or default route
    BROKEN = "broken"  # the probe itself failed, which says nothing of the link


class ProbeResult(Struct, frozen=True):
    """What one probe of one target found.

    ``latency_ms`` is None when nothing answered; ``reason`` says in words what failed, and is None when ``ok``, as is
    ``failure``. ``family`` is "ipv4" or "ipv6" (None: the probe has none, or did not get so far as to choose). All of
    the ``attempts`` before the last one got no answer. ``proxy`` is what it went through (None: nothing). ``bytes`` is
    what it took on the line, both ways, with the headers of IP (0: not known). ``at`` is when it was found, in Unix
    seconds, where it is told again with a later round (None: with that round).
    """

    name: str  # for people and unique among the targets: "tcp 192.0.2.1:443"
    kind: str  # tcp, dns, http, icmp, gateway, interface or api
    ok: bool
    latency_ms: float | None = None
    reason: Words | None = None
    family: str | None = None
    failure: Failure | None = None
    attempts: int = 1
    proxy: str | None = None
    bytes: int = 0
    at: float | None = None

    def __eq__(self, other: object) -> bool:
        """Two answers are equal, however many packets they took and whenever they came."""
        return isinstance(other, ProbeResult) and self._answer == other._answer

    def __hash__(self) -> int:
        return hash(self._answer)

    @property
    def _answer(self) -> tuple[object, ...]:
        told = (self.latency_ms, self.reason, self.family, self.failure, self.attempts, self.proxy)
        return self.name, self.kind, self.ok, *told


class Evidence(Struct, frozen=True):
    """What the operating system says of the way out. None: it does not tell, which is no evidence of anything."""

    carrier: bool | None = None  # of the interface that the default route uses, or used last
    default_route: bool | None = None
    interface: str | None = None
    gateway: str | None = None
    dark: str | None = None  # an interface that was, or would be, the better way out and has no carrier; None: none is
    versions: tuple[str, ...] | None = None  # of IP that have a way out: "ipv4", "ipv6"; None: it does not tell

    @property
    def gateway_address(self) -> str | None:
        """The gateway as it can be asked: a link-local address means nothing without the interface."""
        if self.gateway is None or not self.gateway.lower().startswith("fe80:") or self.interface is None:
            return self.gateway
        return f"{self.gateway}%{self.interface}"

    @property
    def hard(self) -> bool:
        """Whether it alone rules out that anything on the internet can be reached."""
        return self.carrier is False or self.default_route is False


class Quality(StrEnum):
    """How good a link is that works."""

    GOOD = "good"
    SLOW = "slow"
    LOSSY = "lossy"


class MeasuredQuality(Struct, frozen=True):
    """The link's quality over the window. ``loss`` from 0 to 1; the latencies are None when nothing answered.

    ``seconds`` is how far back the window reaches where its usual length holds too few probes (0: it does not).
    """

    quality: Quality
    loss: float
    median_ms: float | None
    p95_ms: float | None
    seconds: float = 0.0


class LineUsage(Struct, frozen=True):
    """What the probes took on the line in so many ``seconds``: ``bytes`` of IP packets, both ways."""

    bytes: int
    seconds: float

    @property
    def bytes_per_day(self) -> float | None:
        """As much a day at this pace; None: it was watched for too short a time to tell."""
        return self.bytes / self.seconds * 86_400.0 if self.seconds >= SHORTEST_USAGE else None


class Rollout(StrEnum):
    """Where a workload's rollout stands, by kubectl's rules (knowledge: ``kubectl rollout status``)."""

    COMPLETE = "complete"
    UNDER_WAY = "under-way"
    FAILED = "failed"


class Reach(StrEnum):
    """Whether a registry can be pulled from, as far as this machine can tell by asking it."""

    REACHABLE = "reachable"
    LIMITED = "limited"  # it wants no requests for a while (429)
    UNREACHABLE = "unreachable"  # nobody answers, or a server in trouble (5xx) does
    UNKNOWN = "unknown"  # this machine cannot ask it, which says nothing of the nodes


class RegistryAnswer(Struct, frozen=True):
    """What asking one registry came to.

    ``reason`` in words ("connection refused"); it stays the same as long as the answer does. ``retry_after`` is how
    many seconds a limit lasts from then on (None: it named none, or there is no limit).
    """

    reach: Reach
    reason: Words
    retry_after: float | None = None


class Pull(Struct, frozen=True):
    """One registry from which new pods must pull before they run.

    ``image`` is the first of their images that comes from there, ``why`` it must be pulled ("imagePullPolicy Always").
    ``answer`` None: the registry was not asked.
    """

    registry: Words
    image: Words
    why: Words
    answer: RegistryAnswer | None = None


class Observation(Struct, frozen=True, tag_field="is", tag=stored_name):
    """A workload as the Kubernetes API showed it at one instant, reduced to what decisions need.

    ``exists`` False: the API answered, and the object is not there; every other field then has its default.
    """

    exists: bool = True
    uid: str | None = None
    generation: int = 0
    rollout: Rollout = Rollout.COMPLETE
    progress: Words = ""  # in words: "1 of 3 new pods are available", "ProgressDeadlineExceeded: ..."
    rolling: bool = False  # a changed pod template is being rolled out now; False for pods that merely are not ready
    desired: int = 0  # replicas wanted (DaemonSet: nodes to run on)
    available: int = 0  # replicas available (StatefulSet: ready, the status knows no better before 1.22)
    paused: bool = False
    restartable: Words | None = None  # why a patch would restart nothing ("its strategy is OnDelete"); None: it would
    token: str | None = None  # connmon.io/restart-token on the pod template; None: never restarted by us
    annotated: bool = False  # the pod template has annotations (a JSON Patch must know)
    # Equal in two observations: the object is the same one, and its pod template was not changed. None: not known.
    template: str | None = None
    managers: tuple[Words, ...] = ()  # field managers of its spec but us, as "name time", the newest first
    close: bool = False  # its pods, revisions and budgets were asked for, too
    # What names each pod that is neither being deleted nor finished, at most 100; None: not known.
    pods: tuple[str, ...] | None = None
    revised_by: Words | None = None  # how it was made, in words: "kubectl rollout restart"; None: unknown
    # Equal in two observations: the rollout has not moved between them. Empty: it was not looked at closely.
    progress_mark: str = ""
    stalled: bool = False  # its pods or its own conditions show why the rollout does not go on; `trouble` names it
    gated: Words | None = None  # what waits for a decision: "web-7d9 has the scheduling gate a.b/c"; None: nothing
    old_serving: int = 0  # pods of older templates that are ready
    blocked_by: Words | None = None  # the name of a PodDisruptionBudget that allows no disruption now; None: none does
    trouble: Sentences | None = None  # what ails its pods, in words: "web-7d9: ImagePullBackOff"; None: nothing seen
    # What must be pulled where a restart ends working pods before the new ones run; empty: nothing, or it does not.
    pulls: tuple[Pull, ...] = ()

    @property
    def healthy(self) -> bool:
        """It is there, rolled out, and every replica wanted is available."""
        return self.exists and self.rollout is Rollout.COMPLETE and self.available >= self.desired


class Unobserved(Struct, frozen=True, tag_field="is", tag=stored_name):
    """The API could not tell: nothing is known, which is neither healthy nor failed.

    ``kind`` is a ClusterError's kind; ``retry_after`` is the server's wish in seconds (None: it named none).
    """

    kind: str
    reason: Words
    retry_after: float | None = None


class InternalErrors(Struct, frozen=True):
    """What failed unforeseen in the agent itself since its start: mistakes of ours, none of which ended it.

    ``task`` is what failed last, in words, with ``error`` ("KeyError: 'web' (kube/pods.py:41)"), at ``at``.
    """

    count: int
    task: str
    error: str
    at: Timestamp


class LogLoss(Struct, frozen=True):
    """How many lines the log could not write or keep since the agent's start, as of ``at``; ``reason`` of the last."""

    count: int
    reason: str
    at: Timestamp


class Traffic(Struct, frozen=True):
    """What has gone through one service's local port since the agent's start.

    ``open`` connections are open now, ``served`` were begun in all and ``failed`` of them got no backend or lost it.
    ``received`` bytes came from the cluster, ``sent`` bytes went there. ``error`` is the last failure in words, at
    ``error_at`` (Unix seconds); None: there was none.
    """

    service: str
    open: int = 0
    served: int = 0
    failed: int = 0
    received: int = 0
    sent: int = 0
    error: Words | None = None
    error_at: float | None = None
