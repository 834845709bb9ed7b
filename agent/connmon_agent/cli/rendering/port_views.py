"""What `ports` shows, before it is text or JSON: each service's ports, which one it would get, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from ...core.plan import ForwardPlan, Reclaim
from ...core.ports.allocation import allocate
from ...core.ports.assignments import keep_ports
from ...core.world import Forward
from ...platform_terms import AS_SUPERUSER
from ...sockets.binding import RefusalCause
from ...sockets.examining import Obstacle
from ...sockets.owners import AGENT, Owner, Use, describe

Plans = Mapping[str, ForwardPlan]


class PortState(StrEnum):
    """What a port is to us."""

    FREE = "free"
    OURS = "ours"  # the agent of this state directory listens on it
    HELD = "held"  # somebody else has it
    RESERVED = "reserved"  # nobody has it, and the system does not let us have it either


@dataclass(frozen=True, slots=True)
class PortView:
    """One port of one service. ``obstacle`` is None where it is free."""

    port: int
    primary: bool
    state: PortState
    obstacle: Obstacle | None

    @property
    def owner(self) -> Owner | None:
        """Who has it; None: nobody, or nobody whom this user may see."""
        return self.obstacle.owner if self.obstacle else None

    @property
    def text(self) -> str:
        """The state in words: ``free``, ``in use by nginx (pid 99)``."""
        return self.obstacle.text if self.obstacle else "free"

    @property
    def holder(self) -> str:
        """Who has it, or what else forbids it, in words; empty where it is free."""
        if self.obstacle is None:
            return ""
        return self.text if self.state is PortState.RESERVED else describe(self.owner)

    @property
    def record(self) -> str:
        """``8080 is in use by nginx (pid 99)``, ``80 needs privileges``."""
        if self.state is not PortState.RESERVED:
            return f"{self.port} is {self.text}"
        return f"{self.port}: {self.text}" if self.text[0].isdigit() else f"{self.port} {self.text}"


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One service.

    ``assigned`` is the port that it has or, where it has none, would get now (None: there is none for it), and ``ours``
    whether the agent listens on that already. ``reason`` is why it is not the primary port, ``remedy`` what to do about
    it (None: nothing is to be told).
    """

    name: str
    ports: tuple[PortView, ...]
    assigned: int | None
    ours: bool
    reason: str | None
    remedy: str | None

    @property
    def primary(self) -> int:
        """The port that it is to have."""
        return self.ports[0].port

    @property
    def settled(self) -> bool:
        """Whether that is the port it gets."""
        return self.assigned == self.primary


def view_services(
    plans: Plans,
    obstacles: Mapping[int, Obstacle],
    *,
    agent: int | None,
    remembered: Mapping[str, Forward] | None = None,
) -> list[ServiceView]:
    """Every service of ``plans``, in their order. ``agent`` is the process id of ours; None or 0: not to be known.

    ``remembered`` is what the state file knows of their ports. None: there is none that can be read. Which service has
    which of the agent's ports then follows from the ports alone, by the rules that they were given out by.
    """
    recorded = {forward.port for forward in (remembered or {}).values()}
    obstacles = {port: _name_agent(found, agent) if port in recorded else found for port, found in obstacles.items()}
    ours = {port for port, obstacle in obstacles.items() if _is_ours(obstacle, agent)}
    used = _guess(plans, ours) if remembered is None else _recall(plans, ours, remembered)
    forwards = {name: Forward(name, port=used.get(name), lease=_lease(name, remembered)) for name in plans}
    taken = obstacles.keys() - ours
    assigned = allocate(plans, taken=taken, held=keep_ports(plans, forwards, taken=taken, busy=None))
    return [
        _view(name, plan, _ports_of(plan, obstacles, ours), assigned[name], ours=name in used)
        for name, plan in plans.items()
    ]


def _guess(plans: Plans, ours: set[int]) -> dict[str, int]:
    everything = {port for plan in plans.values() for port in plan.candidates}
    return {name: port for name, port in allocate(plans, taken=everything - ours, held={}).items() if port is not None}


