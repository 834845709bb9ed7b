"""The ways in which a link fails, as the operating system and the probes tell of them, and worlds in which they did."""

from __future__ import annotations

from dataclasses import dataclass

from connmon_agent.cli.rendering.snapshots import Snapshot
from connmon_agent.core.engine import Engine
from connmon_agent.core.events import Event, EvidenceChanged, Inspected, RoundFinished
from connmon_agent.core.observations import Evidence, Failure, ProbeResult, Unobserved
from connmon_agent.core.world import World
from connmon_agent.store.records import AgentRow, LatestRound

from .charts import real_charts
from .memories import HEALTHY, SERVICES, start
from .mornings import at

SILENT = ("no answer within 1 s", Failure.SILENT)
NO_WAY = ("the network is unreachable", Failure.UNREACHABLE)
WELL = Evidence(carrier=True, default_route=True, interface="eth0", gateway="192.0.2.254")

TARGETS = {
    "gateway": ("gateway 192.0.2.254", 0.8),
    "dns": ("dns 192.0.2.53", 9.2),
    "tcp": ("tcp 198.51.100.1:443", 11.0),
    "http": ("http http://example.org/", 24.5),
}


def round_with(**failing: tuple[str, Failure]) -> tuple[ProbeResult, ...]:
    """One result a target; those of the kinds in ``failing`` fail with this reason and in this manner."""
    return tuple(
        ProbeResult(name, kind, ok=False, reason=failing[kind][0], failure=failing[kind][1])
        if kind in failing
        else ProbeResult(name, kind, ok=True, latency_ms=latency)
        for kind, (name, latency) in TARGETS.items()
    )


@dataclass(frozen=True, slots=True)
class Fault:
    """What is told while it lasts. ``cluster`` is why the API server cannot be reached (None: it can)."""

    results: tuple[ProbeResult, ...]
    evidence: Evidence = WELL
    cluster: str | None = None


FAULTS = {
    "no-carrier": Fault(
        round_with(gateway=SILENT, dns=SILENT, tcp=SILENT, http=SILENT),
        Evidence(carrier=False, default_route=True, interface="eth0", gateway="192.0.2.254"),
    ),
    "no-route": Fault(
        round_with(gateway=("there is no default route", Failure.UNROUTED), dns=NO_WAY, tcp=NO_WAY, http=NO_WAY),
        Evidence(carrier=True, default_route=False, interface="eth0"),
    ),
    "drop": Fault(round_with(dns=SILENT, tcp=SILENT, http=SILENT)),
    "dns-dead": Fault(round_with(dns=SILENT, http=("example.org does not resolve", Failure.NAME))),
    "portal": Fault(round_with(http=("302 to http://login.example.net/, not 204", Failure.WRONG))),
    "api-only": Fault(round_with(), cluster="192.0.2.10:6443 refuses connections"),
}


def live_through(fault: Fault) -> World:
    """The world after two healthy services, and then three rounds of ``fault`` from the tenth second on."""
    engine, world = Engine(real_charts()), World(store="k7")
    for event in _events(fault):
        world = engine.step(world, event).world
    return world


def snapshot_after(fault: Fault) -> Snapshot:
    """What a running agent shows of ``fault`` at the sixteenth second."""
    return Snapshot(
        now=at(16).wall,
        path="/var/lib/connmon/connmon.db",
        world=live_through(fault),
        pid=4711,
        agent=AgentRow(4711, "0.1.0", started=at(0), heartbeat=at(15), stopped=None),
        round=LatestRound(at(15), fault.results, loss=0.0, latency_ms=None),
        events=20,
        bytes=81_920,
    )


def _events(fault: Fault) -> list[Event]:
    unseen = [] if fault.cluster is None else [Unobserved("unreachable", fault.cluster)]
    return [
        *start(0),
        EvidenceChanged(at(0.5), WELL),
        *(RoundFinished(at(second), round_with()) for second in (1, 2, 3)),
        *(Inspected(at(4), name, HEALTHY) for name in SERVICES),
        EvidenceChanged(at(9), fault.evidence),
        *(Inspected(at(9), name, seen) for seen in unseen for name in SERVICES),
        *(RoundFinished(at(second), fault.results) for second in (10, 10.5, 11)),
    ]
