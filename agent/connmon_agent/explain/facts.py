"""Evidence in words, by layer: what was seen, apart from what is concluded from it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..core.events import (
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
    Ordered,
    PortsSeen,
    QualityChanged,
    RestartAnswered,
    RoundFinished,
    TimerDue,
)
from ..core.link.causes import ADVICE, Cause, find_unheard
from ..core.link.monitoring_gaps import is_monitoring_gap
from ..core.link.quality import explain_quality
from ..core.observations import Evidence, Observation, ProbeResult, Pull, Quality, Reach, Rollout, Unobserved
from ..core.plan import QualityPlan
from ..core.wording import counted, in_words, tell_metered, tell_obstacle, tell_reach
from ..core.world import Link

# From the cable up. What is not named here comes last.
ORDER = ("interface", "route", "gateway", "dns", "tcp", "icmp", "http", "api", "quality")


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that was seen. ``ok`` None: it is neither good nor bad."""

    layer: str
    ok: bool | None
    text: str


def advise(cause: str | None) -> str:
    """What to do about ``cause``; nothing where it is no cause of a bad link."""
    return ADVICE[Cause(cause)] if cause in set(Cause) else ""


def link_facts(link: Link, results: Sequence[ProbeResult], quality: QualityPlan) -> tuple[Fact, ...]:
    """The evidence on the link: the operating system's, then each target's, from the cable up."""
    unheard = {result.name for result in find_unheard(results, link.heard)}
    facts = [
        *evidence_facts(link.evidence),
        *(_probe_fact(result, link, unheard=result.name in unheard) for result in results),
        *_background_facts(link, quality, asked={result.kind for result in results}),
    ]
    return tuple(sorted(facts, key=lambda fact: ORDER.index(fact.layer) if fact.layer in ORDER else len(ORDER)))


def evidence_facts(evidence: Evidence) -> Iterator[Fact]:
    """What the operating system reports."""
    name = evidence.interface or "the interface to the internet"
    if evidence.carrier is not None:
        yield Fact("interface", evidence.carrier, f"{name} has {'a' if evidence.carrier else 'no'} carrier")
    if evidence.dark is not None:
        yield Fact("interface", False, f"{evidence.dark} has no carrier")
    if evidence.default_route is not None:
        route = f"default route via {evidence.gateway}" if evidence.gateway else "default route present"
        yield Fact("route", evidence.default_route, route if evidence.default_route else "no default route")


def _probe_fact(result: ProbeResult, link: Link, *, unheard: bool) -> Fact:
    if result.ok:
        answer = "answered" if result.latency_ms is None else f"answered in {result.latency_ms:.1f} ms"
        answer += f" via proxy {result.proxy}" if result.proxy is not None else ""
    else:
        answer = result.reason or "no answer"
    doubt = ""
    if result.kind in link.suspects:
        doubt = " (not counted: this kind of probe is suspect)"
    elif unheard:
        doubt = " (not counted: no expected answer since the agent started)"
    return Fact(result.kind, result.ok, f"{result.name.removeprefix(result.kind + ' ')}: {answer}{doubt}")


def _background_facts(link: Link, quality: QualityPlan, *, asked: Collection[str]) -> Iterator[Fact]:
    """What no probe of this round says. The API's address is not asked in each: what was found last still holds."""
    if link.measured_quality is not None:
        yield Fact(
            "quality", link.measured_quality.quality is Quality.GOOD, explain_quality(link.measured_quality, quality)
        )
    if link.api is not None and "api" not in asked:
        yield Fact("api", False, link.api)
    if link.cluster is not None:
        yield Fact("api", False, link.cluster)  # what a request met; the address itself may be well


def observation_facts(seen: Observation | Unobserved) -> tuple[Fact, ...]:
    """What the cluster showed of a workload."""
    if isinstance(seen, Unobserved):
        return (Fact("api", False, f"{seen.reason} ({seen.kind})"),)
    if not seen.exists:
        return (Fact("object", False, seen.progress or "not found in the cluster"),)
    return tuple(_workload_facts(seen))


