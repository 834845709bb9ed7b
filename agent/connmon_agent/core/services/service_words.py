"""What the reasons of statecharts/service.yaml may tell: one sentence, or a part of one, for each field."""

from __future__ import annotations

from collections.abc import Callable

from ..draft import ServiceContext
from ..link.damping import describe_damping
from ..link.monitoring_gaps import describe_monitoring_gap
from ..observations import Observation, Rollout
from ..ports.reach import describe_port
from ..wording import in_words
from ..world import ServiceState
from .preflight import Verdict, judge
from .replacements import explain_undoing


def observation_of(context: ServiceContext) -> Observation | None:
    """What the cluster showed of the service; None: it could not tell, or was not asked."""
    return context.seen if isinstance(context.seen, Observation) else None


def verdict_of(context: ServiceContext) -> Verdict:
    """The last look before a restart. The service must have been inspected, in an outage."""
    assert context.seen is not None
    return judge(context.draft.world, context.service, context.seen, context.draft.at)


def _observation(context: ServiceContext) -> str:
    seen = context.seen
    if not isinstance(seen, Observation):
        return seen.reason if seen is not None else ""
    if not seen.exists:
        return seen.progress or "not found in the cluster"
    if seen.healthy:
        return f"{seen.available} of {seen.desired} available" if seen.desired else "scaled to 0"
    state = seen.trouble or seen.progress or f"{seen.available} of {seen.desired} available"
    return f"rollouts paused: {state}" if seen.paused else state


def _failure(context: ServiceContext) -> str:
    """Why the rollout failed: what its pods show, not how many there are, and what serves all the same."""
    seen = observation_of(context)
    if seen is not None and seen.healthy:
        return explain_undoing(context.service)
    if seen is not None and seen.rollout is Rollout.FAILED:
        return "; ".join(filter(None, (seen.trouble, seen.progress))) + _serving(context)
    timeout = in_words(context.draft.plan.recovery.ready_timeout)
    return f"not ready within {timeout}: {_observation(context)}{_serving(context)}"


def _serving(context: ServiceContext) -> str:
    """What of a service that is not healthy still serves, as the end of a sentence."""
    seen = observation_of(context)
    if seen is None or seen.healthy or not seen.available:
        return ""
    if seen.old_serving == 1:
        return "; the old pod is still serving"
    if seen.old_serving:
        return f"; {seen.old_serving} old pods are still serving"
    return f"; {seen.available} of {seen.desired} replicas are still serving"


def _plan(context: ServiceContext) -> str:
    draft = context.draft
    if not draft.plan.recovery.act:
        return "shadow mode: checked, not restarted"
    stage = draft.plan.service(context.name).stage
    queued = f"queued for a restart in stage {stage + 1}" if stage else "queued for a restart"
    return queued + _damping(context)


def _lacking(context: ServiceContext) -> str:
    """The services that it depends on and that were skipped or given up: it does not wait for them."""
    services = context.draft.world.services
    names = (name for name in context.draft.plan.service(context.name).depends_on if name in services)
    told = [f"{name} ({services[name].state})" for name in names if services[name].state != ServiceState.READY]
    return f"; dependencies not ready: {', '.join(told)}" if told else ""


def _damping(context: ServiceContext) -> str:
    damping = describe_damping(context.draft.link, context.draft.at)
    return f"; {damping}" if damping else ""


FIELDS: dict[str, Callable[[ServiceContext], str]] = {
    "observation": _observation,
    "plan": _plan,
    "lacking": _lacking,
    "monitoring_gap": lambda context: describe_monitoring_gap(context.draft.world.monitoring_gap),
    "damping": _damping,
    "verdict": lambda context: verdict_of(context).reason,
    "failure": _failure,
    "undone": lambda context: f"; {context.service.undone}" if context.service.undone else "",
    "serving": _serving,
    "port": lambda context: describe_port(context.draft.world, context.name),
    "answer": lambda context: context.answer,
    "attempt": lambda context: str(context.service.attempts),
    "next_attempt": lambda context: str(context.service.attempts + 1),
    "limit": lambda context: str(context.draft.plan.recovery.max_restart_attempts),
    "ready_timeout": lambda context: in_words(context.draft.plan.recovery.ready_timeout),
    "healthy_for": lambda context: in_words(context.draft.plan.recovery.healthy_for),
    "operator": lambda context: context.draft.by,
}
