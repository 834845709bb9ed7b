"""When an agent looks at the services of which a model speaks: as ``core.demands`` has it, without needless looks."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from ..core.demands import Demand
from ..core.world import Service, ServiceState, World
from .clusters import ModelledCluster

SHORTEST_LOOK = 0.2  # seconds between two looks at a service, as the agent has it
FIRST_PAUSE = 1.0  # seconds until the next look where one showed nothing new; it doubles with each such look
LONGEST_PAUSE = 60.0  # seconds


class Looks:
    """Remembers the newest look at each service. Times are steady seconds."""

    def __init__(self, cluster: ModelledCluster) -> None:
        self._cluster = cluster
        self._looked: dict[str, tuple[float, str, float]] = {}  # when, in which state, and the pause after it

    def note(self, name: str, now: float, state: str, *, changed: bool) -> None:
        """A look at the service, which was in that state; ``changed``: it showed something new."""
        pause = 0.0 if changed else self._looked.get(name, (0.0, "", 0.0))[2]
        self._looked[name] = (now, state, min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE))

    def next_look(self, world: World, name: str, demands: Mapping[str, Demand], now: float) -> float:
        """When the service is looked at next: as the core demands it, but not while looks can show nothing new.

        inf: not before something else happens.
        """
        service = world.services.get(name)
        if service is None or service.state == ServiceState.BACKOFF:
            return inf
        last, state, pause = self._looked.get(name, (-inf, "", 0.0))
        fresh = state != service.state
        if service.state == ServiceState.VERIFYING:
            return self._look_at_rollout(service, last, pause, now)
        if service.state in (ServiceState.WAITING, ServiceState.RESTARTING):
            demand = demands.get(name)
            if demand is None:
                return inf
            return max(now if fresh else last + max(pause, SHORTEST_LOOK), demand.earliest)
        return self._look_at_rest(world, service, last, fresh=fresh, now=now)

    def _look_at_rollout(self, service: Service, last: float, pause: float, now: float) -> float:
        """When the model has it ready, or it is overdue."""
        limits = [self._cluster.ready_at(service.name), inf if service.deadline is None else service.deadline]
        ahead = min((one for one in limits if last < one < inf), default=None)
        return max(now, last + max(pause, SHORTEST_LOOK) if ahead is None else ahead)

    def _look_at_rest(self, world: World, service: Service, last: float, *, fresh: bool, now: float) -> float:
        """When its health is proven, where that gives attempts back."""
        if not service.attempts and service.state != ServiceState.GAVE_UP:
            return inf
        if service.healthy_since is None:
            return now if fresh else inf
        proof = service.healthy_since.steady + world.plan.recovery.healthy_for
        return proof if proof > last else inf
