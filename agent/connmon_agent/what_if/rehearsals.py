"""A rehearsal: what the agent would do in an outage that has not happened, from its own world of now.

Rounds come at the agent's own pace, and every target answers but for what is injected. Nothing is written anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from msgspec.structs import replace

from ..core.demands import next_round
from ..core.events import EvidenceChanged
from ..core.link.causes import LAYERS
from ..core.observations import Evidence, Failure, ProbeResult
from ..core.services.recovery import UNSETTLED
from ..core.timestamps import Timestamp
from ..core.world import LinkState
from .hypotheses import HypotheticalAgent

LONGEST_AFTER = 6 * 3600.0  # seconds after the last fault in which everything has to settle
SILENCE = "no answer (rehearsal)"


class Fault(StrEnum):
    """What can be wrong with the link."""

    BLACK_HOLE = "black-hole"  # every packet is lost in silence
    NO_CARRIER = "no-carrier"  # the cable is out, and the operating system says so
    NO_ROUTE = "no-route"  # no default route
    GATEWAY = "gateway"  # the router does not answer
    DNS = "dns"  # names do not resolve
    PORTAL = "portal"  # something answers in the internet's place


_EVIDENCE = {Fault.NO_CARRIER: {"carrier": False}, Fault.NO_ROUTE: {"default_route": False}}


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault of the link from ``since`` until ``until``, in steady seconds."""

    fault: Fault
    since: float
    until: float


def rehearse(
    agent: HypotheticalAgent,
    targets: Sequence[ProbeResult],
    injections: Sequence[Injection],
    start: Timestamp,
    *,
    took: Callable[[Timestamp, tuple[ProbeResult, ...]], None] | None = None,
) -> Timestamp:
    """Let the agent live through the faults, until it has settled after the last one; returns when that was.

    ``targets`` are the newest results of all targets. ``took`` is given every round.
    """
    script = _Script(targets, injections)
    offset = start.wall - start.steady
    healthy = agent.world.link.evidence
    now, last = start.steady, max((one.until for one in injections), default=start.steady)
    agent.part(start)
    while now < last + LONGEST_AFTER:
        at = Timestamp(now, now + offset)
        agent.advance(at)
        evidence = script.evidence_at(now, healthy)
        if evidence != agent.world.link.evidence:
            agent.take_event(EvidenceChanged(at, evidence))
        pattern, results = script.results_at(now)
        moved = agent.take_round(at, results, pattern)
        if took is not None:
            took(at, results)
        if now >= last and _is_settled(agent):
            break
        due = next_round(agent.world, now)
        calm = not moved and agent.world.link.state == LinkState.ONLINE and took is None
        now = max(due, min(script.next_change(now), agent.due)) if calm else due
    return Timestamp(now, now + offset)


def _is_settled(agent: HypotheticalAgent) -> bool:
    world = agent.world
    unsettled = any(service.state in UNSETTLED for service in world.services.values())
    return world.link.state == LinkState.ONLINE and not unsettled


class _Script:
    """What targets and the operating system show at each time."""

    def __init__(self, targets: Sequence[ProbeResult], injections: Sequence[Injection]) -> None:
        self._well = tuple(
            replace(one, ok=True, reason=None, failure=None, latency_ms=one.latency_ms or 10.0, attempts=1, at=None)
            for one in targets
        )
        self._injections = sorted(injections, key=lambda one: one.since)
        self._known: dict[tuple[Fault, ...], tuple[int, tuple[ProbeResult, ...]]] = {}

    def results_at(self, now: float) -> tuple[int, tuple[ProbeResult, ...]]:
        """The number of the pattern, and the results."""
        faults = self._faults_at(now)
        if faults not in self._known:
            results = self._well
            for fault in faults:
                results = tuple(_spoil(one, fault) for one in results)
            self._known[faults] = (len(self._known), results)
        return self._known[faults]

    def evidence_at(self, now: float, healthy: Evidence) -> Evidence:
        """What the operating system says then."""
        evidence = healthy
        for fault in self._faults_at(now):
            evidence = replace(evidence, **_EVIDENCE.get(fault, {}))
        return evidence

    def next_change(self, now: float) -> float:
        """When a fault begins or ends next; inf: none does."""
        times = [time for one in self._injections for time in (one.since, one.until)]
        return min((time for time in times if time > now), default=inf)

    def _faults_at(self, now: float) -> tuple[Fault, ...]:
        return tuple(one.fault for one in self._injections if one.since <= now < one.until)


def _spoil(result: ProbeResult, fault: Fault) -> ProbeResult:
    failure = _find_failure(result.kind, fault)
    if failure is None:
        return result
    reason = SILENCE if failure is Failure.SILENT else f"{failure.value} (rehearsal)"
    return replace(result, ok=False, latency_ms=None, reason=reason, failure=failure)


def _find_failure(kind: str, fault: Fault) -> Failure | None:
    """How a target of that kind fails; None: it answers."""
    if fault is Fault.DNS:
        return Failure.SERVFAIL if kind == "dns" else None
    if fault is Fault.PORTAL:
        return Failure.WRONG if kind == "http" else None
    if kind in LAYERS:
        return Failure.SILENT if fault in (Fault.BLACK_HOLE, Fault.GATEWAY) else Failure.UNREACHABLE
    if kind == "gateway" and fault is not Fault.BLACK_HOLE:
        return Failure.SILENT
    return Failure.DOWN if kind == "interface" and fault is Fault.NO_CARRIER else None
