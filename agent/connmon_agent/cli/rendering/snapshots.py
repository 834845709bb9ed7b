"""Everything that `status` shows of one instant, as a value."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from ...core.demands import find_silence
from ...core.notices import Notice
from ...core.observations import InternalErrors, LogLoss, Traffic
from ...core.plan import ServicePlan
from ...core.ports.reach import describe_port, is_tried_in_vain
from ...core.world import Forward, Service, ServiceState, World
from ...store.records import AgentRow, LatestRound


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the store and the process table told at ``now`` (Unix seconds).

    ``pid`` is the running agent's (None: none runs; 0: one runs, its id is not known), ``agent`` the one that wrote
    last (None: none ever did), ``round`` the newest round of probes (None: none yet). ``path`` is the database,
    ``traffic`` what has gone through the local ports since that agent's start, ``errors`` what last failed in an agent
    itself, perhaps in an earlier one (None: nothing ever), ``unverified`` the API server whose certificate is not
    verified (None: it is), ``loss`` what the log of an agent could not write (None: nothing ever), ``notices`` the
    outbox.
    """

    now: float
    path: str
    world: World
    pid: int | None
    agent: AgentRow | None
    round: LatestRound | None
    events: int
    bytes: int
    traffic: tuple[Traffic, ...] = ()
    errors: InternalErrors | None = None
    unverified: str | None = None
    loss: LogLoss | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def running(self) -> bool:
        """Whether an agent runs."""
        return self.pid is not None

    @property
    def fresh(self) -> bool:
        """Whether the running agent has not written anything yet: what is remembered comes from an earlier one."""
        return self.pid is not None and (self.agent is None or self.pid not in (0, self.agent.pid))

    @property
    def internal_errors(self) -> InternalErrors | None:
        """What failed in the agent itself since the start of the one that wrote last; None: nothing did."""
        if self.errors is None or self.agent is None or self.errors.at.steady < self.agent.started.steady:
            return None
        return self.errors

    @property
    def log_loss(self) -> LogLoss | None:
        """What the log could not write since the start of the agent that wrote last; None: nothing."""
        if self.loss is None or self.agent is None or self.loss.at.steady < self.agent.started.steady:
            return None
        return self.loss

    @property
    def silent_for(self) -> float | None:
        """Seconds since the last sign of life, when they are too many for a running agent; None: all is well."""
        if self.agent is None or self.fresh:
            return None
        return find_silence(self.world, self.agent.heartbeat, self.now)

    @property
    def watched(self) -> bool:
        """Whether an agent watches now: the link is what it was seen to be last."""
        return self.running and self.agent is not None and not self.fresh and self.silent_for is None

    def services(self) -> list[tuple[ServicePlan, Service]]:
        """The services in the order of the configuration; what is wrong with a READY one by now is in its reason."""
        known = self.world.services
        return [(plan, self._as_it_is(known.get(plan.name) or Service(plan.name))) for plan in self.world.plan.services]

    def forwards(self) -> list[Forward]:
        """The local ports in the order of the configuration."""
        known = self.world.forwards
        return [known.get(plan.name) or Forward(plan.name) for plan in self.world.plan.services if plan.forward]

    def _as_it_is(self, service: Service) -> Service:
        """A service stays READY when its port is lost or leads nowhere by now: that is told by the port's state."""
        name = service.name
        if service.state != ServiceState.READY or not self.watched or not is_tried_in_vain(self.world, name):
            return service
        return replace(service, reason=f"{describe_port(self.world, name)}; before that {service.reason}")

    def traffic_of(self, service: str) -> Traffic | None:
        """What has gone through the service's local port; None: nothing is known of it."""
        return next((flow for flow in self.traffic if flow.service == service), None)
