"""The vocabulary of statecharts/service.yaml: what its guards ask, what its actions do, what its reasons may tell."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from ...charts.vocabulary import Action, Guard, Vocabulary
from ..draft import ServiceContext
from ..effects import Restart
from ..observations import Rollout, Unobserved
from ..ports.reach import is_reachable, is_tried_in_vain, needs_person
from ..steps import Resolution
from ..timestamps import Timestamp
from ..world import Intent, LinkState
from .preflight import Ruling
from .recovery import BUSY, is_damped, link_is_back, may_act, next_in_turn
from .replacements import is_replaced, take_baseline
from .restart_backoff import make_token, pause_after
from .restart_refusals import forget_refusals, is_conflict, is_gone, is_refused_otherwise, refund_attempt, refusal_pause
from .service_words import FIELDS, observation_of, verdict_of

RECOVERING = frozenset({"link=RECOVERING"})


def backoff_timer(service: str) -> str:
    """The name of the timer that ends a service's pause."""
    return f"backoff/{service}"


def _exists(context: ServiceContext) -> bool:
    seen = observation_of(context)
    return seen is not None and seen.exists


def _healthy(context: ServiceContext) -> bool:
    seen = observation_of(context)
    return seen is not None and seen.healthy


def _ruled(ruling: Ruling) -> Callable[[ServiceContext], bool]:
    return lambda context: context.draft.outage is not None and verdict_of(context).ruling is ruling


def _wanted(context: ServiceContext) -> bool:
    outage = context.draft.outage
    return outage is not None and (outage.services is None or context.name in outage.services)


def _my_turn(context: ServiceContext) -> bool:
    return context.name in next_in_turn(context.draft.world)


def _budget_left(context: ServiceContext) -> bool:
    return context.service.attempts < context.draft.plan.recovery.max_restart_attempts


def _in_doubt(context: ServiceContext) -> bool:
    intent = context.service.intent
    return intent is not None and intent.in_doubt


def _resent(context: ServiceContext) -> bool:
    intent = context.service.intent
    return intent is not None and intent.resent


def _token_is(which: str) -> Callable[[ServiceContext], bool]:
    return lambda context: _read_back(context) == which


def _read_back(context: ServiceContext) -> str | None:
    """Whose token the cluster shows: "own", "previous" or "other"; None when it shows nothing."""
    seen, intent = observation_of(context), context.service.intent
    if seen is None or not seen.exists or intent is None:
        return None
    if seen.token == intent.token:
        return "own"
    untouched = seen.token == intent.previous_token and seen.uid == intent.uid
    if intent.previous_token is None:  # there is no token to compare and set, the patch rests on the generation
        untouched = untouched and seen.generation == intent.generation
    return "previous" if untouched and not intent.contested else "other"


def _overdue(context: ServiceContext) -> bool:
    deadline = context.service.deadline
    return deadline is not None and context.draft.at.steady >= deadline


def _replaced(context: ServiceContext) -> bool | None:
    seen = observation_of(context)
    return None if seen is None else is_replaced(context.service, seen)


def _complete(context: ServiceContext) -> bool:
    return _healthy(context) and _replaced(context) is True


def _failed(context: ServiceContext) -> bool:
    seen = observation_of(context)
    if seen is None or not seen.exists:
        return False
    if seen.healthy:
        return _replaced(context) is False
    return seen.rollout is Rollout.FAILED or _overdue(context)


def _under_way(context: ServiceContext) -> bool:
    return _exists(context) and not _complete(context) and not _failed(context)


def _gone(context: ServiceContext) -> bool:
    seen = observation_of(context)
    return seen is not None and not seen.exists


def _unobserved(context: ServiceContext) -> bool:
    return observation_of(context) is None


def _may_act(context: ServiceContext) -> bool:
    world = context.draft.world
    return may_act(world) and not (is_damped(world) and _healthy(context))


def _recovery_runs(context: ServiceContext) -> bool:
    return context.draft.link.state == LinkState.RECOVERING and _wanted(context)


def _link_back(context: ServiceContext) -> bool:
    return link_is_back(context.draft.world)


def _available(context: ServiceContext) -> bool:
    return context.service.healthy_since is not None


def _reachable(context: ServiceContext) -> bool:
    return is_reachable(context.draft.world, context.name)


def _tried_in_vain(context: ServiceContext) -> bool:
    return is_tried_in_vain(context.draft.world, context.name)


def _port_given_up(context: ServiceContext) -> bool:
    return needs_person(context.draft.world, context.name) or _overdue(context)


