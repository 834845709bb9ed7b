from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fakes.loopback import serve_tcp
from tests.port_forwarding.places import NOWHERE, cluster, connect, echo, page, place, receive, run, send

from connmon_agent.errors import ClusterError
from connmon_agent.kube.backends import Backend, Backends
from connmon_agent.port_forwarding.networks import LocalNetworks, read_local_networks
from connmon_agent.port_forwarding.transports import DirectRoute, Transports, is_safe, list_routes
from connmon_agent.settings import Transport
from connmon_agent.sockets.hops import Hop
from connmon_lab.kubernetes import EmbeddedKubernetes, manifests

POD = Backend(8080, "web", "uid", address="10.42.0.7", host="192.0.2.10")
WHOLE = Backends((POD,), None, "10.43.0.1", 80, 30080)


def around(*interfaces: str) -> LocalNetworks:
    return LocalNetworks(tuple(ipaddress.ip_interface(one) for one in interfaces))


def test_the_pod_its_service_its_node() -> None:
    assert list_routes(WHOLE, POD) == (
        DirectRoute("pod", "10.42.0.7", 8080),
        DirectRoute("service", "10.43.0.1", 80),
        DirectRoute("node", "192.0.2.10", 30080),
    )


HOST = API = "192.0.2.10"
WIRE = Hop("eth0")  # on the link of the node
DEFAULT = Hop("eth0", "192.0.2.1")


def hops(pod: Hop | None, host: Hop | None = WIRE, service: Hop | None = DEFAULT) -> Callable[[str], Hop | None]:
    """The kernel's routes to POD's own address, to its node and to its Service."""
    known: dict[str | None, Hop | None] = {POD.address: pod, POD.host: host, WHOLE.cluster_ip: service}
    return known.get


OURS = Hop("lo", local=True)


@pytest.mark.parametrize(
    ("interfaces", "api", "find_hop", "safe"),
    [
        pytest.param(
            ("192.0.2.10/24", "10.42.0.1/24"),
            "127.0.0.1",
            hops(Hop("cni0"), OURS),
            {"pod", "node"},
            id="we are the node",
        ),
        pytest.param(("192.0.2.10/24",), API, hops(Hop("cali123"), OURS), {"pod", "node"}, id="a route to each pod"),
        pytest.param(("192.0.2.20/24",), API, hops(DEFAULT), {"node"}, id="beside the node"),
        pytest.param(("192.0.2.20/24",), "192.0.2.30", hops(DEFAULT), {"node"}, id="beside a worker"),
        pytest.param(("192.0.2.20/24",), API, hops(Hop("eth0", HOST)), {"pod", "node"}, id="the node is the next hop"),
        pytest.param(("192.0.2.20/24",), API, hops(Hop("eth0", "192.0.2.9")), {"node"}, id="the next hop is somebody"),
        pytest.param(
            ("192.0.2.20/24", "10.42.0.1/24"), API, hops(Hop("eth0")), {"pod", "node"}, id="pods on the nodes' wire"
        ),
        pytest.param(
            ("192.0.2.20/24", "10.42.0.1/16"), API, hops(Hop("docker0")), {"node"}, id="a container network overlaps"
        ),
        pytest.param(
            ("192.0.2.20/24", "10.42.0.1/24"), API, hops(Hop("cni0")), {"node"}, id="so does a cluster of our own"
        ),
        pytest.param(
            ("192.0.2.20/24", "10.42.1.0/32"),
            API,
            hops(Hop("flannel.1", "10.42.0.0")),
            {"node"},
            id="and its other node",
        ),
        pytest.param(
            ("192.0.2.20/24",), "192.0.2.20", hops(Hop("flannel.1", "10.42.0.0")), {"pod", "node"}, id="our own overlay"
        ),
        pytest.param(
            ("192.0.2.20/24", "10.43.0.1/32"), "127.0.0.1", hops(DEFAULT, service=OURS), {"service"}, id="IPVS"
        ),
        pytest.param(("192.0.2.20/24", "10.43.0.1/32"), API, hops(DEFAULT, service=OURS), {"node"}, id="IPVS of ours"),
        pytest.param(("192.0.2.20/24",), "127.0.0.1", hops(DEFAULT), set(), id="the API through a tunnel"),
        pytest.param(("192.0.2.20/24",), "198.51.100.1", hops(DEFAULT), set(), id="the API elsewhere"),
        pytest.param(
            ("192.0.2.10/24", "10.42.0.1/24"), "198.51.100.1", hops(Hop("cni0"), OURS), set(), id="our address again"
        ),
        pytest.param(("192.0.2.10/24", "10.42.0.1/24"), None, hops(Hop("cni0"), OURS), set(), id="not verified"),
        pytest.param(("192.0.2.20/24",), API, hops(None, None), set(), id="no route"),
    ],
)
def test_only_what_is_proved_to_be_the_clusters_is_dialled(
    interfaces: tuple[str, ...], api: str | None, find_hop: Callable[[str], Hop | None], safe: set[str]
) -> None:
    here = LocalNetworks(around(*interfaces).interfaces, find_hop)
    assert {route.sort for route in list_routes(WHOLE, POD) if is_safe(route, POD, here, api)} == safe


def test_this_machines_own_networks_are_read() -> None:
    found = read_local_networks()
    assert all(not one.is_loopback for one in found.interfaces)
    assert not found.is_ours(None)
    assert not found.is_near("no address")


def by_hand(port: int) -> EmbeddedKubernetes:
    """A Service without a selector, whose only end is a server on loopback."""
    api = EmbeddedKubernetes()
    service = manifests.service("web", target=port)
    del service["spec"]["selector"]
    service["spec"]["ports"][0].pop("name")
    api.create(service)
    api.create(manifests.endpoint_slice("web-1", service="web", addresses=["127.0.0.1"], port=port))
    return api


@pytest.mark.parametrize("transport", list(Transport))
def test_a_bare_address_is_dialled(tmp_path: Path, transport: Transport) -> None:
    async def scenario() -> None:
        async with (
            serve_tcp(echo) as port,
            place(tmp_path, by_hand(port), transport=transport) as here,
        ):
            client = await connect(here.port)
            await send(client, b"x")
            assert await receive(client, 1) == b"x"
            client.shutdown(1)
            assert await receive(client, 1) == b""  # the half-close went through, and the echo ended by itself
            client.close()

    run(scenario())


def test_auto_goes_through_the_api_where_nothing_is_near(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with place(tmp_path, cluster(), transport=Transport.AUTO, around=NOWHERE) as here:
            assert await page(here.port) == here.pods()[0]
            assert here.opened() >= 1

    run(scenario())


def test_direct_never_goes_through_the_api(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with place(tmp_path, cluster(), listening=False) as here:
            transports = Transports(here.streams, networks=lambda: NOWHERE)
            end = Backend(8080, "web", "uid")
            with pytest.raises(ClusterError, match=r"^web has no address reachable from here$"):
                await transports.open(Transport.DIRECT, "default", Backends((end,)), end, timeout=1.0)

    run(scenario())
