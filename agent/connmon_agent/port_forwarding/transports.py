"""How a connection gets to a backend: through the API server and the kubelet, or dialled from here.

``auto`` dials only where it is proved that the address is the cluster's. The same private networks are used everywhere:
a container network of this machine may hold the address of a pod of the cluster, and 10.43.0.7 behind a hotel's router
is not our ClusterIP. The proof begins with the API server, whose address is certain since TLS has verified it: a node
is the cluster's when it is the API server's machine, or in one network with it. Then the kernel's own route to the
address must be by that node: see ``is_safe``. Without a proof the API server forwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..errors import ClusterError
from ..kube.backends import Backend, Backends
from ..settings import Transport
from ..sockets.hops import Hop
from .api_streams import ApiStreams
from .networks import LocalNetworks, read_local_networks
from .pod_streams import open_pod
from .streams import Stream, dial

# How networks of pods name their interfaces: to the pods of one node, and between the nodes.
_OF_ONE_NODE = ("cni", "cbr", "cali", "cilium", "lxc", "weave", "kube-bridge", "antrea-gw", "ovn-k8s")
_BETWEEN_NODES = ("flannel", "vxlan.calico", "tunl", "wireguard.cali", "cilium", "weave", "antrea-gw", "ovn-k8s")

DIAL = 1.0  # seconds an address is given; it is a wire away, or answers through a router or two
SHUNNED = 30.0  # seconds for which an address that did not answer is not dialled again, where there is another way
NETWORKS_KEPT = 30.0  # seconds; interfaces come and go seldom


@dataclass(frozen=True, slots=True)
class DirectRoute:
    """An address to dial. ``sort`` tells which of the three it is: "pod", "service" or "node"."""

    sort: str
    address: str
    port: int


def list_routes(backends: Backends, end: Backend) -> tuple[DirectRoute, ...]:
    """What may be dialled for ``end``, in order: the pod, its Service, its node."""
    found = []
    if end.address:
        found.append(DirectRoute("pod", end.address, end.port))
    if backends.cluster_ip:
        found.append(DirectRoute("service", backends.cluster_ip, backends.port))
    if end.host and backends.node_port:
        found.append(DirectRoute("node", end.host, backends.node_port))
    return tuple(found)


def is_safe(route: DirectRoute, end: Backend, around: LocalNetworks, api: str | None) -> bool:
    """Whether ``route`` certainly ends in the cluster whose API server has the verified IP address ``api`` (None: it is
    not known, or not verified).

    A pod: on this very node by a network of its own, on another one by that node as the next hop, by the interface on
    which the node is, or by a network of the cluster's own when this machine is the API server's. A ClusterIP: an
    address of this machine, as kube-proxy's IPVS mode makes it. A node: on the same wire.
    """
    hop = around.find_hop(route.address)
    if api is None or hop is None:
        return False
    if route.sort == "service":
        return around.is_this_machine(api) and around.is_ours(route.address)
    if end.host is None or not _is_node(end.host, around, api):
        return False
    if route.sort == "node":
        return _is_near(hop, route.address, around)
    if around.is_ours(end.host):
        return _is_near(hop, route.address, around) or hop.interface.startswith(_OF_ONE_NODE)
    if hop.gateway is not None and hop.gateway == end.host:
        return True
    if around.is_this_machine(api) and hop.interface.startswith(_BETWEEN_NODES):
        return True
    wire = around.find_hop(end.host)
    return wire is not None and wire.interface == hop.interface and _is_near(hop, route.address, around)


def _is_node(host: str, around: LocalNetworks, api: str) -> bool:
    """Whether ``host`` is certainly a node of the cluster with the API server ``api``."""
    if around.is_ours(host) and around.is_this_machine(api):
        return True
    return host == api or around.share_network(host, api)


def _is_near(hop: Hop, address: str, around: LocalNetworks) -> bool:
    return hop.local or (hop.gateway is None and around.is_near(address))


class Transports:
    """Connections to backends by any transport. It remembers which addresses answered."""

    def __init__(self, streams: ApiStreams, *, networks: Callable[[], LocalNetworks] = read_local_networks) -> None:
        self._streams = streams
        self._read_local_networks = networks
        self._around: tuple[float, LocalNetworks] | None = None
        self._worked: dict[tuple[str, str | None], str] = {}  # the sort of route, by ClusterIP and node
        self._shunned: dict[DirectRoute, float] = {}  # until when

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
        raise ClusterError("unreachable", f"{end.name} has no address reachable from here", delivered=False)

    def _choose(self, transport: Transport, backends: Backends, end: Backend) -> Iterator[DirectRoute]:
        if transport is Transport.PORT_FORWARD and end.pod is not None:
            return
        only = transport is Transport.DIRECT or end.pod is None
        last = self._worked.get((backends.cluster_ip or "", end.host))
        for route in sorted(list_routes(backends, end), key=lambda route: route.sort != last):
            if only or (self._shunned.get(route, 0.0) <= self._now() and self._is_safe(route, end)):
                yield route

    def _is_safe(self, route: DirectRoute, end: Backend) -> bool:
        return is_safe(route, end, self._networks(), self._streams.verified_address)

    def _networks(self) -> LocalNetworks:
        if self._around is None or self._now() - self._around[0] > NETWORKS_KEPT:
            self._around = (self._now(), self._read_local_networks())
        return self._around[1]

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
