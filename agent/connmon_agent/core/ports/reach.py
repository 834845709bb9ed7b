"""Whether a service can be reached on its local port, as far as that was tried since it matters."""

from __future__ import annotations

from ..world import Forward, ForwardState, World


def proof_needed_since(world: World, name: str) -> float | None:
    """The steady time from which on a check of the service's local port counts; None: any does.

    What was tried before the service became available, or before the link came back, says nothing of it now.
    """
    since, outage = world.services[name].healthy_since, world.outage
    times = [] if since is None else [since.steady]
    if outage is not None and outage.ended is None:
        back = outage.started if outage.by_operator else outage.back
        times += [] if back is None else [back.steady]
    return max(times, default=None)


def is_reachable(world: World, name: str) -> bool:
    """Whether a check of its local port passed since it matters; a service without a port needs none."""
    forward = world.forwards.get(name)
    if forward is None:
        return True
    if forward.state != ForwardState.OPEN or forward.proven is None:
        return False
    needed = proof_needed_since(world, name)
    return needed is None or forward.proven.steady >= needed


def is_tried_in_vain(world: World, name: str) -> bool:
    """Whether its local port was tried since it matters and does not lead to it, or cannot be had at all."""
    forward = world.forwards.get(name)
    if forward is None:
        return False
    if forward.state == ForwardState.CONFLICT:
        return True
    if forward.trouble is None or forward.troubled is None:
        return False
    needed = proof_needed_since(world, name)
    return needed is None or forward.troubled.steady >= needed


def needs_person(world: World, name: str) -> bool:
    """Whether its local port leads nowhere, and waiting will not mend that."""
    forward = world.forwards.get(name)
    if forward is None:
        return False
    return forward.state == ForwardState.CONFLICT or (forward.trouble is not None and forward.lasting)


def describe_port(world: World, name: str) -> str:
    """How far its local port is, in words; empty where it has none."""
    forward = world.forwards.get(name)
    if forward is None:
        return ""
    return "reachable through its local port" if is_reachable(world, name) else _describe(forward)


def _describe(forward: Forward) -> str:
    if forward.state == ForwardState.CONFLICT:
        return f"no local port available: {forward.reason}"
    if forward.port is None:
        return "local port not open yet"
    if forward.trouble is not None:
        return f"local port {forward.port} does not reach it: {forward.trouble}"
    if forward.state == ForwardState.OPEN:
        return f"local port {forward.port} must be checked again"
    return f"local port {forward.port} not checked yet"
