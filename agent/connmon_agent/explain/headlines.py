"""The state in one line, as a service manager shows it."""

from __future__ import annotations

from ..core.world import LinkState, ServiceState, World


def headline(world: World) -> str:
    """``OFFLINE, but grafana gave up: 0 of 3 targets answer``; without ages, so that it changes only with the state."""
    link = world.link
    notes = "; restarts paused" if world.paused else ""
    if not world.plan.recovery.act:
        notes += "; shadow mode: nothing is restarted"
    return f"{LinkState(link.state)}{tell_lost(world)}: {link.reason}{notes}"


def tell_lost(world: World) -> str:
    """``, but grafana gave up``; empty where no service did."""
    planned = (plan.name for plan in world.plan.services)
    lost = [name for name in planned if name in world.services and world.services[name].state == ServiceState.GAVE_UP]
    if not lost:
        return ""
    return f", but {lost[0]} gave up" if len(lost) == 1 else f", but {len(lost)} services gave up"