GUARDS: tuple[Guard[ServiceContext], ...] = (
    Guard(
        "healthy",
        "the rollout is complete and every replica is available",
        _healthy,
        negation="the rollout is incomplete or a replica is unavailable",
    ),
    Guard("wanted", "this recovery includes the service", _wanted),
    Guard(
        "may_act",
        "the link is back and good, the agent is not paused, and damping does not hold the service back",
        _may_act,
        RECOVERING,
    ),
    Guard("my_turn", "its stage is open and a slot is free", _my_turn, RECOVERING),
    Guard("recovery_runs", "the link is RECOVERING and this recovery includes the service", _recovery_runs, RECOVERING),
    Guard("link_back", "the link is back and has stayed good for `hold`", _link_back, RECOVERING),
    Guard("budget_left", "fewer restarts used than `max_restart_attempts`", _budget_left),
    Guard("restart_due", "no condition blocks a restart", _ruled(Ruling.DUE), group="verdict"),
    Guard("restart_needless", "there is a reason to skip the service", _ruled(Ruling.NEEDLESS), group="verdict"),
    Guard("restart_postponed", "there is a reason to postpone the restart", _ruled(Ruling.POSTPONED), group="verdict"),
    Guard("restart_denied", "the cluster refused it for `postpone_limit`", _ruled(Ruling.DENIED), group="verdict"),
    Guard("in_doubt", "the outcome of the last request is unknown", _in_doubt),
    Guard("resent", "the request was sent more than once", _resent),
    Guard("own_token_seen", "the cluster shows the restart token of this request", _token_is("own"), group="read-back"),
    Guard(
        "previous_token_seen",
        "the cluster shows the state before the request",
        _token_is("previous"),
        group="read-back",
    ),
    Guard("other_token_seen", "the cluster shows another client's change", _token_is("other"), group="read-back"),
    Guard("object_gone_at_read_back", "the workload does not exist in the cluster", _gone, group="read-back"),
    Guard("rollout_complete", "every replica is available and newer than the restart", _complete, group="rollout"),
    Guard("rollout_under_way", "the rollout is in progress and not overdue", _under_way, group="rollout"),
    Guard("rollout_failed", "the rollout failed, is overdue or was reverted", _failed, group="rollout"),
    Guard("object_gone", "the workload does not exist in the cluster", _gone, group="rollout"),
    Guard("unobserved", "the workload could not be read", _unobserved, group="rollout"),
    Guard("available", "every replica was available at the last check", _available),
    Guard("reachable", "its local port was checked since then and reaches it, or it has none", _reachable),
    Guard("tried_in_vain", "its local port was checked since then and does not reach it, or is in use", _tried_in_vain),
    Guard("port_given_up", "its local port needs an operator, or has failed for `ready_timeout`", _port_given_up),
    Guard("refused_by_conflict", "the request's precondition did not hold", is_conflict, group="refusal"),
    Guard("refused_as_gone", "the workload does not exist in the cluster", is_gone, group="refusal"),
    Guard("refused_otherwise", "a policy, a role or the API refused it", is_refused_otherwise, group="refusal"),
)


def _request_restart(context: ServiceContext) -> None:
    """Charge the attempt and open the intent: from here on the attempt counts, whatever becomes of it."""
    draft, seen, outage = context.draft, observation_of(context), context.draft.outage
    assert seen is not None and outage is not None
    attempt, number = context.service.attempts + 1, draft.world.tokens + 1
    token = make_token(store=draft.world.store, outage=outage.id, attempt=attempt, number=number)
    draft.change(tokens=number)
    intent = Intent(token, seen.token, seen.generation, seen.uid, seen.annotated, draft.at)
    draft.change_service(context.name, attempts=attempt, intent=intent, next=None)
    _forget_obstacle(context)
    take_baseline(context, seen)
    draft.effects.append(_restart(context, intent, again=False))


def _resend_restart(context: ServiceContext) -> None:
    intent = context.service.intent
    assert intent is not None
    context.draft.change_service(context.name, intent=replace(intent, in_doubt=False, resent=True), next=None)
    context.draft.effects.append(_restart(context, intent, again=True))


def _restart(context: ServiceContext, intent: Intent, *, again: bool) -> Restart:
    plan, outage = context.draft.plan.service(context.name), context.draft.outage
    assert outage is not None
    limit = context.draft.plan.recovery.max_restart_attempts
    return Restart(
        service=context.name,
        kind=plan.kind,
        namespace=plan.namespace,
        workload=plan.workload,
        token=intent.token,
        previous_token=intent.previous_token,
        generation=intent.generation,
        uid=intent.uid,
        annotated=intent.annotated,
        reason=f"outage {outage.id}, attempt {context.service.attempts} of {limit}: {outage.detail}",
        again=again,
    )


