"""What the kernel's answers by netlink say: the bytes of messages, put together here as the kernel does."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from connmon_agent.routes.asking import check_refusal, parse_hop, parse_kind, read_hops

V4, V6 = socket.AF_INET, socket.AF_INET6
ROUTE, LINK = bytes(12), bytes(16)  # the fixed parts: nothing in them is looked at


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def hop(index: int, *attributes: bytes) -> bytes:
    inside = b"".join(attributes)
    return struct.pack("=HBBi", 8 + len(inside), 0, 0, index) + inside


GATEWAY = attribute(5, bytes([192, 0, 2, 1]))
INTERFACE = attribute(4, struct.pack("=i", 3))
IPV6 = socket.inet_pton(V6, "fe80::1")


@pytest.mark.parametrize(
    ("message", "hops"),
    [
        pytest.param(ROUTE + INTERFACE + GATEWAY, [(3, "192.0.2.1")], id="one next hop"),
        pytest.param(ROUTE + INTERFACE, [(3, None)], id="without a gateway, as a tunnel"),
        pytest.param(
            ROUTE + INTERFACE + attribute(18, struct.pack("=H", V6) + IPV6),
            [(3, "fe80::1")],
            id="IPv4 by an IPv6 router",
        ),
        pytest.param(ROUTE + attribute(9, hop(3, GATEWAY) + hop(4)), [(3, "192.0.2.1"), (4, None)], id="two next hops"),
        pytest.param(ROUTE, [], id="none"),
        pytest.param(ROUTE + b"\x03\x00\x04\x00", [], id="an attribute shorter than itself"),
        pytest.param(
            ROUTE + attribute(9, b"\x01\x00\x00\x00\x00\x00\x00\x00"), [], id="a next hop shorter than itself"
        ),
        pytest.param(ROUTE + INTERFACE + attribute(5, b"\x01\x02"), [(3, None)], id="half a gateway"),
    ],
)
def test_the_next_hops_of_a_route(message: bytes, hops: list[tuple[int, str | None]]) -> None:
    assert list(parse_hop(message)) == hops


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        pytest.param(LINK + attribute(18, attribute(1, b"dummy\0")), "dummy", id="virtual"),
        pytest.param(LINK + attribute(0x8000 | 18, attribute(1, b"veth")), "veth", id="marked as nested"),
        pytest.param(LINK + attribute(3, b"eth0\0"), None, id="real"),
    ],
)
def test_the_kind_of_a_link(message: bytes, kind: str | None) -> None:
    assert parse_kind(message) == kind


@pytest.mark.parametrize(
    ("code", "family", "can_ask"),
    [
        (errno.ENETUNREACH, V4, True),
        (errno.EACCES, V4, True),  # a prohibiting route
        (errno.EINVAL, V4, True),  # a black hole
        (errno.EOPNOTSUPP, V6, True),  # a kernel without IPv6
        (errno.EOPNOTSUPP, V4, False),  # a sandbox
        (errno.EPERM, V4, False),
    ],
)
def test_an_answer_that_there_is_no_route_is_told_from_one_that_nobody_may_ask(
    code: int, family: socket.AddressFamily, can_ask: bool
) -> None:
    message = struct.pack("=i", -code)
    if can_ask:
        check_refusal(message, family)
    else:
        with pytest.raises(OSError, match=r"\w"):
            check_refusal(message, family)


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="asks Linux")
def test_the_kernel_answers() -> None:
    hops = read_hops()
    assert hops is None or all(way.version in (4, 6) and way.interface for way in hops)
