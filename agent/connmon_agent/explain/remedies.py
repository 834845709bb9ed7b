"""What would have to change for a guard to answer otherwise, and when it will be asked again. In words, for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..core.demands import inspections, round_interval
from ..core.draft import LinkContext, ServiceContext
from ..core.link.causes import describe_quality
from ..core.link.damping import describe_damping
from ..core.link.flapping import flapping_threshold
from ..core.link.link_rules import DAMPING, HOLD
from ..core.ports.reach import describe_port
from ..core.services.preflight import judge
from ..core.services.recovery import BUSY, UNSETTLED, is_damped, next_in_turn, open_stage
from ..core.services.service_rules import backoff_timer
from ..core.services.service_words import FIELDS
from ..core.timestamps import Timestamp
from ..core.wording import counted, in_words, left_in_words
from ..core.world import LinkState, Service, ServiceState, World

WHOLE = 2.0  # seconds from which on the interval of rounds is given in whole ones: in an outage it keeps growing


def find_holds(world: World, now: Timestamp) -> list[str]:
    """Everything that keeps the services from being touched now; empty: nothing does."""
    return [*_link_holds(world, now), *_damping_holds(world, now), *_pause_holds(world)]


def tell_shadow(world: World) -> list[str]:
    """That nothing is ever restarted, where that is configured."""
    return [] if world.plan.recovery.act else ["shadow mode (recovery.act: false): nothing is ever restarted"]


def _link_holds(world: World, now: Timestamp) -> list[str]:
    if world.link.state == LinkState.ONLINE:
        return ["the link is ONLINE, no recovery is needed; `connmon-agent recover` restarts anyway"]
    if world.link.state != LinkState.RECOVERING:
        return [f"the link is {world.link.state}; services are restarted only while it is RECOVERING"]
    if world.outage is None or not world.outage.hold_over:
        return [_hold_left(world, now)]
    if world.link.confirmed:
        return []
    if world.link.inconclusive:
        return ["the last round was inconclusive: no target could be probed"]
    return ["the last round was bad" if world.link.bad else "no good round since the agent started"]


def _damping_holds(world: World, now: Timestamp) -> list[str]:
    if not is_damped(world):
        return []
    return [f"{describe_damping(world.link, now)}; `connmon-agent recover` does not wait for it"]


def _pause_holds(world: World) -> list[str]:
    return ["the agent is paused; run `connmon-agent resume` to continue"] if world.paused else []


def _holds_of(world: World, service: Service, now: Timestamp) -> list[str]:
    """What keeps this service from being touched: damping only where it was available when it was last seen."""
    damping = _damping_holds(world, now) if service.healthy_since is not None else []
    return [*_link_holds(world, now), *damping, *_pause_holds(world)]


def find_service_holds(world: World, name: str, now: Timestamp) -> list[str]:
    """Everything that keeps this one service from being restarted now; empty: nothing does."""
    plan, service = world.plan.recovery, world.services[name]
    spent = service.attempts >= plan.max_restart_attempts
    if not spent and service.state != ServiceState.GAVE_UP:
        return [*_holds_of(world, service, now), *tell_shadow(world)]
    limit = plan.max_restart_attempts
    why = f"{service.attempts}/{limit} restarts used (max_restart_attempts)" if spent else "it gave up"
    reset = f"`connmon-agent rearm {name}`, or {in_words(plan.healthy_for)} of uninterrupted health"
    budget = f"{why}: no outage and no `connmon-agent recover` restarts it; reset by {reset}"
    others = [] if world.link.state == LinkState.ONLINE else _holds_of(world, service, now)
    return [budget, *others, *tell_shadow(world)]


def explain_turn(world: World, name: str, now: Timestamp) -> str:
    """Why it is not the service's turn, or that it is."""
    if name in next_in_turn(world):
        return "it is its turn"
    holds = [*_link_holds(world, now), *_pause_holds(world)]
    if holds:
        return "; ".join(holds)
    stage = open_stage(world)
    if stage is not None and stage < world.plan.service(name).stage:
        first = [f"{plan.name} ({world.services[plan.name].state})" for plan in world.plan.services
                 if plan.stage == stage and world.services[plan.name].state in UNSETTLED]  # fmt: skip
        return f"waiting for stage {stage + 1}: {', '.join(first)}"
    busy = [service.name for service in world.services.values() if service.state in BUSY]
    return f"`parallel` is {world.plan.recovery.parallel}; in progress: {', '.join(busy) or 'others'}"


