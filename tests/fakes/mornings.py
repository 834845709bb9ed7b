"""One morning at a small site as values: worlds, snapshots and recorded steps, for tests of what people see."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from connmon_agent.cli.rendering.snapshots import Snapshot
from connmon_agent.core.effects import Restart
from connmon_agent.core.events import AgentStarted, Event, Inspected, Outcome, RestartAnswered, RoundFinished
from connmon_agent.core.observations import Observation, ProbeResult
from connmon_agent.core.plan import Kind, Plan, ServicePlan
from connmon_agent.core.steps import Resolution, Transition
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Intent, Link, LinkState, Outage, Service, ServiceState, World
from connmon_agent.store.records import AgentRow, LatestRound, OutageRow, Recorded

MORNING = datetime(2026, 11, 23, 10, 0, tzinfo=UTC).timestamp()
SILENT = "no answer within 1 s"
TCP = ProbeResult("tcp 192.0.2.1:443", "tcp", ok=True, latency_ms=11.04)
DNS = ProbeResult("dns 192.0.2.2", "dns", ok=False, reason=SILENT)


def at(seconds: float) -> Timestamp:
    """The instant ``seconds`` after ten o'clock."""
    return Timestamp(1000.0 + seconds, MORNING + seconds)


def plan_of(*names: str) -> Plan:
    return Plan(services=tuple(ServicePlan(name, Kind.DEPLOYMENT, "erp-system", name) for name in names))


def world_of(*services: Service, link: Link | None = None, outage: Outage | None = None) -> World:
    """A world with these services, online since ten o'clock unless said otherwise."""
    online = Link(LinkState.ONLINE, since=at(0), reason="3 good rounds in a row")
    return World(
        store="k7",
        plan=plan_of(*(service.name for service in services)),
        link=link or online,
        outage=outage,
        services={service.name: service for service in services},
    )


def snapshot_of(world: World, *, seconds: float = 720.0) -> Snapshot:
    """What a running agent left behind ``seconds`` after ten o'clock."""
    return Snapshot(
        now=at(seconds).wall,
        path="/var/lib/connmon/connmon.db",
        world=world,
        pid=4711,
        agent=AgentRow(4711, "0.1.0", started=at(-10_380), heartbeat=at(seconds - 1), stopped=None),
        round=LatestRound(at(seconds - 1), (TCP, DNS), loss=0.5, latency_ms=11.04),
        events=1203,
        bytes=81_920,
    )


def offline_snapshot() -> Snapshot:
    """Twelve minutes into an outage."""
    failing = f"tcp 192.0.2.1:443, dns 192.0.2.2: {SILENT}"
    link = Link(
        LinkState.OFFLINE,
        since=at(0),
        reason=f"3 bad rounds in a row: unreachable: {failing}",
        bad=3,
        cause="dns",
        detail=f"dns 192.0.2.2: {SILENT}",
    )
    outage = Outage(3, started=at(-2), cause="unreachable", detail=failing)
    return snapshot_of(world_of(ready("frontend"), ready("grafana"), link=link, outage=outage))


def recovering_snapshot() -> Snapshot:
    """A recovery with a service of every kind of trouble."""
    link = Link(LinkState.RECOVERING, since=at(600), reason="the link stayed good for 10 s")
    services = (
        ready("frontend"),
        Service("grafana", ServiceState.GAVE_UP, reason="attempt 3 of 3 did not help either", attempts=3),
        Service("jaeger", ServiceState.BACKOFF, reason="ImagePullBackOff", attempts=2, next=at(760)),
        Service("kafka", ServiceState.RESTARTING, reason="attempt 1", attempts=1, intent=intent(at(718))),
    )
    outage = Outage(
        3,
        started=at(-2),
        cause="dns",
        detail=f"dns 192.0.2.2: {SILENT}",
        back=at(600),
        hold_over=True,
        relapses=1,
    )
    return snapshot_of(world_of(*services, link=link, outage=outage))


def ready(name: str) -> Service:
    return Service(name, ServiceState.READY, since=at(0), reason="3 of 3 available")


def intent(made: Timestamp, *, in_doubt: bool = False) -> Intent:
    return Intent("k7-3-1-1", None, 4, "uid", annotated=False, made=made, in_doubt=in_doubt)