def _recall(plans: Plans, ours: set[int], remembered: Mapping[str, Forward]) -> dict[str, int]:
    """The ports that services have by the record and, by the system, our agent."""
    ports = {name: remembered[name].port for name in plans if name in remembered}
    return {name: port for name, port in ports.items() if port in ours and port in plans[name].candidates}


def _lease(name: str, remembered: Mapping[str, Forward] | None) -> int | None:
    forward = (remembered or {}).get(name)
    return None if forward is None else forward.lease


def _name_agent(obstacle: Obstacle, agent: int | None) -> Obstacle:
    """The obstacle with our agent as its owner, where this user may not see which process has a port that the running
    agent has by its own record.
    """
    owner = obstacle.owner
    if not agent or owner is None or owner.pid is not None or owner.use is not Use.LISTENING:
        return obstacle
    return replace(obstacle, owner=replace(owner, name=AGENT, pid=agent, foreign=False))


def _is_ours(obstacle: Obstacle, agent: int | None) -> bool:
    owner = obstacle.owner
    return owner is not None and owner.use is Use.LISTENING and bool(agent) and owner.pid == agent


def _ports_of(plan: ForwardPlan, obstacles: Mapping[int, Obstacle], ours: set[int]) -> tuple[PortView, ...]:
    return tuple(
        PortView(port, position == 0, _state_of(obstacles.get(port), mine=port in ours), obstacles.get(port))
        for position, port in enumerate(plan.candidates)
    )


def _state_of(obstacle: Obstacle | None, *, mine: bool) -> PortState:
    if obstacle is None:
        return PortState.FREE
    if mine:
        return PortState.OURS
    return PortState.HELD if obstacle.held else PortState.RESERVED


def _view(
    name: str, plan: ForwardPlan, ports: tuple[PortView, ...], assigned: int | None, *, ours: bool
) -> ServiceView:
    primary = ports[0]
    if assigned == primary.port:
        return ServiceView(name, ports, assigned, ours, None, None)
    reason = primary.record if primary.state is not PortState.FREE else f"{primary.record} again; {_say_when(plan)}"
    if assigned is None:
        reason += "; no alternative is configured" if len(ports) == 1 else "; no alternative is available"
    return ServiceView(name, ports, assigned, ours, reason, _advise(name, primary))


def _say_when(plan: ForwardPlan) -> str:
    """When a service goes back to its primary port."""
    if plan.reclaim is Reclaim.NEVER:
        return "not moving back (reclaim: never)"
    return "moves back when no connection is open"


def _advise(name: str, primary: PortView) -> str | None:
    """What gives the service its primary port back, or spares it that. None: there is nothing to do."""
    if primary.obstacle is None or primary.state is PortState.OURS:
        return None
    if primary.state is PortState.HELD:
        return f"{_advise_on_owner(primary)}, or set another port for {name}."
    match primary.obstacle.refused.cause:
        case RefusalCause.PRIVILEGES:
            return f"Set a port of 1024 or above for {name}, or grant the agent CAP_NET_BIND_SERVICE."
        case RefusalCause.RESERVED:
            return (
                f"Set a port for {name} outside the reserved ranges. List them: "
                "netsh interface ipv4 show excludedportrange protocol=tcp"
            )
        case RefusalCause.NO_ADDRESS:
            return f"Remove {primary.obstacle.refused.address} from forwards.bind, or add it to this machine."
        case _:
            return f"Set another port for {name}."


def _advise_on_owner(primary: PortView) -> str:
    owner = primary.owner
    if owner is None:
        return f"Run `connmon-agent ports` {AS_SUPERUSER} to see what uses {primary.port}"
    if owner.use is Use.ENDED:
        return "Wait a minute"
    if owner.use is Use.CONNECTED:
        return "Wait until that connection ends"
    if owner.pid is None:
        other = f" or {owner.user}" if owner.user not in (None, "root") else ""
        return f"Run `connmon-agent ports` {AS_SUPERUSER}{other} to see what uses {primary.port}"
    return f"Stop {describe(owner)}"
