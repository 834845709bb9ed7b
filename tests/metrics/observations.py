"""What there is to be seen of a site of seven services and five targets, for the tests of the metrics."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from connmon_agent.core.counters import Counters, Flow, LineCounters, ProbeCounters
from connmon_agent.core.notices import Notice
from connmon_agent.core.plan import ForwardPlan, Kind, Plan, ServicePlan
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Forward, ForwardState, Link, LinkState, Outage, Service, ServiceState, World
from connmon_agent.loading.defaults import PORTS
from connmon_agent.metrics.catalog import Observed, Process

BORN = 1_795_000_000.0
TARGETS = (
    "tcp 1.1.1.1:443",
    "dns 9.9.9.9 (example.com)",
    "http://connectivitycheck.gstatic.com/generate_204",
    'http://portal.example/?q="a\\b"',
    "icmp 192.0.2.1",
)


def at(seconds: float) -> Timestamp:
    return Timestamp(seconds, BORN + seconds)


def erp_plan() -> Plan:
    services = tuple(
        ServicePlan(name, Kind.DEPLOYMENT, "erp-system", name, forward=ForwardPlan(ports[0], ports[1:]))
        for name, ports in PORTS.items()
    )
    return Plan(services=services)


def new_site() -> Observed:
    """An agent whose first round has not ended."""
    world = World(store="k7", plan=erp_plan())
    process = Process(started=BORN, loop_lag=0.0001, writable=True)
    return Observed(
        "0.1.0", world, TARGETS, 4096, running=True, watched=True, channels=("mail", "sms"), born=BORN, process=process
    )


def old_site() -> Observed:
    """A site with a past: every counter has moved."""
    plan = erp_plan()
    services = {name: Service(name, ServiceState.READY, attempts=1) for name in PORTS}
    services["grafana"] = Service("grafana", ServiceState.GAVE_UP, attempts=3)
    forwards = {name: Forward(name, ForwardState.OPEN, port=ports[0]) for name, ports in PORTS.items()}
    outage = Outage(3, at(500.25), "gateway", back=at(560))
    world = structs.replace(
        World(store="k7", plan=plan, services=services, forwards=forwards, outage=outage),
        link=Link(LinkState.RECOVERING),
    )
    counters = Counters(
        {"gateway": 2, "dns": 1},
        {"grafana": {"applied": 2, "refused": 1}},
        61.5,
        {"ONLINE": 400.125, "OFFLINE": 59.75},
        BORN,
    )
    lines = LineCounters(
        {TARGETS[0]: ProbeCounters(200, 20, 3.25, (10, 100, 60, 5, 3, 1, 1, 0, 0))},
        {"frontend": Flow(9000, 800, open=2)},
        BORN,
    )
    process = Process(BORN + 100, 0.000125, False, (5, 40, 3, 0, 1, 0, 0, 0, 1), 12.5, 2)
    return replace(
        new_site(),
        world=world,
        counters=counters,
        lines=lines,
        journal_bytes=81920,
        heartbeat=BORN + 570,
        unsent=(Notice(3, 3, "mail", "digest", 7, 19, at(560), at(570), attempts=1, detail="connection refused"),),
        process=process,
    )
