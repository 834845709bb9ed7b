"""How a connection gets to a backend: through the API server and the kubelet, or dialled from here.

``auto`` dials only what lies in a network of this machine's own interfaces. An address that nothing but the default
route leads to may be somebody else's: 10.43.0.7 behind a hotel's router is not our ClusterIP. And the same private
networks are used everywhere: a pod's address is dialled only where its node is this machine, or shares the pod's
network with us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..errors import ClusterError
from ..kube.backends import Backend, Backends
from ..kube.port_forwards import open_pod
from ..kube.streams import ApiStreams
from ..settings import Transport
from .networks import Surroundings, read_surroundings
from .ways import Stream, dial

DIAL = 1.0  # seconds an address is given; it is a wire away, or answers through a router or two
SHUNNED = 30.0  # seconds for which an address that did not answer is not dialled again, where there is another way
SURROUNDINGS_KEPT = 30.0  # seconds; interfaces come and go seldom


@dataclass(frozen=True, slots=True)
class Route:
    """An address to dial. ``sort`` tells which of the three it is: "pod", "service" or "node"."""

    sort: str
    address: str
    port: int


def list_routes(backends: Backends, end: Backend) -> tuple[Route, ...]:
    """What may be dialled for ``end``, in order: the pod, its Service, its node."""
    found = []
    if end.address:
        found.append(Route("pod", end.address, end.port))
    if backends.cluster_ip:
        found.append(Route("service", backends.cluster_ip, backends.port))
    if end.host and backends.node_port:
        found.append(Route("node", end.host, backends.node_port))
    return tuple(found)


def is_safe(route: Route, end: Backend, around: Surroundings) -> bool:
    """Whether ``route`` certainly leads to the cluster and to nobody else; see the module's own words."""
    if route.sort == "pod":
        return around.is_near(route.address) and (around.is_ours(end.host) or around.is_near(end.host))
    return around.is_near(route.address)


class Transports:
    """Connections to backends by any transport. It remembers which addresses answered."""

    def __init__(self, streams: ApiStreams, *, surroundings: Callable[[], Surroundings] = read_surroundings) -> None:
        self._streams = streams
        self._read_surroundings = surroundings
        self._around: tuple[float, Surroundings] | None = None
        self._worked: dict[tuple[str, str | None], str] = {}  # the sort of route, by ClusterIP and node
        self._shunned: dict[Route, float] = {}  # until when

    async def open(
        self, transport: Transport, namespace: str, backends: Backends, end: Backend, *, timeout: float
    ) -> Stream:
        """Connect to ``end`` within ``timeout`` seconds. Raises ClusterError."""
        failure: ClusterError | None = None
        for route in self._choose(transport, backends, end):
            try:
                opened = await dial(route.address, route.port, timeout=min(timeout, DIAL))
            except ClusterError as error:
                failure = error
                self._shunned[route] = self._now() + SHUNNED
            else:
                self._worked[(backends.cluster_ip or "", end.host)] = route.sort
                self._shunned.pop(route, None)
                return opened
        if transport is not Transport.DIRECT and end.pod is not None:
            return await open_pod(self._streams, namespace, end.pod, end.port, timeout=timeout)
        if failure is not None:
            raise failure
        raise ClusterError("unreachable", f"{end.name} has no address that could be dialled from here", delivered=False)

    def _choose(self, transport: Transport, backends: Backends, end: Backend) -> Iterator[Route]:
        if transport is Transport.PORT_FORWARD and end.pod is not None:
            return
        only = transport is Transport.DIRECT or end.pod is None
        last = self._worked.get((backends.cluster_ip or "", end.host))
        for route in sorted(list_routes(backends, end), key=lambda route: route.sort != last):
            if only or (self._shunned.get(route, 0.0) <= self._now() and is_safe(route, end, self._surroundings())):
                yield route

    def _surroundings(self) -> Surroundings:
        if self._around is None or self._now() - self._around[0] > SURROUNDINGS_KEPT:
            self._around = (self._now(), self._read_surroundings())
        return self._around[1]

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
