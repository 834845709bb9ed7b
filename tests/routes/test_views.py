"""Evidence out of what the kernel shows."""

from __future__ import annotations

import os

import pytest

from connmon_agent.core.sightings import Evidence
from connmon_agent.probes.default_routes import DefaultRoute
from connmon_agent.probes.interface import Link
from connmon_agent.routes.kernel import is_running
from connmon_agent.routes.views import LinuxView, read_portably

WAN = DefaultRoute("wan0", 4, 100, "192.0.2.1")
LTE = DefaultRoute("wwan0", 4, 700, "192.168.0.1")
WAN_IPV6 = DefaultRoute("wan0", 6, 1024, "fe80::1")
TUNNEL = DefaultRoute("wg0", 4, 50)


def link(name: str, *, running: bool) -> Link:
    return Link(name, up=True, running=running, addresses=("192.0.2.2",), loopback=name == "lo")


def view(
    *routes: DefaultRoute, running: dict[str, bool | None] | None = None, way: bool = False, told: bool = True
) -> LinuxView:
    """What a machine shows: its default routes, and which interfaces have a carrier."""
    return LinuxView(
        read_routes=lambda: list(routes) if told else None,
        is_running=(running or {}).get,
        finds_way=lambda: way,
        read_links=lambda: {"lo": link("lo", running=True), "eth0": link("eth0", running=False)},
    )


@pytest.mark.parametrize(
    ("seen", "evidence"),
    [
        pytest.param(view(WAN, running={"wan0": True}), Evidence(True, True, "wan0", "192.0.2.1"), id="all is well"),
        pytest.param(view(WAN, running={"wan0": False}), Evidence(False, True, "wan0", "192.0.2.1"), id="no carrier"),
        pytest.param(view(WAN), Evidence(None, True, "wan0", "192.0.2.1"), id="a carrier that is not told"),
        pytest.param(
            view(LTE, WAN, running={"wan0": True, "wwan0": True}),
            Evidence(True, True, "wan0", "192.0.2.1"),
            id="the lowest metric wins",
        ),
        pytest.param(
            view(LTE, WAN, running={"wan0": False, "wwan0": True}),
            Evidence(True, True, "wwan0", "192.168.0.1"),
            id="a spare with a carrier speaks for the link",
        ),
        pytest.param(
            view(LTE, WAN, running={"wan0": False, "wwan0": False}),
            Evidence(False, True, "wan0", "192.0.2.1"),
            id="none of several has a carrier",
        ),
        pytest.param(view(WAN_IPV6, running={"wan0": True}), Evidence(True, True, "wan0", "fe80::1"), id="IPv6 alone"),
        pytest.param(view(TUNNEL, running={"wg0": True}), Evidence(True, True, "wg0"), id="no gateway in a tunnel"),
        pytest.param(view(), Evidence(default_route=False), id="no default route"),
        pytest.param(view(way=True), Evidence(default_route=True), id="a default route in another table"),
        pytest.param(view(told=False), Evidence(carrier=False, default_route=False), id="no /proc/net"),
    ],
)
def test_evidence_of_linux(seen: LinuxView, evidence: Evidence) -> None:
    assert seen.read() == evidence


def test_without_a_default_route_the_interface_it_used_last_is_told() -> None:
    routes, running = [WAN], {"wan0": True}
    seen = LinuxView(read_routes=lambda: routes, is_running=running.get, finds_way=lambda: False)
    assert seen.read() == Evidence(True, True, "wan0", "192.0.2.1")
    routes.clear()
    running["wan0"] = False
    assert seen.read() == Evidence(carrier=False, default_route=False, interface="wan0")


@pytest.mark.parametrize(
    ("links", "carrier"),
    [
        pytest.param([link("lo", running=True), link("en0", running=True)], True, id="one"),
        pytest.param([link("en0", running=False), link("en1", running=True)], True, id="one of two"),
        pytest.param([link("lo", running=True), link("en0", running=False)], False, id="none but loopback"),
    ],
)
def test_carrier_elsewhere(links: list[Link], carrier: bool) -> None:
    evidence = read_portably(read_links=lambda: {link.name: link for link in links}, finds_way=lambda: True)
    assert evidence == Evidence(carrier=carrier, default_route=True)


def test_an_interface_that_goes_while_it_is_looked_at_is_no_evidence() -> None:
    def fail() -> dict[str, Link]:
        raise OSError("no such device")

    assert read_portably(read_links=fail, finds_way=lambda: True) == Evidence(default_route=True)


@pytest.mark.skipif(not os.path.exists("/proc/net/dev"), reason="asks Linux")
@pytest.mark.parametrize(
    ("name", "running"),
    [("lo", True), ("no-such-if", False), ("a-name-that-is-too-long", None)],
    ids=["loopback", "missing", "no name of an interface"],
)
def test_the_kernel_tells_of_a_carrier(name: str, running: bool | None) -> None:
    assert is_running(name) is running
