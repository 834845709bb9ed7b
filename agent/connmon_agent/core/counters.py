"""Counters of what happened since the state file was made, kept beside the events and committed with them.

A counter that went back would look like a restart to Prometheus, which then adds its whole value once more. So a value
is shown only after it was written, and what a power cut may have taken back begins anew at zero (``after_power_cut``).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from .effects import LISTEN_TOKEN
from .events import AgentStarted, AgentStopped, Event
from .link.causes import Cause
from .observations import ProbeResult, Traffic
from .steps import Step
from .stored_names import stored_name
from .world import World

# Upper bounds in seconds of the answers' durations; one more class holds what took longer.
DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
# Of the commits' durations; from a second on a disk is in trouble.
COMMITS = (0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 10.0)
ORDERED, OTHER = "ordered", "other"  # an outage that an operator ordered; one whose cause an older agent put in words
OUTAGE_CAUSES = (
    *(Cause.NO_CARRIER, Cause.NO_ROUTE, Cause.GATEWAY, Cause.DNS, Cause.PORTAL, Cause.UNREACHABLE, Cause.PARTIAL),
    *(ORDERED, OTHER),
)
OUTCOMES = ("applied", "refused", "foreign", "abandoned")  # of a restart, see core.steps.Resolution
# Kinds that are asked beside the configured targets, now and then; what is counted is counted for targets.
ASIDE = frozenset({"gateway", "interface", "api"})
MOST_TARGETS = 32  # that are remembered, with those of older configurations


class Counters(Struct, frozen=True, rename=stored_name):
    """What the events make: it is written with each commit that changes it.

    ``outages`` by the cause that each had when it began, ``restarts`` by service and outcome, ``monitoring_gap``
    seconds. These go back to the file's beginning. ``seconds`` by link state were counted from ``since`` on (Unix
    seconds), up to ``until`` (steady seconds; None: nothing was counted yet). ``boot`` names the boot in which that was
    written.
    """

    outages: Mapping[str, int] = field(default_factory=dict)
    restarts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    monitoring_gap: float = 0.0
    seconds: Mapping[str, float] = field(default_factory=dict)
    since: float = 0.0
    until: float | None = None
    boot: str = ""


class ProbeCounters(Struct, frozen=True):
    """The probes of one target. ``durations`` counts the answers by ``DURATIONS``; ``seconds`` is what they took."""

    probes: int = 0
    failures: int = 0
    seconds: float = 0.0
    durations: tuple[int, ...] = (0,) * (len(DURATIONS) + 1)


class Flow(Struct, frozen=True):
    """What went through one service's local port, in bytes; ``seen_...`` is what its agent had told by then."""

    received: int = 0  # from the cluster
    sent: int = 0  # to it
    seen_received: int = 0
    seen_sent: int = 0
    open: int = 0  # connections, as last seen


class LineCounters(Struct, frozen=True):
    """What is counted between the events: it is written with each round and each note of the traffic.

    ``probes`` by the target's name, ``flows`` by service; both from ``since`` on (Unix seconds).
    """

    probes: Mapping[str, ProbeCounters] = field(default_factory=dict)
    flows: Mapping[str, Flow] = field(default_factory=dict)
    since: float = 0.0


