"""The checks of ``doctor`` for local ports: whether each service can have one, and whether there is an end to it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping

from ..core.plan import ForwardPlan, ServicePlan
from ..core.ports.allocation import allocate
from ..core.wording import counted, tell_obstacle
from ..errors import ClusterError
from ..kube.backends import SET_TARGET, NoBackend, find_port, find_service
from ..kube.calls import Calls
from ..kube.inventory import read_service
from ..kube.requests import get, list_path
from ..loading.defaults import join_address
from ..settings import ForwardSettings, Settings
from ..sockets.examining import Obstacle, find_obstacles
from ..sockets.port_ranges import read_ephemeral_range
from .findings import Finding, good, problem, warning

ABOUT = "local ports"
RESERVING = {
    "win32": "netsh interface ipv4 add excludedportrange protocol=tcp startport=PORT numberofports=1",
    "linux": "sysctl net.ipv4.ip_local_reserved_ports",
}
ReadRange = Callable[[], tuple[int, int] | None]


def examine_ports(
    settings: Settings, *, agent: int | None, read_range: ReadRange = read_ephemeral_range
) -> Iterator[Finding]:
    """Whether each service can have a port now; ``agent`` is the running agent's process id (None: none runs)."""
    plans = {plan.name: plan.forward for plan in settings.plan.services if plan.forward is not None}
    if not plans:
        return
    obstacles = find_obstacles({port: plan.bind for plan in plans.values() for port in plan.candidates})
    others = {port: found for port, found in obstacles.items() if agent is None or _pid_of(found) != agent}
    assigned = allocate(plans, taken=others, held={})
    troubles = [_judge(name, plans[name], port, others) for name, port in assigned.items()]
    yield from (finding for finding in troubles if finding is not None)
    if not any(troubles):
        yield good(ABOUT, f"{counted(len(plans), 'service')}, all primary ports are available")
    yield from _examine_range(plans, read_range)


def examine_metrics(settings: Settings, *, agent: int | None) -> Iterator[Finding]:
    """Whether metrics can be served where they are wanted; ``agent`` is the running agent's process id (None: none)."""
    if settings.metrics.listen is None:
        return
    address, port = settings.metrics.listen
    where = join_address(address, port)
    obstacle = find_obstacles({port: (address,)}).get(port)
    if obstacle is None:
        yield good("metrics", f"{where} is free")
    elif agent is not None and _pid_of(obstacle) == agent:
        yield good("metrics", f"served on {where}")
    else:
        remedy = "Stop that program, or set another address in metrics.listen"
        yield warning("metrics", f"cannot be served: {tell_obstacle(port, obstacle.text)}", remedy)


async def examine_ends(settings: Settings, calls: Calls, *, missing: Collection[str] = ()) -> AsyncIterator[Finding]:
    """Whether the Service behind each local port, and its port, are in the cluster.

    ``missing`` names the services whose workload does not exist: that is said already, and their Service is not asked.
    """
    asked = [
        (plan, settings.forwards[plan.name])
        for plan in settings.plan.services
        if plan.forward is not None and plan.name not in missing
    ]
    troubles = await asyncio.gather(*(_find_trouble(calls, plan, forward) for plan, forward in asked))
    for (plan, _), trouble in zip(asked, troubles, strict=True):
        if trouble is not None:
            remedy = f"Correct services.{plan.name}.service or .target, or create the Service"
            if SET_TARGET in trouble:
                remedy = f"Set services.{plan.name}.target to the name or number of one of these ports"
            yield warning(f"local port of {plan.name}", f"has no target: {trouble}", remedy)
    if asked and not any(troubles):
        yield good("forward targets", f"{counted(len(asked), 'Service')} found, with the configured ports")


def _judge(name: str, plan: ForwardPlan, port: int | None, obstacles: Mapping[int, Obstacle]) -> Finding | None:
    """What is to be said of one service's port; None: it can have the primary one."""
    if port == plan.port:
        return None
    taken = "; ".join(tell_obstacle(one, obstacles[one].text) for one in plan.candidates if one in obstacles)
    remedy = "Run `connmon-agent ports` to list them, then stop the programs that use them, or add alternatives"
    if port is None:
        return problem(f"local port of {name}", f"no port is available: {taken}", remedy)
    return warning(f"local port of {name}", f"{taken}; {port} would be used", remedy)


def _pid_of(obstacle: Obstacle) -> int | None:
    return None if obstacle.owner is None else obstacle.owner.pid


def _examine_range(plans: Mapping[str, ForwardPlan], read_range: ReadRange) -> Iterator[Finding]:
    """Ports that the system gives to outgoing connections may be taken by any program at any time."""
    ephemeral = read_range()
    if ephemeral is None:
        return
    low, high = ephemeral
    exposed = sorted({port for plan in plans.values() for port in plan.candidates if low <= port <= high})
    if exposed:
        text = f"{', '.join(map(str, exposed))}: in the range of outgoing connections, {low} to {high}"
        reserving = f", or reserve them: {RESERVING[sys.platform]}" if sys.platform in RESERVING else ""
        yield warning(ABOUT, text, f"Choose ports below {low}{reserving}")


async def _find_trouble(calls: Calls, plan: ServicePlan, forward: ForwardSettings) -> str | None:
    path = f"{list_path('api/v1', plan.namespace, 'services')}/{forward.service}"
    try:
        service = read_service(await calls.send(get(path, "Service")))
        find_port(find_service(service.name, {service.name: service}), forward.target, forward.port)
    except NoBackend as error:
        return str(error)
    except ClusterError as error:
        absent = f"there is no Service {forward.service} in the namespace {plan.namespace}"
        return absent if error.kind == "not-found" else str(error)
    return None