def moved(instance: str, source: str, dest: str, reason: str, *, trigger: str = "inspected") -> Transition:
    """A transition of the link or of a service."""
    chart = "link" if instance == "link" else "service"
    return Transition(chart, instance, trigger, source, dest, (("healthy", True),), (), reason)


def restart_of(service: str, *, again: bool = False) -> Restart:
    return Restart(
        service=service,
        kind=Kind.DEPLOYMENT,
        namespace="erp-system",
        workload=service,
        token="k7-3-1-1",
        previous_token=None,
        generation=4,
        uid="uid",
        annotated=False,
        reason="outage 3, attempt 1 of 3",
        again=again,
    )


def recorded(
    seq: int,
    seconds: float,
    *transitions: Transition,
    event: Event | None = None,
    effects: tuple[Restart, ...] = (),
    resolutions: tuple[Resolution, ...] = (),
    notes: tuple[tuple[str, str], ...] = (),
    boot_id: str = "boot-1",
    outage: int | None = 3,
) -> Recorded:
    """One committed event ``seconds`` after ten o'clock; without one, a round of probes."""
    event = event or RoundFinished(at(seconds), (TCP, DNS))
    return Recorded(
        seq=seq,
        at=at(seconds),
        boottime=50.0 + seconds,
        boot_id=boot_id,
        event=event,
        transitions=transitions,
        effects=effects,
        resolutions=resolutions,
        notes=notes,
        outage=outage,
    )


def inspected(seconds: float, service: str) -> Inspected:
    return Inspected(at(seconds), service, Observation(available=3, desired=3))


def started(seconds: float, *, pid: int = 99, boot_id: str = "boot-1") -> AgentStarted:
    return AgentStarted(at(seconds), pid, "0.1.0", boot_id)


OUTAGE = OutageRow(
    id=3,
    started=at(12),
    back=at(192),
    ended=at(280),
    cause="unreachable",
    detail=f"tcp 192.0.2.1:443: {SILENT}",
    by_operator=False,
    relapses=0,
    restarts=1,
    result="gave up: grafana",
)


def still_dark(row: OutageRow) -> OutageRow:
    """The same outage, before the link came back."""
    return replace(row, back=None, ended=None, restarts=0, result="offline")


def journal_of_an_outage() -> list[Recorded]:
    """An outage whose recovery restarts one service, while the machine is started anew."""
    applied = RestartAnswered(at(202.1), "frontend", "k7-3-1-1", Outcome.APPLIED, "the patch was accepted")
    return [
        recorded(1, 12, moved("link", "ONLINE", "DEGRADED", f"bad round: tcp 192.0.2.1:443: {SILENT}"), outage=None),
        recorded(2, 14, moved("link", "DEGRADED", "OFFLINE", f"3 bad rounds in a row: tcp 192.0.2.1:443: {SILENT}")),
        recorded(3, 191),
        recorded(
            4,
            192,
            moved("link", "OFFLINE", "RECOVERING", "3 good rounds in a row; the link must stay good for 10 s"),
            moved("frontend", "READY", "WAITING", "queued for a restart", trigger="recovery_begins"),
            moved("grafana", "UNKNOWN", "WAITING", "queued for a restart", trigger="recovery_begins"),
        ),
        recorded(
            5,
            202,
            moved("frontend", "WAITING", "RESTARTING", "attempt 1 of 3: restart due after the outage"),
            event=inspected(202, "frontend"),
            effects=(restart_of("frontend"),),
        ),
        recorded(
            6,
            202.1,
            moved("frontend", "RESTARTING", "VERIFYING", "restart accepted; the rollout must complete within 5 min"),
            event=applied,
            resolutions=(Resolution("frontend", "k7-3-1-1", "applied", "the patch was accepted"),),
        ),
        recorded(
            7,
            220,
            event=started(220, boot_id="boot-2"),
            notes=(("agent", "started, version 0.1.0 (pid 99)"),),
            boot_id="boot-2",
        ),
        recorded(
            8,
            230,
            moved("frontend", "VERIFYING", "READY", "restarted, 3 of 3 available"),
            event=inspected(230, "frontend"),
            boot_id="boot-2",
        ),
        recorded(
            9,
            280,
            moved("grafana", "WAITING", "GAVE_UP", "3/3 restarts used: CrashLoopBackOff"),
            moved("link", "RECOVERING", "ONLINE", "recovery complete: 1/2 services ready; gave up: grafana"),
            event=inspected(280, "grafana"),
            boot_id="boot-2",
        ),
    ]
