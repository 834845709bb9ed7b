"""Operators' orders: which can be carried out, and why the others cannot."""

from __future__ import annotations

from .events import Order, Ordered
from .services.recovery import degraded_by_quality, is_damped
from .world import LinkState, ServiceState, World


def refuse_order(world: World, ordered: Ordered) -> str | None:
    """Why the order cannot be carried out, in words with what to do instead; None when it can."""
    unknown = [name for name in ordered.services if name not in world.services]
    if unknown:
        known = ", ".join(world.names) or "none"
        return f"unknown service: {', '.join(unknown)}; configured: {known}"
    if ordered.order is Order.RECOVER:
        return _refuse_recovery(world, ordered)
    return None


def _refuse_recovery(world: World, ordered: Ordered) -> str | None:
    state, outage = world.link.state, world.outage
    if world.paused:
        return "the agent is paused; run `connmon-agent resume` first"
    if state == LinkState.RECOVERING and outage is not None and outage.hold_over and not is_damped(world):
        return "a recovery is already in progress; see `connmon-agent status`"
    if state == LinkState.RECOVERING and ordered.services:
        return "a recovery of all services is about to begin; run `connmon-agent recover` without names to begin now"
    if state == LinkState.OFFLINE:
        return f"the link is {state} ({world.link.reason}); the recovery begins automatically when it is back"
    usable = state == LinkState.DEGRADED and degraded_by_quality(world)
    if state not in (LinkState.ONLINE, LinkState.RECOVERING) and not usable:
        return f"the link is {state} ({world.link.reason}); retry when it is ONLINE"
    spent = [name for name in ordered.services if _is_spent(world, name)]
    if spent:
        return f"all restart attempts used: {', '.join(spent)}; run `connmon-agent rearm {' '.join(spent)}` first"
    return None


def _is_spent(world: World, name: str) -> bool:
    service = world.services[name]
    return service.state == ServiceState.GAVE_UP or service.attempts >= world.plan.recovery.max_restart_attempts