class Durations:
    """Counts durations by classes with these upper bounds in seconds, for one writer; ``so_far`` is for any thread."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.so_far: tuple[tuple[int, ...], float] = ((0,) * (len(bounds) + 1), 0.0)  # by class, and their sum

    def add(self, seconds: float) -> None:
        """Count one of so many seconds."""
        counts, total = self.so_far
        self.so_far = classify(counts, self._bounds, seconds), total + seconds


def classify(counts: tuple[int, ...], bounds: tuple[float, ...], seconds: float) -> tuple[int, ...]:
    """``counts`` with one more in the class of ``seconds``; a bound belongs to the class below it."""
    place = bisect_left(bounds, seconds)
    return tuple(count + (index == place) for index, count in enumerate(counts))


def count_step(counters: Counters, event: Event, before: World, step: Step) -> Counters:
    """``counters`` with what ``event`` made of the world ``before``; the very same ones where it changed none."""
    after, steady = step.world, event.at.steady
    changed = counters
    turned = after.link.state != before.link.state or after.monitoring_gap != before.monitoring_gap
    if turned or counters.until is None or isinstance(event, AgentStarted | AgentStopped):
        changed = _count_time(changed, steady, before, _gap_seconds(before, after))
    if after.outage is not None and (before.outage is None or after.outage.id != before.outage.id):
        changed = replace(changed, outages=_add(changed.outages, name_cause(after.outage.cause)))
    for one in step.resolutions:
        if not one.token.startswith(LISTEN_TOKEN):
            outcomes = _add(changed.restarts.get(one.service, {}), one.outcome)
            changed = replace(changed, restarts={**changed.restarts, one.service: outcomes})
    return changed


def count_time(counters: Counters, steady: float, world: World) -> Counters:
    """``counters`` with the time up to ``steady``, in which the link was as it is in ``world``."""
    return _count_time(counters, steady, world, 0.0)


def _count_time(counters: Counters, steady: float, world: World, monitoring_gap: float) -> Counters:
    passed = 0.0 if counters.until is None else max(0.0, steady - counters.until)
    monitoring_gap = min(monitoring_gap, passed)
    state = str(world.link.state)
    seconds = {**counters.seconds, state: counters.seconds.get(state, 0.0) + passed - monitoring_gap}
    until = steady if counters.until is None else max(steady, counters.until)
    return replace(counters, seconds=seconds, monitoring_gap=counters.monitoring_gap + monitoring_gap, until=until)


def _gap_seconds(before: World, after: World) -> float:
    """Seconds of a monitoring gap that this step has recorded."""
    gap = after.monitoring_gap
    return 0.0 if gap is None or gap == before.monitoring_gap else max(0.0, gap.until.steady - gap.since.steady)


def name_cause(cause: str) -> str:
    """The cause as a counter names it: one of ``OUTAGE_CAUSES``, however an older agent put it."""
    return cause if cause in OUTAGE_CAUSES else OTHER


def count_probes(lines: LineCounters, probed: Iterable[ProbeResult], targets: Iterable[str]) -> LineCounters:
    """``lines`` with the results of one round. ``targets`` are those that are known to be asked; others are forgotten
    where there are too many.
    """
    probes = dict(lines.probes)
    for result in probed:
        if result.kind not in ASIDE:
            probes[result.name] = _count_probe(probes.get(result.name, ProbeCounters()), result)
    if len(probes) > MOST_TARGETS:
        probes = {name: probes[name] for name in targets if name in probes}
    return replace(lines, probes=probes)


def _count_probe(counters: ProbeCounters, result: ProbeResult) -> ProbeCounters:
    failures = counters.failures + (not result.ok)
    if result.latency_ms is None:
        return replace(counters, probes=counters.probes + 1, failures=failures)
    seconds = result.latency_ms / 1000.0
    durations = classify(counters.durations, DURATIONS, seconds)
    return ProbeCounters(counters.probes + 1, failures, counters.seconds + seconds, durations)


def count_traffic(lines: LineCounters, traffic: Iterable[Traffic]) -> LineCounters:
    """``lines`` with what went through the ports. Who tells less than before has begun anew."""
    flows = {one.service: _count_flow(lines.flows.get(one.service, Flow()), one) for one in traffic}
    return replace(lines, flows={**lines.flows, **flows})


def _count_flow(flow: Flow, now: Traffic) -> Flow:
    received = now.received - (flow.seen_received if now.received >= flow.seen_received else 0)
    sent = now.sent - (flow.seen_sent if now.sent >= flow.seen_sent else 0)
    return Flow(flow.received + received, flow.sent + sent, now.received, now.sent, now.open)


def with_new_agent(lines: LineCounters) -> LineCounters:
    """``lines`` for an agent that has just started: it tells its traffic from zero on, and nothing is connected."""
    return replace(lines, flows={name: Flow(flow.received, flow.sent) for name, flow in lines.flows.items()})


def after_power_cut(counters: Counters, lines: LineCounters, wall: float) -> tuple[Counters, LineCounters]:
    """Both, where what was written last may be lost: what is counted between events begins anew at ``wall``."""
    return replace(counters, seconds={}, since=wall), LineCounters(since=wall)


def _add(counts: Mapping[str, int], name: str) -> dict[str, int]:
    return {**counts, name: counts.get(name, 0) + 1}
