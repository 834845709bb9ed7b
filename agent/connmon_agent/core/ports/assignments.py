"""Which local port each service is to have now: what it holds, what it had before, and the best of the rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..plan import ForwardPlan, Reclaim
from ..wording import tell_obstacle
from ..world import Forward, World
from .allocation import allocate


def plans_of(world: World) -> dict[str, ForwardPlan]:
    """The services with a local port, in the order of the plan."""
    return {plan.name: plan.forward for plan in world.plan.services if plan.forward is not None}


def assign_ports(world: World, *, busy: Collection[str] | None) -> dict[str, int | None]:
    """The port for each service; None: every one of its ports is taken.

    ``busy`` are the services through whose port a connection is open; None: it is not known, all may be.
    """
    plans, taken = plans_of(world), frozenset(port for port, _ in world.taken)
    held = keep_ports(plans, world.forwards, taken=taken, busy=busy)
    for name in [name for name in held if busy is not None and name not in busy and stands_in_the_way(world, name)]:
        others = {other: port for other, port in held.items() if other != name}
        if allocate(plans, taken=taken, held=others)[name] is not None:
            held = others
    return allocate(plans, taken=taken, held=held)


def keep_ports(
    plans: Mapping[str, ForwardPlan],
    forwards: Mapping[str, Forward],
    *,
    taken: Collection[int],
    busy: Collection[str] | None,
) -> dict[str, int]:
    """The services that keep the port which they have, or get the one again that they had. ``busy``: as above."""
    held: dict[str, int] = {}
    # Who has a port goes before who had it once: two leases may be of one port.
    for name, plan in sorted(plans.items(), key=lambda item: _has_none(forwards[item[0]])):
        port = _find_kept(forwards[name], plan, taken, movable=busy is not None and name not in busy)
        if port is not None and port not in held.values():
            held[name] = port
    _give_up_primaries_of_others(held, plans, taken, forwards)
    return held


def stands_in_the_way(world: World, name: str) -> bool:
    """Whether the service listens on the primary port of another one, which has no port: after a change of the
    configuration it may.
    """
    forward = world.forwards[name]
    if forward.port is None or forward.intent is not None or forward.port in dict(world.taken):
        return False
    return any(
        other != name and plan.port == forward.port and _has_none(world.forwards[other])
        for other, plan in plans_of(world).items()
    )


def _has_none(forward: Forward) -> bool:
    return forward.port is None and forward.intent is None


def _find_kept(forward: Forward, plan: ForwardPlan, taken: Collection[int], *, movable: bool) -> int | None:
    """The port that the service keeps, or gets again; None: it takes what is best."""
    if forward.intent is not None:
        return forward.intent.port
    returns = plan.reclaim is Reclaim.IDLE and plan.port not in taken
    if forward.port is not None:
        return None if returns and movable and forward.port != plan.port else forward.port
    lease = forward.lease
    if lease is None or lease in taken or lease not in plan.candidates or returns:
        return None
    return lease


def _give_up_primaries_of_others(
    held: dict[str, int], plans: Mapping[str, ForwardPlan], taken: Collection[int], forwards: Mapping[str, Forward]
) -> None:
    """No lease is worth another service's primary port while that one could use it."""
    primaries = {plan.port: name for name, plan in plans.items() if plan.port not in taken}
    for name, port in list(held.items()):
        if primaries.get(port, name) != name and forwards[name].port != port and forwards[name].intent is None:
            del held[name]


def explain_choice(world: World, name: str, port: int) -> str:
    """Why the service gets ``port`` and no better one, in words; empty for its primary port."""
    plans = plans_of(world)
    if port == plans[name].port:
        return ""
    taken = dict(world.taken)
    better = plans[name].candidates[: plans[name].candidates.index(port)]
    reasons = [tell_obstacle(other, taken[other]) for other in better if other in taken]
    if world.forwards[name].lease == port:
        reasons.append("same port as before")
    else:
        free = (other for other in better if other not in taken)
        reasons += [f"{other} belongs to {owner}" for other in free if (owner := _find_owner(world, other, name))]
    return "; ".join(reasons)


def explain_staying(world: World, name: str) -> str:
    """Why the service is still not on its primary port, in words; empty where it is, or has no port."""
    plan, forward = plans_of(world)[name], world.forwards.get(name)
    if forward is None or forward.port in (None, plan.port):
        return ""
    if plan.reclaim is Reclaim.NEVER:
        return f"{forward.choice}; stays off {plan.port} (reclaim: never)"
    if plan.port in dict(world.taken) or plan.port in (other.port for other in world.forwards.values()):
        return forward.choice
    return f"{plan.port} is free again; moves back when no connection through {forward.port} is open"


def explain_conflict(world: World, name: str) -> str:
    """Why the service has no port at all, in words."""
    taken = dict(world.taken)
    return "; ".join(
        tell_obstacle(port, taken[port]) if port in taken else f"{port} belongs to {_tell_owner(world, port, name)}"
        for port in plans_of(world)[name].candidates
    )


def _find_owner(world: World, port: int, name: str) -> str | None:
    """The other service that holds ``port`` or has it as its primary one."""
    for other, plan in plans_of(world).items():
        forward = world.forwards[other]
        holds = port == (forward.intent.port if forward.intent is not None else forward.port)
        if other != name and (port == plan.port or holds):
            return other
    return None


def _tell_owner(world: World, port: int, name: str) -> str:
    owner = _find_owner(world, port, name)
    return "another service" if owner is None else owner
