"""Evidence out of what the kernel shows."""

from __future__ import annotations

import os

import pytest

from connmon_agent.core.observations import Evidence
from connmon_agent.probes.default_routes import DefaultRoute
from connmon_agent.probes.interface import InterfaceState
from connmon_agent.routes.kernel import is_running
from connmon_agent.routes.views import SystemView, read_portably

WAN = DefaultRoute("wan0", 4, 100, "192.0.2.1")
LTE = DefaultRoute("wwan0", 4, 700, "192.168.0.1")
WAN_IPV6 = DefaultRoute("wan0", 6, 1024, "fe80::1")
TUNNEL = DefaultRoute("wg0", 4, 50)
DUMMY = DefaultRoute("dummy0", 4, 1000, "203.0.113.255")
UP: dict[str, bool | None] = {"wan0": True, "wwan0": True}
DOWN: dict[str, bool | None] = {"wan0": False}


def link(name: str, *, running: bool) -> InterfaceState:
    return InterfaceState(name, up=True, running=running, addresses=("192.0.2.2",), loopback=name == "lo")


def view(
    *routes: DefaultRoute,
    hops: list[DefaultRoute] | None = None,
    running: dict[str, bool | None] | None = None,
    way: bool = False,
    told: bool = True,
    kinds: dict[str, str] | None = None,
) -> SystemView:
    """What a machine shows: its default routes, those that the kernel would use, and the carriers."""
    return SystemView(
        read_routes=lambda: list(routes) if told else None,
        is_running=(running or {}).get,
        has_route=lambda: way,
        read_links=lambda: {"lo": link("lo", running=True), "eth0": link("eth0", running=False)},
        read_hops=lambda: hops,
        read_kind=(kinds or {}).get,
        exists=lambda name: name in (running or {}),
    )


def told(
    carrier: bool | None,
    interface: str | None,
    gateway: str | None = None,
    *versions: str,
    dark: str | None = None,
    route: bool = True,
) -> Evidence:
    return Evidence(carrier, route, interface, gateway, dark, versions or ("ipv4",))


@pytest.mark.parametrize(
    ("seen", "evidence"),
    [
        pytest.param(view(WAN, running=UP), told(True, "wan0", "192.0.2.1"), id="all is well"),
        pytest.param(view(WAN, running=DOWN), told(False, "wan0", "192.0.2.1"), id="no carrier"),
        pytest.param(view(WAN), told(None, "wan0", "192.0.2.1"), id="a carrier that is not told"),
        pytest.param(view(LTE, WAN, running=UP), told(True, "wan0", "192.0.2.1"), id="the lowest metric wins"),
        pytest.param(
            view(LTE, WAN, running=DOWN | {"wwan0": True}),
            told(True, "wwan0", "192.168.0.1", dark="wan0"),
            id="where the kernel cannot be asked, a spare with a carrier speaks for the link",
        ),
        pytest.param(
            view(LTE, WAN, running=dict.fromkeys(("wan0", "wwan0"), False)),
            told(False, "wan0", "192.0.2.1"),
            id="none of several has a carrier",
        ),
        pytest.param(view(WAN_IPV6, running=UP), told(True, "wan0", "fe80::1", "ipv6"), id="IPv6 alone"),
        pytest.param(view(TUNNEL, running={"wg0": True}), told(True, "wg0"), id="no gateway in a tunnel"),
        pytest.param(view(), Evidence(default_route=False), id="no default route"),
        pytest.param(view(way=True), Evidence(default_route=True), id="a default route in another table"),
        pytest.param(view(told=False), Evidence(carrier=False, default_route=False), id="no /proc/net"),
        pytest.param(
            view(LTE, WAN, hops=[WAN], running=DOWN | {"wwan0": True}),
            told(False, "wan0", "192.0.2.1"),
            id="a spare that the kernel does not use does not speak for the link",
        ),
        pytest.param(
            view(LTE, WAN, hops=[LTE], running=DOWN | {"wwan0": True}),
            told(True, "wwan0", "192.168.0.1", dark="wan0"),
            id="one that it uses in place of a better one does",
        ),
        pytest.param(
            view(LTE, WAN, hops=[WAN], running=UP | {"wwan0": False}),
            told(True, "wan0", "192.0.2.1"),
            id="a spare without a carrier is no fault",
        ),
        pytest.param(
            view(WAN, hops=[WAN, LTE], running=DOWN | {"wwan0": True}),
            told(True, "wwan0", "192.168.0.1", dark="wan0"),
            id="one of two next hops",
        ),
        pytest.param(
            view(WAN, hops=[TUNNEL], running=DOWN | {"wg0": True}),
            told(True, "wg0", dark="wan0"),
            id="a tunnel over an interface without a carrier",
        ),
        pytest.param(
            view(WAN, WAN_IPV6, hops=[WAN, WAN_IPV6], running=UP),
            told(True, "wan0", "192.0.2.1", "ipv4", "ipv6"),
            id="both versions of IP",
        ),
        pytest.param(view(hops=[]), Evidence(default_route=False, versions=()), id="the kernel has no way"),
        pytest.param(view(hops=[WAN], told=False, running=UP), told(True, "wan0", "192.0.2.1"), id="netlink alone"),
        pytest.param(
            view(DUMMY, hops=[DUMMY], running={"dummy0": True}, kinds={"dummy0": "dummy"}),
            Evidence(default_route=False, versions=()),
            id="a dummy interface leads nowhere",
        ),
        pytest.param(
            view(DUMMY, WAN_IPV6, hops=[DUMMY, WAN_IPV6], running=UP | {"dummy0": True}, kinds={"dummy0": "dummy"}),
            told(True, "wan0", "fe80::1", "ipv6"),
            id="a dummy for IPv4 beside IPv6",
        ),
    ],
)
def test_evidence_of_linux(seen: SystemView, evidence: Evidence) -> None:
    assert seen.read() == evidence


