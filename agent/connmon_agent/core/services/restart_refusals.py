"""What follows when the cluster refuses a restart: nothing was done, so nothing is charged, and a pause comes first.

An attempt is charged when its intent is committed, before anything is sent. Where the answer is a certain no, the same
commit that settles the intent takes the charge back: whenever the agent dies, the charge and the intent go together.
A request that was sent more than once keeps its charge, for the first one may still arrive.
"""

from __future__ import annotations

from ..draft import ServiceContext
from ..plan import RecoveryPlan
from ..timestamps import Timestamp
from ..world import Outage, Service
from .restart_backoff import pause_after

# Seconds before the next try after somebody else's change came between the look and the request; it doubles as well.
CONFLICT_PAUSE = 1.0


def is_conflict(context: ServiceContext) -> bool:
    """Whether the request's precondition did not hold."""
    return context.answer_kind == "conflict"


def is_gone(context: ServiceContext) -> bool:
    """Whether the API server said that there is no such object."""
    return context.answer_kind == "not-found"


def is_refused_otherwise(context: ServiceContext) -> bool:
    """Whether the cluster will not do it: a policy, a missing permission, an object that it takes for invalid."""
    return not is_conflict(context) and not is_gone(context)


def refund_attempt(context: ServiceContext) -> None:
    """Take the charge of a request back that certainly had no effect, and remember why."""
    service = context.service
    context.draft.change_service(
        context.name,
        attempts=max(0, service.attempts - 1),
        refusals=service.refusals + 1,
        refused=service.refused or context.draft.at,
        refusal=context.answer,
    )


def forget_refusals(context: ServiceContext) -> None:
    """A restart was taken, or the recovery is over for this service."""
    if context.service.refusals:
        context.draft.change_service(context.name, refusals=0, refused=None, refusal="")


def refusal_pause(context: ServiceContext, *, seed: str) -> float:
    """Seconds to wait after the newest of the refusals in a row."""
    recovery, times = context.draft.plan.recovery, max(1, context.service.refusals)
    pause = pause_after(times, recovery=recovery, seed=seed)
    return min(pause, CONFLICT_PAUSE * 2.0 ** min(times - 1, 64)) if is_conflict(context) else pause


def is_refused_for_good(service: Service, outage: Outage, at: Timestamp, recovery: RecoveryPlan) -> bool:
    """Whether restarts were refused for ``postpone_limit``, not counting the time before the link came back."""
    if service.refused is None:
        return False
    back = outage.back.steady if outage.back is not None else at.steady
    return at.steady - max(service.refused.steady, back) >= recovery.postpone_limit
