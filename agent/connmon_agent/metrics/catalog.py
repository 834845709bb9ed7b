"""Every metric of the agent. Names and labels are fixed by tests/metrics/golden.txt, see docs/monitoring.md.

The rules: https://prometheus.io/docs/practices/naming/. Labels are called ``workload`` and ``target``, because
``service``, ``instance`` and ``job`` are what Prometheus itself attaches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.counters import COMMITS, DURATIONS, OUTAGE_CAUSES, OUTCOMES, Counters, Flow, LineCounters, ProbeCounters
from ..core.notices import Notice
from ..core.plan import ServicePlan
from ..core.world import ForwardState, LinkState, Service, ServiceState, World
from .families import Family, counter, gauge, histogram, info, labelled, state_set

UNKNOWN = "UNKNOWN"  # the link's state while no agent monitors it
LINK_STATES = (*LinkState, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Process:
    """What only the running agent knows, since ``started`` (Unix seconds).

    ``loop_lag`` is how many seconds its event loop took to answer. ``commits`` counts the commits by their durations
    (``COMMITS``), which took ``commit_seconds`` in all. ``writable``: the journal can be written. ``pings`` of the
    heartbeat were delivered, and were not.
    """

    started: float
    loop_lag: float
    writable: bool
    commits: Sequence[int] = (0,) * (len(COMMITS) + 1)
    commit_seconds: float = 0.0
    internal_errors: int = 0
    pings: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Observed:
    """All that the metrics are made of.

    ``watched``: an agent watches the link now. ``heartbeat`` is its last sign of life and ``born`` when the state file
    was begun, in Unix seconds (None: never). ``channels`` are those that get notices, ``unsent`` the notices that are
    to be sent. ``process`` None: this is read from the state file alone.
    """

    version: str
    world: World
    targets: tuple[str, ...]
    journal_bytes: int
    running: bool
    watched: bool
    counters: Counters = field(default_factory=Counters)
    lines: LineCounters = field(default_factory=LineCounters)
    heartbeat: float | None = None
    born: float | None = None
    channels: tuple[str, ...] = ()
    unsent: tuple[Notice, ...] = ()
    process: Process | None = None


def make_families(seen: Observed) -> list[Family]:
    """Every family, in a fixed order; all series are there from the beginning."""
    families = [*_agent(seen), *_link(seen), *_probes(seen), *_workloads(seen), *_forwards(seen), *_journal(seen)]
    families += _notices(seen)
    return families if seen.process is None else [*families, *_process(seen.process)]


def _agent(seen: Observed) -> Iterator[Family]:
    yield info("connmon_build", "Version of the agent that last wrote the state file.", {"version": seen.version})
    yield gauge(
        "connmon_agent_running", "Whether an agent is running on the state directory.", [((), float(seen.running))]
    )
    yield gauge(
        "connmon_agent_heartbeat_timestamp_seconds",
        "When the agent last finished a round of probes, in Unix seconds; 0: never.",
        [((), seen.heartbeat or 0.0)],
        unit="seconds",
    )


def _link(seen: Observed) -> Iterator[Family]:
    link, outage, counters = seen.world.link, seen.world.outage, seen.counters
    state = str(link.state) if seen.watched else UNKNOWN
    yield state_set("connmon_link_state", "State of the internet link.", LINK_STATES, [((), state)])
    yield counter(
        "connmon_link_state_seconds",
        "Seconds in each state of the link, up to the newest round; monitoring gaps are in none.",
        [(labelled(state=name), counters.seconds.get(name, 0.0)) for name in LinkState],
        created=counters.since or seen.born,
        unit="seconds",
    )
    yield counter(
        "connmon_outages",
        "Outages by the cause that was observed first; ordered: recoveries requested by an operator.",
        [(labelled(cause=str(cause)), counters.outages.get(cause, 0)) for cause in OUTAGE_CAUSES],
        created=seen.born,
    )
    yield gauge(
        "connmon_outage_start_timestamp_seconds",
        "When the current or the last outage began, in Unix seconds; 0: there was none.",
        [((), outage.started.wall if outage else 0.0)],
        unit="seconds",
    )
    yield counter(
        "connmon_blind_seconds",
        "Seconds of monitoring gaps: no agent ran, the machine slept, or the process stalled.",
        [((), counters.monitoring_gap)],
        created=seen.born,
        unit="seconds",
    )


def _probes(seen: Observed) -> Iterator[Family]:
    lines, created = seen.lines, seen.lines.since or seen.born
    known = [(labelled(target=name), lines.probes.get(name) or ProbeCounters()) for name in seen.targets]
    yield histogram(
        "connmon_probe_duration_seconds",
        "Seconds until a target answered; a probe without an answer is in connmon_probe_failures_total alone.",
        DURATIONS,
        [(labels, counters.durations, counters.seconds) for labels, counters in known],
        created=created,
        unit="seconds",
    )
    yield counter(
        "connmon_probes", "Probes made.", [(labels, counters.probes) for labels, counters in known], created=created
    )
    yield counter(
        "connmon_probe_failures",
        "Probes that failed.",
        [(labels, counters.failures) for labels, counters in known],
        created=created,
    )


def _workloads(seen: Observed) -> Iterator[Family]:
    world, budget = seen.world, seen.world.plan.recovery.max_restart_attempts
    services = [(plan.name, world.services.get(plan.name) or Service(plan.name)) for plan in world.plan.services]
    yield state_set(
        "connmon_workload_state",
        "State of each configured workload.",
        tuple(ServiceState),
        [(labelled(workload=name), service.state) for name, service in services],
    )
    yield gauge(
        "connmon_restart_attempts_remaining",
        "Restart attempts left for the workload; reset by sustained health or rearm.",
        [(labelled(workload=name), max(0, budget - service.attempts)) for name, service in services],
    )
    counts = seen.counters.restarts
    yield counter(
        "connmon_restarts",
        "Restarts by outcome; foreign: another client changed the workload first.",
        [
            (labelled(workload=name, outcome=outcome), counts.get(name, {}).get(outcome, 0))
            for name, _ in services
            for outcome in OUTCOMES
        ],
        created=seen.born,
    )


def _forwards(seen: Observed) -> Iterator[Family]:
    plans, flows = _forwarded(seen.world), seen.lines.flows
    yield gauge(
        "connmon_forward_open",
        "Whether the workload's local port reaches it.",
        [(labelled(workload=plan.name), float(seen.running and _is_open(seen.world, plan.name))) for plan in plans],
    )
    yield gauge(
        "connmon_forward_connections",
        "Connections that are open through the workload's local port.",
        [(labelled(workload=plan.name), _flow(flows, plan.name).open if seen.running else 0) for plan in plans],
    )
    directions = [(plan.name, *pair) for plan in plans for pair in _directions(_flow(flows, plan.name))]
    yield counter(
        "connmon_forward_bytes",
        "Bytes through the workload's local port; received: from the cluster, sent: to it.",
        [(labelled(workload=name, direction=direction), value) for name, direction, value in directions],
        created=seen.lines.since or seen.born,
        unit="bytes",
    )


def _forwarded(world: World) -> list[ServicePlan]:
    return [plan for plan in world.plan.services if plan.forward]


def _is_open(world: World, name: str) -> bool:
    forward = world.forwards.get(name)
    return forward is not None and forward.state == ForwardState.OPEN


def _flow(flows: Mapping[str, Flow], name: str) -> Flow:
    return flows.get(name) or Flow()


def _directions(flow: Flow) -> tuple[tuple[str, int], ...]:
    return ("received", flow.received), ("sent", flow.sent)


def _journal(seen: Observed) -> Iterator[Family]:
    yield gauge(
        "connmon_journal_size_bytes",
        "Bytes of the state file and its log on the disk.",
        [((), seen.journal_bytes)],
        unit="bytes",
    )


def _notices(seen: Observed) -> Iterator[Family]:
    yield gauge(
        "connmon_notices_unsent",
        "Notices that are still to be sent on the channel.",
        [(labelled(channel=name), sum(one.channel == name for one in seen.unsent)) for name in seen.channels],
    )
    yield gauge(
        "connmon_notices_oldest_timestamp_seconds",
        "When the oldest unsent notice was queued, in Unix seconds; 0: all are sent.",
        [((), min((one.queued.wall for one in seen.unsent), default=0.0))],
        unit="seconds",
    )


def _process(process: Process) -> Iterator[Family]:
    yield gauge(
        "connmon_journal_writable",
        "Whether the state file can be written; without it nothing is restarted.",
        [((), float(process.writable))],
    )
    yield histogram(
        "connmon_journal_commit_duration_seconds",
        "Seconds that a decision took to become durable, since the agent's start.",
        COMMITS,
        [((), process.commits, process.commit_seconds)],
        created=process.started,
        unit="seconds",
    )
    yield gauge(
        "connmon_loop_lag_seconds",
        "Seconds that the agent's event loop took to answer this scrape.",
        [((), process.loop_lag)],
        unit="seconds",
    )
    yield counter(
        "connmon_internal_errors",
        "Internal errors of the agent since it started; each is logged.",
        [((), process.internal_errors)],
        created=process.started,
    )
    yield counter(
        "connmon_heartbeat_pings",
        "Pings of the configured heartbeat since the agent's start, by whether they were delivered.",
        [(labelled(outcome=name), count) for name, count in zip(("delivered", "failed"), process.pings, strict=True)],
        created=process.started,
    )