def next_look(world: World, name: str, now: Timestamp) -> str:
    """When the service is checked again."""
    service, demand = world.services[name], inspections(world, now.steady).get(name)
    if demand is not None:
        wait = demand.earliest - now.steady
        return f"in {left_in_words(wait)}" if wait > 0 else f"within {in_words(demand.interval)}"
    if service.state == ServiceState.BACKOFF:
        return f"when the backoff elapses, {_timer_left(world, backoff_timer(name), now)}"
    return "when it is its turn" if service.state == ServiceState.WAITING else "when the request is answered"


def change_link_guard(name: str, wanted: bool, context: LinkContext, meaning: str) -> str:
    """What must happen for the guard ``name`` of the link's chart to answer ``wanted``."""
    return _tell(_LINK_CHANGES, name, wanted, context, meaning)


def change_service_guard(name: str, wanted: bool, context: ServiceContext, meaning: str) -> str:
    """What must happen for the guard ``name`` of a service's chart to answer ``wanted``."""
    return _tell(_SERVICE_CHANGES, name, wanted, context, meaning)


def next_link_trigger(trigger: str, world: World, now: Timestamp) -> str:
    """When the trigger of the link's chart comes next, or what would bring it."""
    match trigger:
        case "round_good" | "round_bad" | "round_inconclusive":
            interval = round_interval(world, now.steady)
            return f"a round every {in_words(interval if interval < WHOLE else round(interval))}"
        case "hold_elapsed":
            return f"the hold elapses {_timer_left(world, HOLD, now)}"
        case "damping_elapsed":
            return f"the damping ends {_timer_left(world, DAMPING, now)}"
        case "services_settled":
            open_ones = [one.name for one in world.services.values() if one.state in UNSETTLED]
            return f"not settled yet: {', '.join(open_ones)}" if open_ones else "every service is settled"
        case "operator_recover":
            return "`connmon-agent recover`"
        case "agent_started":
            return "a start of the agent"
        case "monitoring_gap_ended":
            return "a monitoring gap"
        case "quality_bad" | "quality_good":
            return "measured in every round"
        case _:
            return "not scheduled"


def next_service_trigger(trigger: str, name: str, world: World, now: Timestamp) -> str:
    """When the trigger of a service's chart comes next, or what would bring it."""
    match trigger:
        case "inspected":
            return f"the next check, {next_look(world, name, now)}"
        case "recovery_begins":
            return f"the next recovery, or `connmon-agent recover {name}`"
        case "backoff_elapsed":
            return f"the backoff elapses {_timer_left(world, backoff_timer(name), now)}"
        case "health_proven":
            return _health_left(world, name, now)
        case "rearm":
            return f"`connmon-agent rearm {name}`"
        case "port_proven":
            return "the next check of its local port"
        case "monitoring_gap_ended":
            return "a monitoring gap"
        case "agent_started":
            return "a start of the agent"
        case "restart_applied" | "restart_refused" | "restart_unknown":
            return "the cluster's answer to the request"
        case _:
            return "not scheduled"


def _tell(
    table: Mapping[tuple[str, bool], Callable[[Any], str]], name: str, wanted: bool, context: Any, meaning: str
) -> str:
    tell = table.get((name, wanted))
    if tell is not None:
        return tell(context)
    return f"{'only if' if wanted else 'not while'} {meaning}"


def _timer_left(world: World, timer: str, now: Timestamp) -> str:
    due = world.timers.get(timer)
    if due is None:
        return "(not scheduled)"
    left = due.steady - now.steady
    return f"in {left_in_words(left)}" if left > 0 else "now"


def _hold_left(world: World, now: Timestamp) -> str:
    due = world.timers.get(HOLD)
    left = world.plan.link.hold if due is None else max(0.0, due.steady - now.steady)
    return f"the link must stay good for {left_in_words(left)} more"


def _health_left(world: World, name: str, now: Timestamp) -> str:
    since, needed = world.services[name].healthy_since, world.plan.recovery.healthy_for
    if since is None:
        return f"{in_words(needed)} of uninterrupted health; not available now"
    return f"{left_in_words(max(0.0, since.steady + needed - now.steady))} more of uninterrupted health"


def _end_of_grace(context: LinkContext) -> str:
    link, grace = context.draft.link, context.draft.plan.link.boot_grace
    left = 0.0 if link.booted is None else link.booted.steady + grace - context.draft.at.steady
    return f"waiting for this machine's network ({link.lacks}); `boot_grace` ends in {left_in_words(left)}"


def _rise(context: LinkContext) -> str:
    good, rise = context.draft.link.good, context.draft.plan.link.rise
    return f"{_more(rise - good, 'good')} ({good} of {rise})"


def _fall(context: LinkContext) -> str:
    link, fall = context.draft.link, context.draft.plan.link.fall
    if link.ruled_out:
        return "1 bad round, because there is no carrier or no default route"
    return f"{_more(fall - link.bad, 'bad')} ({link.bad} of {fall})"


