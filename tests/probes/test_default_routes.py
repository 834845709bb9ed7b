from __future__ import annotations

from pathlib import Path

import pytest

from connmon_agent.probes.default_routes import (
    DefaultRoute,
    choose_routes,
    parse_ipv4_routes,
    parse_ipv6_routes,
    read_default_routes,
    read_file,
)

# As Linux writes it: two default routes (DHCP on wan0, LTE as the spare), one that rejects, one that is not up, pods.
IPV4_TABLE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                                 \n\
wwan0\t00000000\t0100A8C0\t0003\t0\t0\t700\t00000000\t0\t0\t0                                                       \n\
wan0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0                                                        \n\
*\t00000000\t00000000\t0201\t0\t0\t4294967\t00000000\t0\t0\t0                                                       \n\
gone0\t00000000\t010200C0\t0002\t0\t0\t5\t00000000\t0\t0\t0                                                         \n\
tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0                                                          \n\
cni0\t0000F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0                                                          \n\
wan0\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0                                                        \n\
"""
IPV6_TABLE = """\
fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     wan0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000002 00000000 00000003     wan0
00000000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000002 00000000 80200001       lo
00000000000000000000000000000000 08 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000003 00000000 00000001     tun0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
"""  # noqa: E501

VIA_WAN = DefaultRoute("wan0", 4, 100, "192.0.2.1")
VIA_LTE = DefaultRoute("wwan0", 4, 700, "192.168.0.1")
IPV6_VIA_LTE = DefaultRoute("wwan0", 6, 1024)


def test_default_routes_of_ipv4() -> None:
    assert list(parse_ipv4_routes(IPV4_TABLE)) == [VIA_LTE, VIA_WAN]


def test_default_routes_of_ipv6() -> None:
    assert list(parse_ipv6_routes(IPV6_TABLE)) == [DefaultRoute("wan0", 6, 1024, "fe80::1")]


@pytest.mark.linux_alone(reason="routes in /proc")
@pytest.mark.parametrize(
    ("files", "routes"),
    [
        (
            {"/proc/net/route": IPV4_TABLE, "/proc/net/ipv6_route": IPV6_TABLE},
            [VIA_LTE, VIA_WAN, DefaultRoute("wan0", 6, 1024, "fe80::1")],
        ),
        ({"/proc/net/route": IPV4_TABLE}, [VIA_LTE, VIA_WAN]),
        ({"/proc/net/route": IPV4_TABLE.splitlines()[0] + "\n"}, []),
        ({"/proc/net/route": ""}, []),
        ({}, None),
    ],
    ids=["both", "a kernel without IPv6", "no route", "an empty file", "not Linux"],
)
def test_routes_of_the_machine(files: dict[str, str], routes: list[DefaultRoute] | None) -> None:
    assert read_default_routes(files.get) == routes


def test_a_file_that_is_not_there_reads_as_none(tmp_path: Path) -> None:
    assert read_file(str(tmp_path / "route")) is None


@pytest.mark.parametrize(
    ("routes", "chosen"),
    [
        ([], []),
        ([VIA_LTE, VIA_WAN], [VIA_WAN]),
        ([IPV6_VIA_LTE, VIA_LTE, VIA_WAN], [VIA_WAN, IPV6_VIA_LTE]),
        ([VIA_WAN, DefaultRoute("wwan0", 4, 100)], [VIA_WAN]),
    ],
    ids=["none", "the lower metric", "one of each version, IPv4 first", "the first of equals"],
)
def test_the_routes_that_the_kernel_uses(routes: list[DefaultRoute], chosen: list[DefaultRoute]) -> None:
    assert choose_routes(routes) == chosen
