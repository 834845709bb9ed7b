"""What has to be looked at for the local ports, and how often: a function of the world, as ``demands`` is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..plan import ForwardPlan, Reclaim
from ..world import Forward, ServiceState, World
from .assignments import plans_of, stands_in_the_way
from .reach import is_reachable

PORTS_INTERVAL = 5.0  # seconds between looks at local ports that others hold
CALM_CHECK_INTERVAL = 60.0  # seconds between checks of a port that works, or that a person has to mend
UNPROVEN_CHECK_INTERVAL = 5.0  # seconds between checks of a port that does not lead to its service yet
URGENT_CHECK_INTERVAL = 1.0  # seconds between checks of a port that a service waits for
# Seconds for which the first check of a port waits until its service was seen: what was tried before that is to be
# tried again, and what is not available answers nobody.
FIRST_CHECK_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class CheckDemand:
    """Check the port every ``interval`` seconds, not before ``earliest`` (steady seconds)."""

    interval: float
    earliest: float = 0.0


def wanted_ports(world: World) -> dict[int, tuple[str, ...]]:
    """The ports to be looked at, with the addresses on which each is wanted: those that a service without a port could
    have, the primary port of one that would go back to it, and those to which one could move that stands in the way of
    another. Our own are none of them.
    """
    wanted: dict[int, tuple[str, ...]] = {}
    for name, plan in plans_of(world).items():
        wishes = plan.candidates if stands_in_the_way(world, name) else _wishes(world.forwards[name], plan)
        wanted |= dict.fromkeys(wishes, plan.bind)
    return {port: bind for port, bind in wanted.items() if port not in ports_held(world.forwards)}


def _wishes(forward: Forward, plan: ForwardPlan) -> tuple[int, ...]:
    if forward.intent is not None:
        return ()
    if forward.port is None:
        return plan.candidates
    return (plan.port,) if forward.port != plan.port and plan.reclaim is Reclaim.IDLE else ()


def ports_held(forwards: Mapping[str, Forward]) -> frozenset[int]:
    """The ports that are listened on, or about to be."""
    ports = [forward.port for forward in forwards.values()]
    ports += [forward.intent.port for forward in forwards.values() if forward.intent is not None]
    return frozenset(port for port in ports if port is not None)


def services_held(world: World) -> frozenset[str]:
    """The services whose local port is listened on, or about to be."""
    return frozenset(
        name for name, forward in world.forwards.items() if forward.port is not None or forward.intent is not None
    )


def check_demands(world: World) -> dict[str, CheckDemand]:
    """The services whose local port is to be checked, and how."""
    return {
        name: CheckDemand(_check_interval(world, forward), _earliest_check(world, forward))
        for name, forward in world.forwards.items()
        if forward.port is not None
    }


def _earliest_check(world: World, forward: Forward) -> float:
    tried = forward.proven is not None or forward.trouble is not None
    if tried or world.services[forward.name].healthy_since is not None:
        return 0.0
    return forward.since.steady + FIRST_CHECK_PATIENCE


def _check_interval(world: World, forward: Forward) -> float:
    service = world.services[forward.name]
    if is_reachable(world, forward.name):
        # While the API cannot be reached, most ways to the pods are gone too, and `status` is to tell the truth.
        return CALM_CHECK_INTERVAL if world.link.cluster is None else UNPROVEN_CHECK_INTERVAL
    if forward.trouble is not None and forward.lasting:
        return CALM_CHECK_INTERVAL
    if forward.trouble is None and service.healthy_since is not None:
        return URGENT_CHECK_INTERVAL
    waited_for = service.state in (ServiceState.WAITING, ServiceState.VERIFYING) and service.healthy_since is not None
    return URGENT_CHECK_INTERVAL if waited_for else UNPROVEN_CHECK_INTERVAL