def _more(rounds: int, what: str) -> str:
    return f"1 more {what} round" if rounds == 1 else f"{rounds} more {what} rounds in a row"


def _count_flapping(context: LinkContext) -> str:
    link, plan = context.draft.link, context.draft.plan.link
    left = flapping_threshold(plan) - link.flapping
    return f"{counted(left, 'more round')} without {plan.rise} good or {plan.fall} bad ones in a row"


def _inconclusive(context: LinkContext) -> str:
    return f"only after {context.draft.plan.link.fall} inconclusive rounds in a row"


def _better(context: LinkContext) -> str:
    plan, measured_quality = context.draft.plan.link.quality, context.draft.link.measured_quality
    now = f" (now {describe_quality(measured_quality)})" if measured_quality is not None else ""
    loss, latency = f"{plan.leave_loss * 100:.0f} %", f"{plan.leave_latency * 1000:.0f} ms"
    return f"loss at most {loss} and p95 at most {latency}{now}"


def _worse(context: LinkContext) -> str:
    plan = context.draft.plan.link.quality
    latency = f"{plan.enter_latency * 1000:.0f} ms"
    return f"loss above {plan.enter_loss * 100:.0f} % or p95 above {latency}"


def _free_budget(context: ServiceContext) -> str:
    limit = context.draft.plan.recovery.max_restart_attempts
    proof = in_words(context.draft.plan.recovery.healthy_for)
    return (
        f"{context.service.attempts}/{limit} restarts used; reset by `connmon-agent rearm {context.name}` "
        f"or {proof} of uninterrupted health"
    )


def _spend_budget(context: ServiceContext) -> str:
    limit = context.draft.plan.recovery.max_restart_attempts
    return f"only when all restarts are used; {context.service.attempts}/{limit} used"


def _turn(context: ServiceContext) -> str:
    return explain_turn(context.draft.world, context.name, context.draft.at)


def _failing(context: ServiceContext) -> str:
    deadline = context.service.deadline
    if deadline is None:
        return "only if the rollout fails"
    left = max(0.0, deadline - context.draft.at.steady)
    return f"only if the rollout fails or is not complete in {left_in_words(left)}"


def _holds(context: ServiceContext) -> str:
    return "; ".join(find_holds(context.draft.world, context.draft.at))


def _wanted(context: ServiceContext) -> str:
    outage = context.draft.outage
    if outage is None:
        return "only in a recovery: after an outage or on request"
    return f"this recovery is only for {', '.join(outage.services or ())}"


def _verdict(context: ServiceContext) -> str:
    """What the last check before a restart says, which is one of three."""
    if context.seen is None or context.draft.outage is None:
        return "the service must be checked in the cluster first"
    ruling = judge(context.draft.world, context.service, context.seen, context.draft.at)
    return f"{ruling.ruling}: {ruling.reason.removeprefix(f'{ruling.ruling}: ')}"


def _observation(context: ServiceContext) -> str:
    return f"every replica must be available; last check: {FIELDS['observation'](context)}"


def _port(context: ServiceContext) -> str:
    return describe_port(context.draft.world, context.name) or "no local port"


_LINK_CHANGES: dict[tuple[str, bool], Callable[[LinkContext], str]] = {
    ("rise_reached", True): _rise,
    ("fall_reached", True): _fall,
    ("flapping", True): _count_flapping,
    ("inconclusive_reached", True): _inconclusive,
    ("link_good", True): lambda context: "a good round",
    ("holding", True): lambda context: "only during the hold",
    ("holding", False): lambda context: _hold_left(context.draft.world, context.draft.at),
    ("quality_poor", True): _worse,
    ("quality_poor", False): _better,
    ("damped", True): lambda context: "only while restarts are held back by damping",
    ("booting", True): lambda context: "only after a boot, while this machine has no network yet",
    ("booting", False): _end_of_grace,
    ("after_boot", True): lambda context: "only at the first start after a reboot",
}
_SERVICE_CHANGES: dict[tuple[str, bool], Callable[[ServiceContext], str]] = {
    ("budget_left", True): _free_budget,
    ("budget_left", False): _spend_budget,
    ("my_turn", True): _turn,
    ("may_act", True): _holds,
    ("link_back", True): _holds,
    ("wanted", True): _wanted,
    ("restart_due", True): _verdict,
    ("restart_needless", True): _verdict,
    ("restart_denied", True): _verdict,
    ("healthy", True): _observation,
    ("rollout_complete", True): _observation,
    ("rollout_failed", True): _failing,
    ("available", True): lambda context: "every replica must be available; not so at the last check",
    ("reachable", True): _port,
    ("tried_in_vain", True): _port,
    ("port_given_up", True): _port,
}