def _postpone_restart(context: ServiceContext) -> None:
    """The time is counted anew when the obstacle is another one."""
    obstacle = verdict_of(context).obstacle
    if context.service.postponed_since is None or context.service.postponed_for != obstacle:
        context.draft.change_service(context.name, postponed_since=context.draft.at, postponed_for=obstacle)
    wish = context.seen.retry_after if isinstance(context.seen, Unobserved) else None
    if wish is not None:
        context.draft.change_service(context.name, next=context.draft.at.plus(wish))


def _forget_obstacle(context: ServiceContext) -> None:
    context.draft.change_service(context.name, postponed_since=None, postponed_for=None)


def _settle_intent(context: ServiceContext, outcome: str, reason: str) -> Intent:
    intent = context.service.intent
    assert intent is not None
    context.draft.resolutions.append(Resolution(context.name, intent.token, outcome, reason))
    context.draft.change_service(context.name, intent=None, next=None)
    return intent


def _confirm_restart(context: ServiceContext) -> None:
    draft = context.draft
    intent = _settle_intent(context, "applied", context.answer or "read back from the cluster")
    forget_refusals(context)
    deadline = draft.at.steady + draft.plan.recovery.ready_timeout
    seen = observation_of(context)
    draft.change_service(
        context.name,
        token=intent.token,
        restarted=draft.at,
        made=seen.template if seen is not None else context.template,
        deadline=deadline,
        healthy_since=None,
    )


def _drop_intent(context: ServiceContext) -> None:
    """Of a request that was sent more than once only the newest is known to be refused."""
    _settle_intent(context, "abandoned" if _resent(context) else "refused", context.answer)


def _abandon_intent(context: ServiceContext) -> None:
    _settle_intent(context, "foreign", "the cluster shows another client's change")


def _doubt_intent(context: ServiceContext) -> None:
    intent = context.service.intent
    if intent is not None:
        wait = context.draft.at.plus(context.retry_after) if context.retry_after else None
        context.draft.change_service(context.name, intent=replace(intent, in_doubt=True), next=wait)


def _contest_intent(context: ServiceContext) -> None:
    intent = context.service.intent
    assert intent is not None
    context.draft.change_service(context.name, intent=replace(intent, in_doubt=True, contested=True), next=None)


def _arm_backoff(context: ServiceContext) -> None:
    draft, service = context.draft, context.service
    seed = service.token or service.name
    if service.refusals:
        pause = refusal_pause(context, seed=seed)
    else:
        pause = pause_after(service.attempts, recovery=draft.plan.recovery, seed=seed)
    due: Timestamp = draft.at.plus(pause)
    draft.arm(backoff_timer(context.name), due)
    draft.change_service(context.name, next=due, deadline=None)


def _settle_service(context: ServiceContext) -> None:
    outage = context.draft.outage
    context.draft.change_service(context.name, done=outage.id if outage else None, deadline=None, next=None)
    _forget_obstacle(context)
    forget_refusals(context)


def _extend_deadline(context: ServiceContext) -> None:
    deadline = context.draft.at.steady + context.draft.plan.recovery.ready_timeout
    context.draft.change_service(context.name, deadline=deadline)


def _return_budget(context: ServiceContext) -> None:
    """All attempts but the one that is under way: that one is not over yet."""
    under_way = context.service.attempts and context.service.state in BUSY
    context.draft.change_service(context.name, attempts=1 if under_way else 0)
    forget_refusals(context)


ACTIONS: tuple[Action[ServiceContext], ...] = (
    Action("request_restart", "charge an attempt and request the restart", _request_restart,
           effect="cas-token", charges="restarts"),
    Action("resend_restart", "send the same request again", _resend_restart,
           effect="cas-token", repeats="request_restart"),
    Action("postpone_restart", "record since when the restart is postponed", _postpone_restart),
    Action("confirm_restart", "settle the request as applied and set the rollout deadline", _confirm_restart),
    Action("drop_intent", "settle the request as refused", _drop_intent),
    Action("refund_attempt", "refund the attempt: the request had no effect", refund_attempt),
    Action("abandon_intent", "settle the request as overtaken by another client", _abandon_intent),
    Action("doubt_intent", "read the cluster back before the next step", _doubt_intent),
    Action("contest_intent", "read the cluster back; do not send the request again", _contest_intent),
    Action("arm_backoff", "start the backoff timer", _arm_backoff),
    Action("settle_service", "the service is done for this recovery", _settle_service),
    Action("forget_obstacle", "restart the postponement clock", _forget_obstacle),
    Action("extend_deadline", "reset the rollout deadline", _extend_deadline),
    Action("return_budget", "reset the restart attempts, except one in progress", _return_budget),
)  # fmt: skip


VOCABULARY: Vocabulary[ServiceContext] = Vocabulary(
    guards={guard.name: guard for guard in GUARDS},
    actions={action.name: action for action in ACTIONS},
    fields=frozenset(FIELDS),
)
