from __future__ import annotations

import asyncio
import ssl

import pytest
from tests.fakes.loopback import HOST, PATIENT, closed_port, serve_tcp, silent_port
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.observations import Failure
from connmon_agent.probes.default_routes import DefaultRoute
from connmon_agent.probes.echoes import find_obstacle
from connmon_agent.probes.failures import ProbeFailure
from connmon_agent.probes.gateway import ask_gateway, find_gateway
from connmon_agent.probes.lookups import Lookup
from connmon_agent.probes.network import Network

VIA_WAN = DefaultRoute("wan0", 4, 100, "192.0.2.1")
VIA_LTE = DefaultRoute("wwan0", 4, 700, "198.51.100.1")
IPV6_VIA_WAN = DefaultRoute("wan0", 6, 1024, "2001:db8::1")
LINK_LOCAL = DefaultRoute("wan0", 6, 1024, "fe80::1")
POINT_TO_POINT = DefaultRoute("ppp0", 4, 0)


@pytest.mark.parametrize(
    ("routes", "gateway"),
    [
        ([VIA_LTE, VIA_WAN], "192.0.2.1"),
        ([IPV6_VIA_WAN, VIA_LTE], "198.51.100.1"),
        ([IPV6_VIA_WAN], "2001:db8::1"),
        ([LINK_LOCAL], "fe80::1%wan0"),
        ([POINT_TO_POINT, LINK_LOCAL], "fe80::1%wan0"),
    ],
    ids=["the best route", "IPv4 first", "IPv6 alone", "a zone where it needs one", "the only one that has a gateway"],
)
def test_the_gateway_in_use(routes: list[DefaultRoute], gateway: str) -> None:
    assert find_gateway(routes) == gateway


@pytest.mark.parametrize(
    ("routes", "reason", "failure"),
    [
        ([], "there is no default route", Failure.UNROUTED),
        ([POINT_TO_POINT], "the default route over ppp0 has no gateway to probe", Failure.BROKEN),
        ([POINT_TO_POINT, VIA_LTE], "the default route over ppp0 has no gateway to probe", Failure.BROKEN),
    ],
    ids=["no route", "a point-to-point link", "the spare route is not asked"],
)
def test_no_gateway_to_ask(routes: list[DefaultRoute], reason: str, failure: Failure) -> None:
    with pytest.raises(ProbeFailure) as found:
        find_gateway(routes)

    assert (found.value.reason, found.value.failure) == (reason, failure)


async def ask(*ports: int, ping: bool = False) -> str | None:
    """The IP version of the gateway that is there. Raises TimeoutError when none is."""
    network = Network(ssl.create_default_context, Lookup(), timeout=0.05)  # of which a silent port has a share
    async with asyncio.timeout(PATIENT):
        await ask_gateway(HOST, network, ping=ping, ports=ports)
    return network.family


def test_a_refused_connection_shows_that_somebody_is_there() -> None:
    with closed_port() as closed:
        assert asyncio.run(ask(closed)) == "ipv4"


def test_so_does_an_accepted_one() -> None:
    async def run() -> str | None:
        async with serve_tcp(lambda reader, writer: reader.read()) as port:
            return await ask(port)

    assert asyncio.run(run()) == "ipv4"


def test_a_port_that_is_filtered_leaves_the_next_one_its_turn() -> None:
    with silent_port() as silent, closed_port() as closed:
        assert asyncio.run(ask(silent, closed)) == "ipv4"


def test_a_gateway_that_says_nothing_is_not_there() -> None:
    with silent_port() as silent, pytest.raises(TimeoutError):
        run_virtually(ask(silent))


@pytest.mark.skipif(find_obstacle(None) is not None, reason="this user may not open ping sockets")
def test_an_echo_is_enough() -> None:
    with silent_port() as silent:
        assert asyncio.run(ask(silent, ping=True)) == "ipv4"
