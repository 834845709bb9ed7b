"""The rows of Windows' IP helper: where each field lies, and what it says. On any system."""

from __future__ import annotations

import ctypes

import pytest

from connmon_agent.windows_api.network_rows import (
    AF_INET,
    AF_INET6,
    ForwardRow,
    ForwardTable,
    Interface,
    InterfaceRow,
    IpInterfaceRow,
    RouteRow,
    SocketAddress,
    pack_address,
    read_interface,
    read_route,
)

UP, DOWN, DORMANT, LOWER_LAYER_DOWN = 1, 2, 5, 7
UNKNOWN, CONNECTED, DISCONNECTED = 0, 1, 2


@pytest.mark.parametrize(
    ("row", "field", "offset"),
    [
        (ForwardRow, "prefix", 12),
        (ForwardRow, "next_hop", 44),
        (ForwardRow, "metric", 84),
        (ForwardRow, "loopback", 92),
        (ForwardTable, "first", 8),
        (InterfaceRow, "alias", 28),
        (InterfaceRow, "oper_status", 1156),
        (InterfaceRow, "admin_status", 1160),
        (InterfaceRow, "media_connect_state", 1164),
        (InterfaceRow, "rest", 1192),
        (IpInterfaceRow, "luid", 8),
        (IpInterfaceRow, "metric", 148),
    ],
)
def test_fields_lie_where_the_headers_of_the_platform_have_them(
    row: type[ctypes.Structure], field: str, offset: int
) -> None:
    """The numbers are what a C compiler gives for netioapi.h (mingw-w64 10, x86-64)."""
    assert getattr(row, field).offset == offset


@pytest.mark.parametrize(
    ("row", "size"), [(SocketAddress, 28), (ForwardRow, 104), (InterfaceRow, 1352), (IpInterfaceRow, 168)]
)
def test_rows_are_as_long_as_the_headers_have_them(row: type[ctypes.Structure], size: int) -> None:
    assert ctypes.sizeof(row) == size


def forward(destination: str, prefix_length: int, next_hop: str, **fields: int) -> ForwardRow:
    ends = {"prefix": pack_address(destination), "next_hop": pack_address(next_hop)}
    return ForwardRow(luid=7, index=12, prefix_length=prefix_length, **ends, **fields)


@pytest.mark.parametrize(
    ("row", "route"),
    [
        pytest.param(
            forward("0.0.0.0", 0, "192.0.2.1", metric=25), RouteRow(7, 12, 4, 0, 25, "192.0.2.1"), id="a default route"
        ),
        pytest.param(forward("192.0.2.0", 24, "0.0.0.0"), RouteRow(7, 12, 4, 24, 0), id="on the link"),
        pytest.param(forward("::", 0, "2001:db8::1"), RouteRow(7, 12, 6, 0, 0, "2001:db8::1"), id="IPv6"),
        pytest.param(forward("::", 0, "fe80::1"), RouteRow(7, 12, 6, 0, 0, "fe80::1%12"), id="a router's own address"),
        pytest.param(forward("::", 0, "::"), RouteRow(7, 12, 6, 0, 0), id="IPv6 on the link"),
        pytest.param(
            forward("127.0.0.1", 32, "0.0.0.0", loopback=1), RouteRow(7, 12, 4, 32, 0, loopback=True), id="this machine"
        ),
    ],
)
def test_what_a_route_says(row: ForwardRow, route: RouteRow) -> None:
    assert read_route(row) == route


@pytest.mark.parametrize(
    ("oper", "admin", "media", "running"),
    [
        (UP, UP, CONNECTED, True),
        (UP, UP, UNKNOWN, True),  # a tunnel has no medium
        (UP, UP, DISCONNECTED, False),  # the cable was pulled, and the driver has not said so everywhere yet
        (DOWN, UP, DISCONNECTED, False),
        (LOWER_LAYER_DOWN, UP, UNKNOWN, False),
        (UP, DOWN, CONNECTED, False),
        (DORMANT, UP, CONNECTED, None),
    ],
)
def test_whether_an_interface_has_a_carrier(oper: int, admin: int, media: int, running: bool | None) -> None:
    row = InterfaceRow(oper_status=oper, admin_status=admin, media_connect_state=media)
    assert read_interface(row).running is running


@pytest.mark.parametrize("name", ["Ethernet", "LAN-Verbindung 2", "Wi‑Fi größer", "x" * 256])
def test_the_name_of_an_interface(name: str) -> None:
    row = InterfaceRow(oper_status=UP)
    units = (name + "\0").encode("utf-16-le")
    row.alias[: len(units) // 2] = memoryview(units).cast("H").tolist()
    assert read_interface(row) == Interface(name, True)


def test_addresses_are_packed_as_windows_has_them() -> None:
    assert (pack_address("192.0.2.1").family, list(pack_address("192.0.2.1").ipv4)) == (AF_INET, [192, 0, 2, 1])
    zoned = pack_address("fe80::1%12")
    assert (zoned.family, zoned.scope, zoned.ipv6[15]) == (AF_INET6, 12, 1)
    with pytest.raises(ValueError, match="router"):
        pack_address("router")
