from __future__ import annotations

import asyncio

import psutil
import pytest
from tests.fakes.loopback import probe

from connmon_agent.core.observations import Failure
from connmon_agent.probes.default_routes import DefaultRoute
from connmon_agent.probes.failures import ProbeFailure
from connmon_agent.probes.interface import InterfaceState, check_interface, read_links
from connmon_agent.settings import InterfaceTarget

WAN = InterfaceState("wan0", up=True, running=True, addresses=("192.0.2.2",))
LTE = InterfaceState("wwan0", up=True, running=True, addresses=("198.51.100.7",))
OFF = InterfaceState("wan0", up=False, running=False, addresses=())
UNPLUGGED = InterfaceState("wan0", up=True, running=False, addresses=("192.0.2.2",))
WITHOUT_ADDRESS = InterfaceState("wan0", up=True, running=True, addresses=())
LOOPBACK = InterfaceState("lo", up=True, running=True, addresses=("127.0.0.1", "::1"), loopback=True)
VIA_WAN = DefaultRoute("wan0", 4, 100, "192.0.2.1")
VIA_LTE = DefaultRoute("wwan0", 4, 700, "192.168.0.1")
IPV6_VIA_LTE = DefaultRoute("wwan0", 6, 1024)


@pytest.mark.parametrize(
    ("name", "links", "routes"),
    [
        ("wan0", [WAN, LOOPBACK], [VIA_WAN]),
        ("wan0", [WAN, LTE], [VIA_LTE, VIA_WAN]),
        ("wwan0", [WAN, LTE], [VIA_LTE, VIA_WAN]),
        ("wan0", [WAN], None),
        (None, [WAN, LOOPBACK], [VIA_WAN]),
        (None, [WAN, LTE], [VIA_LTE, VIA_WAN]),
        (None, [UNPLUGGED, LTE], [VIA_WAN, IPV6_VIA_LTE]),
        (None, [UNPLUGGED, LTE, LOOPBACK], None),
    ],
    ids=[
        "named",
        "named, with the best route",
        "named, with the spare route",
        "named, routes not told",
        "by route",
        "by the best route",
        "IPv6 goes another way",
        "routes not told",
    ],
)
def test_a_good_link(name: str | None, links: list[InterfaceState], routes: list[DefaultRoute] | None) -> None:
    check_interface(name, {link.name: link for link in links}, routes)


@pytest.mark.parametrize(
    ("name", "links", "routes", "reason"),
    [
        ("wan0", [LOOPBACK], [VIA_WAN], "there is no interface wan0"),
        ("wan0", [OFF], [VIA_WAN], "wan0 is down"),
        ("wan0", [UNPLUGGED], [VIA_WAN], "wan0 has no carrier"),
        ("wan0", [WITHOUT_ADDRESS], [VIA_WAN], "wan0 has no address"),
        ("wan0", [WAN, LTE], [VIA_LTE], "wan0 has no default route"),
        (None, [WAN], [], "there is no default route"),
        (None, [UNPLUGGED, LTE], [VIA_WAN, VIA_LTE], "wan0 has no carrier"),
        (None, [UNPLUGGED], [DefaultRoute("wwan0", 6, 1), VIA_WAN], "wan0 has no carrier"),
        (None, [LOOPBACK], None, "there is no interface"),
        (None, [OFF, LOOPBACK], None, "wan0 is down"),
    ],
    ids=[
        "gone",
        "down",
        "unplugged",
        "no address",
        "no route of its own",
        "no route",
        "the best route's link is dead, the spare's is not used",
        "every family's link is dead",
        "loopback alone",
        "routes not told, link down",
    ],
)
def test_a_bad_link_says_why(
    name: str | None, links: list[InterfaceState], routes: list[DefaultRoute] | None, reason: str
) -> None:
    with pytest.raises(ProbeFailure) as failure:
        check_interface(name, {link.name: link for link in links}, routes)

    unrouted = reason.endswith(("default route", "no address"))
    assert (failure.value.reason, failure.value.failure) == (reason, Failure.UNROUTED if unrouted else Failure.DOWN)


def test_the_links_of_this_machine_are_those_psutil_sees() -> None:
    links = read_links()

    assert set(links) == set(psutil.net_if_stats())
    (loopback,) = [link for link in links.values() if "127.0.0.1" in link.addresses]
    assert loopback.up and loopback.running and loopback.loopback
    assert not [address for link in links.values() for address in link.addresses if address.startswith("fe80:")]


def test_an_interface_is_probed_without_a_packet_and_so_without_a_latency() -> None:
    result = asyncio.run(probe(InterfaceTarget("no-such0", "link")))

    assert (result.name, result.kind, result.ok) == ("link", "interface", False)
    assert (result.latency_ms, result.reason) == (None, "there is no interface no-such0")


def test_loopback_leads_nowhere() -> None:
    (loopback,) = [link.name for link in read_links().values() if link.loopback]

    assert asyncio.run(probe(InterfaceTarget(loopback, "link"))).reason == f"{loopback} has no default route"
