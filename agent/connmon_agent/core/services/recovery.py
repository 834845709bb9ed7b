"""Whose turn it is: when services may be touched, in which order, and how many at once."""

from __future__ import annotations

from ..link.quality import is_poor
from ..timestamps import Timestamp
from ..world import LinkState, Obstacle, Outage, Service, ServiceState, World

BUSY = frozenset({ServiceState.RESTARTING, ServiceState.VERIFYING})
UNSETTLED = BUSY | {ServiceState.WAITING, ServiceState.BACKOFF}


def may_act(world: World) -> bool:
    """Whether services may be touched at all: the link is back, has held and is good now, and the agent is not paused.

    Damping is no part of it: it only holds back restarts of available services (``core.services.preflight``).
    """
    return link_is_back(world) and world.link.confirmed and not world.paused


def is_damped(world: World) -> bool:
    """Whether restarts of available services wait because the link flaps. The timer of the damping ends it, or an
    operator.
    """
    return world.link.damped_until is not None


def is_held_by_damping(world: World, service: Service) -> bool:
    """Whether the service waits for nothing but the end of the damping. It was available when it was last seen."""
    return is_damped(world) and service.state == ServiceState.WAITING and service.postponed_for == Obstacle.DAMPING


def degraded_by_quality(world: World) -> bool:
    """Whether the link works, and is DEGRADED for nothing but its quality: it may be used."""
    link = world.link
    return link.state == LinkState.DEGRADED and is_poor(link) and link.good >= world.plan.link.rise


def link_is_back(world: World) -> bool:
    """Whether the link is back from the outage and has stayed good for `hold`."""
    outage = world.outage
    return world.link.state == LinkState.RECOVERING and outage is not None and outage.hold_over


def all_settled(world: World) -> bool:
    """Whether no service is left to be restarted or watched."""
    return all(service.state not in UNSETTLED for service in world.services.values())


def open_stage(world: World) -> int | None:
    """The lowest stage with an unsettled service, the only one that is worked on; None when all are settled.

    A service that is held by damping is available, and what depends on it may be broken: it opens the next stage.
    """
    unsettled = (plan for plan in world.plan.services if world.services[plan.name].state in UNSETTLED)
    stages = (plan.stage for plan in unsettled if not is_held_by_damping(world, world.services[plan.name]))
    return min(stages, default=None)


def next_in_turn(world: World) -> list[str]:
    """The waiting services whose turn it is, in the order of the plan.

    Postponed ones come last and are all looked at, so that they take no place from the others nor from each other.
    Those that damping holds are looked at in every stage: one that fails meanwhile is restarted.
    """
    busy = sum(service.state in BUSY for service in world.services.values())
    free = world.plan.recovery.parallel - busy
    if free <= 0 or not may_act(world):
        return []
    stage = open_stage(world)
    states = world.services
    waiting = [
        plan.name
        for plan in world.plan.services
        if states[plan.name].state == ServiceState.WAITING
        and (plan.stage == stage or is_held_by_damping(world, states[plan.name]))
    ]
    postponed = [name for name in waiting if states[name].postponed_since is not None]
    return [name for name in waiting if name not in postponed][:free] + postponed


def darkness(outage: Outage, now: Timestamp) -> float:
    """Seconds that the link was gone in this outage."""
    return (outage.back or now).steady - outage.started.steady
