from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from tests.fakes.loopback import serve_tcp
from tests.forwards.places import NOWHERE, cluster, connect, echo, page, place, receive, run, send

from connmon_agent.embedded.kubernetes import EmbeddedKubernetes, manifests
from connmon_agent.errors import ClusterError
from connmon_agent.forwards.networks import Surroundings, read_surroundings
from connmon_agent.forwards.transports import Route, Transports, is_safe, list_routes
from connmon_agent.kube.backends import Backend, Backends
from connmon_agent.settings import Transport

POD = Backend(8080, "web", "uid", address="10.42.0.7", host="192.0.2.10")
WHOLE = Backends((POD,), None, "10.43.0.1", 80, 30080)


def around(*interfaces: str) -> Surroundings:
    return Surroundings(tuple(ipaddress.ip_interface(one) for one in interfaces))


def test_the_pod_its_service_its_node() -> None:
    assert list_routes(WHOLE, POD) == (
        Route("pod", "10.42.0.7", 8080),
        Route("service", "10.43.0.1", 80),
        Route("node", "192.0.2.10", 30080),
    )


@pytest.mark.parametrize(
    ("interfaces", "safe"),
    [
        (("192.0.2.10/24", "10.42.0.1/24"), {"pod", "node"}),  # we are the node
        (("192.0.2.20/24",), {"node"}),  # beside the node
        (("10.42.0.1/24", "198.51.100.7/24"), set()),  # a cluster of our own has the same pod network
        (("198.51.100.7/24",), set()),
        (("192.0.2.20/24", "10.42.0.1/24"), {"pod", "node"}),  # in both of its networks
    ],
)
def test_only_what_begins_here_is_dialled_without_being_told_to(interfaces: tuple[str, ...], safe: set[str]) -> None:
    here = around(*interfaces)
    assert {route.sort for route in list_routes(WHOLE, POD) if is_safe(route, POD, here)} == safe


def test_this_machines_own_networks_are_read() -> None:
    found = read_surroundings()
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
            transports = Transports(here.streams, surroundings=lambda: NOWHERE)
            end = Backend(8080, "web", "uid")
            with pytest.raises(ClusterError, match=r"^web has no address that could be dialled from here$"):
                await transports.open(Transport.DIRECT, "default", Backends((end,)), end, timeout=1.0)

    run(scenario())