def test_without_a_default_route_the_interface_it_used_last_is_told() -> None:
    hops, running = [WAN], dict(UP)
    seen = view(hops=hops, running=running)
    assert seen.read() == told(True, "wan0", "192.0.2.1")
    hops.clear()
    running["wan0"] = False
    assert seen.read() == Evidence(carrier=False, default_route=False, interface="wan0", versions=())


def test_the_lost_carrier_is_told_when_its_route_goes_and_another_one_takes_its_place() -> None:
    """As networkd and NetworkManager do, and as with a dummy route: what is left may lead nowhere."""
    hops, running = [WAN], dict(UP)
    seen = view(hops=hops, running=running)
    seen.read()
    hops[:], running["wan0"] = [LTE], False
    assert [seen.read().dark for _ in range(2)] == ["wan0", "wan0"]
    running["wan0"] = True
    assert seen.read() == told(True, "wwan0", "192.168.0.1")
    running["wan0"] = False  # it is not the way any more, and need not have a carrier
    assert seen.read().dark is None


def test_an_interface_that_is_gone_is_not_missed_while_there_is_another_way() -> None:
    hops, running = [TUNNEL], {"wg0": True, "wan0": True}
    seen = view(hops=hops, running=running)
    seen.read()
    hops[:] = [WAN]
    del running["wg0"]
    assert seen.read() == told(True, "wan0", "192.0.2.1")


@pytest.mark.parametrize(
    ("links", "carrier"),
    [
        pytest.param([link("lo", running=True), link("en0", running=True)], True, id="one"),
        pytest.param([link("en0", running=False), link("en1", running=True)], True, id="one of two"),
        pytest.param([link("lo", running=True), link("en0", running=False)], False, id="none but loopback"),
    ],
)
def test_carrier_elsewhere(links: list[InterfaceState], carrier: bool) -> None:
    evidence = read_portably(read_links=lambda: {link.name: link for link in links}, has_route=lambda: True)
    assert evidence == Evidence(carrier=carrier, default_route=True)


def test_an_interface_that_goes_while_it_is_looked_at_is_no_evidence() -> None:
    def fail() -> dict[str, InterfaceState]:
        raise OSError("no such device")

    assert read_portably(read_links=fail, has_route=lambda: True) == Evidence(default_route=True)


@pytest.mark.linux_alone(reason="interfaces asked by ioctl")
@pytest.mark.skipif(not os.path.exists("/proc/net/dev"), reason="asks Linux")
@pytest.mark.parametrize(
    ("name", "running"),
    [("lo", True), ("no-such-if", False), ("a-name-that-is-too-long", None)],
    ids=["loopback", "missing", "no name of an interface"],
)
def test_the_kernel_tells_of_a_carrier(name: str, running: bool | None) -> None:
    assert is_running(name) is running