def _workload_facts(seen: Observation) -> Iterator[Fact]:
    enough = seen.available >= seen.desired
    on_its_way = seen.rollout is Rollout.UNDER_WAY  # not done, and not failed either
    yield Fact("replicas", True if enough else None if on_its_way else False, _tell_replicas(seen))
    yield Fact(
        "rollout",
        True if seen.healthy else None if on_its_way else False,
        f"{seen.rollout}{f': {seen.progress}' if seen.progress else ''}",
    )
    if seen.trouble is not None:
        yield Fact("pods", False, seen.trouble)
    if seen.blocked_by is not None:
        yield Fact("budget", False, f"PodDisruptionBudget {seen.blocked_by} allows no disruption")
    yield from map(_pull_fact, seen.pulls)
    if seen.restartable is not None:
        yield Fact("object", False, seen.restartable)
    if seen.gated is not None:
        yield Fact("gate", False, f"{seen.gated}; its owner must remove it")
    if seen.old_serving and not seen.healthy:
        yield Fact("serving", None, f"{counted(seen.old_serving, 'old pod')} still ready")
    if seen.paused:
        yield Fact("rollout", False, "rollouts paused")
    yield Fact("token", None, seen.token or "never restarted by connmon-agent")


def _pull_fact(pull: Pull) -> Fact:
    image = f"{pull.image} must be pulled ({pull.why})"
    if pull.answer is None:
        return Fact("registry", None, f"{pull.registry} not checked; {image}")
    limit = f", for {in_words(pull.answer.retry_after)} more" if pull.answer.retry_after is not None else ""
    ok = {Reach.REACHABLE: True, Reach.UNKNOWN: None}.get(pull.answer.reach, False)
    return Fact("registry", ok, f"{pull.registry} {tell_reach(pull.answer)}{limit}; {image}")


def _tell_replicas(seen: Observation) -> str:
    return f"{seen.available} of {seen.desired} available"


def event_facts(event: Event, link: Link, quality: QualityPlan) -> tuple[Fact, ...]:
    """The evidence that ``event`` brought; ``link`` is as it was after it."""
    match event:
        case RoundFinished(results=results):
            return link_facts(link, results, quality)
        case EvidenceChanged(evidence=evidence):
            return tuple(evidence_facts(evidence))
        case QualityChanged(measured_quality=measured_quality):
            return (
                Fact("quality", measured_quality.quality is Quality.GOOD, explain_quality(measured_quality, quality)),
            )
        case Inspected(seen=seen):
            return observation_facts(seen)
        case RestartAnswered(outcome=outcome, reason=reason):
            return (Fact("answer", None, f"{outcome}: {reason}"),)
        case PortsSeen(taken=taken):
            return tuple(Fact("port", False, tell_obstacle(port, words)) for port, words in taken)
        case ListenAnswered(refusal=refusal):
            return (Fact("port", refusal is None, refusal or "open"),)
        case ForwardChecked(port=port, trouble=trouble):
            found = trouble or "reached the service"
            return (Fact("port", trouble is None, f"connection through {port}: {found}"),)
        case _:
            return ()


def describe_event(event: Event) -> str:
    """What happened, in a few words."""
    match event:
        case AgentStarted(version=version, pid=pid):
            return f"agent started (version {version}, pid {pid})"
        case AgentStopped(reason=reason):
            return f"agent stopped: {reason}"
        case Configured(plan=plan):
            return f"configuration with {counted(len(plan.services), 'service')} loaded"
        case RoundFinished(results=results):
            return f"round of probes: {_count_answers(results)} answered"
        case EvidenceChanged():
            return "default route or carrier changed"
        case QualityChanged(measured_quality=measured_quality):
            return f"link quality changed: {measured_quality.quality}"
        case MeteredSeen(metered=metered, source=source):
            return tell_metered(metered, source)
        case MonitoringGapEnded(cause=cause):
            if not is_monitoring_gap(event):
                return cause
            possible = "" if event.since.steady < event.at.steady else "possible "
            return f"{possible}monitoring gap: {cause}"
        case Inspected(service=service):
            return f"{service} checked in the cluster"
        case RestartAnswered(service=service):
            return f"restart of {service} answered by the cluster"
        case TimerDue(timer=timer):
            return f"timer {timer} elapsed"
        case PortsSeen(taken=taken):
            return f"local ports checked: {len(taken)} not available"
        case ListenAnswered(service=service, refusal=refusal):
            return f"local port of {service} {'refused' if refusal else 'opened'}"
        case ForwardChecked(service=service, port=port):
            return f"local port {port} of {service} checked"
        case Ordered(order=order, services=services, by=by):
            return f"{' '.join((order, *services))} requested by {by}"


def _count_answers(results: Iterable[ProbeResult]) -> str:
    answers = [result.ok for result in results]
    return f"{sum(answers)} of {len(answers)} targets"
