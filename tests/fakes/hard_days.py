"""A hard day at a small site, so that nearly every kind of decision is in one state file.

The services: frontend has a local port and comes back; grafana cannot be helped; jaeger is not wanted; kafka is
refused; loki is guarded by a disruption budget, and somebody else restarts it; redis is restarted behind our back.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from connmon_agent.core.events import (
    AgentStarted,
    AgentStopped,
    Configured,
    Event,
    EvidenceChanged,
    ForwardChecked,
    Inspected,
    ListenAnswered,
    MeteredSeen,
    MonitoringGapEnded,
    Order,
    Ordered,
    Outcome,
    PortsSeen,
    QualityChanged,
    RestartAnswered,
    TimerDue,
)
from connmon_agent.core.observations import (
    Evidence,
    Failure,
    MeasuredQuality,
    Observation,
    ProbeResult,
    Quality,
    Rollout,
    Unobserved,
)
from connmon_agent.core.plan import ForwardPlan, Plan
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import World

from .charts import real_charts
from .memories import remember, rounds
from .mornings import at, plan_of

NAMES = ("frontend", "grafana", "jaeger", "kafka", "loki", "redis")
# Instants worth a look, in seconds after ten o'clock.
INSTANTS = {
    "calm": 16.0,
    "one bad round": 20.2,
    "lossy": 40.0,
    "paused": 70.5,
    "an outage": 150.0,
    "the link is back and must stay good": 203.0,
    "no carrier": 210.0,
    "restarts are requested": 253.5,
    "one request has no answer": 255.0,
    "rollouts": 262.0,
    "one service backs off": 275.0,
    "one service gave up": 460.0,
    "the recovery is over": 620.0,
    "after the machine slept": 9000.5,
    "a recovery was ordered": 9101.2,
    "the agent was restarted in the middle": 9154.5,
}
SILENT = ("no answer within 1 s", Failure.SILENT)
ROUTE = Evidence(carrier=True, default_route=True, interface="eth0", gateway="192.0.2.254")
NO_CARRIER = Evidence(carrier=False, default_route=True, interface="eth0", gateway="192.0.2.254")
KINDS = {
    "gateway": ("gateway 192.0.2.254", 0.8),
    "dns": ("dns 192.0.2.53", 9.2),
    "tcp": ("tcp 198.51.100.1:443", 11.0),
    "http": ("http http://example.org/", 24.5),
}
HEALTHY = Observation(
    uid="u1", generation=4, desired=3, available=3, annotated=True, template="t1", close=True, pods=("a",)
)
RESTARTED = replace(HEALTHY, generation=5, template="t2", pods=("b",))
BROKEN = replace(HEALTHY, available=1, rollout=Rollout.UNDER_WAY, progress="1 of 3 available")
ROLLING = replace(RESTARTED, available=1, rollout=Rollout.UNDER_WAY, rolling=True, progress="1 of 3 new pods available")
STUCK = replace(
    ROLLING,
    rollout=Rollout.FAILED,
    progress="ProgressDeadlineExceeded",
    trouble="grafana-7d9f: ImagePullBackOff: registry.example is unreachable",
)


def results(**failing: tuple[str, Failure]) -> tuple[ProbeResult, ...]:
    """One round; the targets of the kinds in ``failing`` fail in this manner."""
    return tuple(
        ProbeResult(name, kind, ok=False, reason=failing[kind][0], failure=failing[kind][1])
        if kind in failing
        else ProbeResult(name, kind, ok=True, latency_ms=latency)
        for kind, (name, latency) in KINDS.items()
    )


UP = results()
DOWN = results(dns=SILENT, tcp=SILENT, http=SILENT)


def a_plan(**changes: object) -> Plan:
    """Six services; those named first have a local port."""
    plan = plan_of(*NAMES)
    ports = {"frontend": ForwardPlan(8080, (8081,)), "grafana": ForwardPlan(3000)}
    services = tuple(replace(one, forward=ports.get(one.name)) for one in plan.services)
    return replace(plan, services=services, **changes)


def live_through_a_hard_day(folder: Path) -> World:
    """Commit the day to a state file in ``folder``; returns the last world."""
    return remember(folder, events_of_a_hard_day())


def _start(seconds: float, *, pid: int, boot: str = "boot-1", heartbeat: Timestamp | None = None) -> list[Event]:
    charts = {name: chart.sha256 for name, chart in real_charts().items()}
    begun = AgentStarted(at(seconds), pid, "0.1.0", boot, charts, heartbeat)
    return [begun, Configured(at(seconds), a_plan(), charts), EvidenceChanged(at(seconds), ROUTE)]


def events_of_a_hard_day() -> Iterator[Event]:
    """What happens in it. Answers have yet to be given the tokens of their requests (``memories.with_token``)."""
    yield from _morning()
    yield from _first_outage()
    yield from _afternoon()


def _morning() -> Iterator[Event]:
    """A start with the machine, a taken port, and a link that is doubtful for a moment."""
    yield from _start(0, pid=4711)
    yield from rounds(results(gateway=("no default route", Failure.UNROUTED), dns=SILENT, tcp=SILENT, http=SILENT), 1)
    yield from rounds(UP, 5, 6, 7)
    yield PortsSeen(at(8), ((8080, "in use by nginx (pid 99)"), (3000, "in use by grafana (pid 98)")))
    yield ListenAnswered(at(8.1), "frontend", "")
    yield from (Inspected(at(9), name, HEALTHY) for name in NAMES if name not in ("jaeger", "redis"))
    yield Inspected(at(9), "jaeger", replace(HEALTHY, desired=0, available=0))
    yield Inspected(at(9), "redis", Unobserved("forbidden", "redis may not be read: deployments is forbidden"))
    yield Inspected(at(10), "redis", HEALTHY)
    yield ForwardChecked(at(10.2), at(10), "frontend", 8081, "no pod is ready")
    yield ForwardChecked(at(11.2), at(11), "frontend", 8081)
    yield PortsSeen(at(12), ())
    yield ListenAnswered(at(12.1), "frontend", "")
    yield ListenAnswered(at(12.1), "grafana", "")
    yield ForwardChecked(at(13.1), at(13), "frontend", 8080)
    yield ForwardChecked(at(13.2), at(13), "grafana", 3000)
    yield MeteredSeen(at(14), True, "NetworkManager")
    yield MeteredSeen(at(15), False, "NetworkManager")
    yield from rounds(DOWN, 20)
    yield from rounds(UP, 21, 22, 23)
    yield QualityChanged(at(30), MeasuredQuality(Quality.LOSSY, 0.23, 14.0, 54.0))
    yield QualityChanged(at(60), MeasuredQuality(Quality.GOOD, 0.02, 12.0, 40.0))
    yield Ordered(at(70), Order.PAUSE, (), "root (pid 9)")
    yield Ordered(at(71), Order.RESUME, (), "root (pid 9)")


def _first_outage() -> Iterator[Event]:
    """The line is cut, comes back, and is cut again; then every service has its own fate."""
    yield from rounds(DOWN, 100, 101, 102)
    yield Ordered(at(110), Order.RECOVER, (), "root (pid 9)")
    yield from rounds(UP, 200, 201, 202)
    yield from rounds(DOWN, 205)
    yield EvidenceChanged(at(206), NO_CARRIER)
    yield EvidenceChanged(at(230), ROUTE)
    yield from rounds(UP, 240, 241, 242)
    yield TimerDue(at(252), "hold")
    yield from _looks(253, frontend=HEALTHY, grafana=BROKEN, kafka=HEALTHY, redis=HEALTHY)
    yield Inspected(at(253), "jaeger", replace(HEALTHY, desired=0, available=0))
    yield Inspected(at(253), "loki", replace(HEALTHY, blocked_by="loki"))
    yield _answer(254, "frontend", Outcome.APPLIED, "the patch was accepted")
    yield _answer(254, "grafana", Outcome.APPLIED, "the patch was accepted")
    yield _answer(254, "kafka", Outcome.REFUSED, "admission webhook denied the request: no changes today", "denied")
    yield _answer(254, "redis", Outcome.UNKNOWN, "no answer within 10 s", "timeout")
    yield Inspected(at(256), "redis", replace(HEALTHY, token="none"))
    yield _answer(257, "redis", Outcome.APPLIED, "the patch was accepted")
    yield from _looks(260, frontend=ROLLING, grafana=ROLLING, redis=ROLLING)
    yield from _looks(270, frontend=RESTARTED, grafana=STUCK)
    yield ForwardChecked(at(272), at(271), "frontend", 8080)
    yield Inspected(at(272), "redis", replace(HEALTHY, pods=("a",), managers=("flux 10:04",), token="none"))
    yield Inspected(at(273), "loki", replace(RESTARTED, revised_by="kubectl rollout restart"))
    seconds = 280.0
    for attempt in range(2):
        yield TimerDue(at(seconds), "backoff/grafana")
        yield Inspected(at(seconds + 1), "grafana", STUCK if attempt else replace(STUCK, rollout=Rollout.FAILED))
        yield _answer(seconds + 2, "grafana", Outcome.APPLIED, "the patch was accepted")
        yield Inspected(at(seconds + 60), "grafana", STUCK)
        seconds += 120
    yield TimerDue(at(seconds), "backoff/kafka")
    yield Inspected(at(seconds + 1), "kafka", HEALTHY)
    yield _answer(seconds + 2, "kafka", Outcome.REFUSED, "the object has been modified", "conflict")
    yield TimerDue(at(seconds + 20), "backoff/kafka")
    yield Inspected(at(seconds + 21), "kafka", Unobserved("unreachable", "192.0.2.10:6443: connection refused"))
    yield Inspected(at(seconds + 24), "kafka", HEALTHY)
    yield _answer(seconds + 25, "kafka", Outcome.APPLIED, "the patch was accepted")
    yield from _looks(seconds + 40, kafka=RESTARTED)
    yield TimerDue(at(seconds + 50), "backoff/redis")
    yield Inspected(at(seconds + 51), "redis", replace(BROKEN, token="none"))
    yield _answer(seconds + 52, "redis", Outcome.APPLIED, "the patch was accepted")
    yield from _looks(seconds + 70, redis=replace(RESTARTED, template="t3", pods=("c",)))


def _afternoon() -> Iterator[Event]:
    """The budgets come back; the machine sleeps; the agent is started anew; an operator recovers by hand."""
    yield from _looks(1300, frontend=RESTARTED, kafka=RESTARTED, redis=RESTARTED)
    yield Ordered(at(1310), Order.REARM, ("grafana",), "root (pid 9)")
    yield MonitoringGapEnded(at(9000), at(1400), "the machine slept for 2 h 6 min")
    yield from rounds(UP, 9001, 9002, 9003)
    yield Ordered(at(9100), Order.RECOVER, ("frontend",), "root (pid 9)")
    yield Inspected(at(9101), "frontend", RESTARTED)
    yield AgentStopped(at(9101.5), "SIGTERM")
    yield from _start(9150, pid=4800, heartbeat=at(9101.5))
    yield from rounds(UP, 9151, 9152, 9153)
    yield Inspected(at(9154), "frontend", replace(HEALTHY, uid="u2", token="somebody"))


def _looks(seconds: float, **seen: Observation) -> Iterator[Event]:
    yield from (Inspected(at(seconds), name, one) for name, one in seen.items())


def _answer(seconds: float, service: str, outcome: Outcome, reason: str, kind: str | None = None) -> RestartAnswered:
    generation = 5 if outcome is Outcome.APPLIED else None
    template = "t2" if outcome is Outcome.APPLIED else None
    return RestartAnswered(at(seconds), service, "", outcome, reason, kind, generation, template=template)
