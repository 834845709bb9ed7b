"""What of netlink makes a look worth while, and what becomes of a socket that fails."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct

import pytest
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.observations import Evidence
from connmon_agent.routes.netlink import RECHECK_INTERVAL, NetlinkWatch, TruncatedMessage, may_matter, parse_messages

pytestmark = pytest.mark.linux_alone(reason="netlink")

NEW_LINK, DELETE_LINK, NEW_ADDRESS, DELETE_ADDRESS = 16, 17, 20, 21
NEW_ROUTE, DELETE_ROUTE, NEW_NEIGHBOUR, DONE = 24, 25, 28, 3
SEEN = Evidence(carrier=True, default_route=True, interface="wan0", gateway="192.0.2.1")


def message(kind: int, payload: bytes) -> bytes:
    """One message as the kernel sends it, padded to four bytes."""
    header = struct.pack("=IHHII", 16 + len(payload), kind, 0, 0, 0)
    return header + payload + b"\0" * (-len(payload) % 4)


def link(flags: int = 0x11043) -> bytes:
    name = b"\x0a\x00\x03\x00wan0\x00\x00"  # attribute IFLA_IFNAME
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 1, 2, flags, 0) + name


def route(family: int, prefix_length: int) -> bytes:
    return struct.pack("=BBBBBBBBI", family, prefix_length, 0, 0, 254, 3, 0, 1, 0)


ADDRESS = struct.pack("=BBBBI", socket.AF_INET, 24, 0, 0, 2)
POD_ROUTE = message(NEW_ROUTE, route(socket.AF_INET, 32))
DEFAULT_ROUTE_GONE = message(DELETE_ROUTE, route(socket.AF_INET, 0))


@pytest.mark.parametrize(
    ("datagram", "matters"),
    [
        pytest.param(message(NEW_LINK, link()), True, id="a link changed"),
        pytest.param(message(DELETE_LINK, link()), True, id="a link went"),
        pytest.param(message(NEW_ADDRESS, ADDRESS), True, id="an address came"),
        pytest.param(message(DELETE_ADDRESS, ADDRESS), True, id="an address went"),
        pytest.param(DEFAULT_ROUTE_GONE, True, id="the default route of IPv4 went"),
        pytest.param(message(NEW_ROUTE, route(socket.AF_INET6, 0)), True, id="a default route of IPv6 came"),
        pytest.param(POD_ROUTE, False, id="the route to a pod"),
        pytest.param(message(NEW_ROUTE, route(socket.AF_INET6, 64)), False, id="the route to a network"),
        pytest.param(POD_ROUTE + POD_ROUTE + DEFAULT_ROUTE_GONE, True, id="one of several"),
        pytest.param(message(NEW_NEIGHBOUR, ADDRESS), False, id="a neighbour"),
        pytest.param(message(DONE, b"\0\0\0\0"), False, id="the end of a dump"),
        pytest.param(b"", False, id="nothing"),
        pytest.param(POD_ROUTE[:7], True, id="half a header may be anything"),
        pytest.param(POD_ROUTE[:-4], True, id="a message that is cut off may be anything"),
        pytest.param(message(NEW_ROUTE, b"\2"), True, id="a route that is too short may be anything"),
        pytest.param(struct.pack("=IHHII", 0, NEW_ROUTE, 0, 0, 0), True, id="a length of zero does not loop for ever"),
    ],
)
def test_what_matters(datagram: bytes, matters: bool) -> None:
    assert may_matter(datagram) is matters


def test_messages_are_told_with_their_payload_and_without_the_padding() -> None:
    assert list(parse_messages(message(NEW_ADDRESS, b"12345") + message(DONE, b"6"))) == [
        (NEW_ADDRESS, b"12345"),
        (DONE, b"6"),
    ]


def test_the_messages_before_a_truncated_one_are_told() -> None:
    messages = parse_messages(message(DONE, b"") + b"\1\2\3")
    assert next(messages) == (DONE, b"")
    with pytest.raises(TruncatedMessage):
        next(messages)


class FailingSocket(socket.socket):
    """A socket whose next read fails with ``error``."""

    error = 0

    def recv(self, size: int, flags: int = 0) -> bytes:
        if self.error:
            error, self.error = self.error, 0
            super().recv(size, flags)
            raise OSError(error, "as told")
        return super().recv(size, flags)


def pair() -> tuple[FailingSocket, socket.socket]:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    watched = FailingSocket(fileno=near.detach())
    watched.setblocking(False)
    return watched, far


async def is_told(watch: NetlinkWatch) -> bool:
    """Whether the watch tells of a change well before it would look without being told."""
    try:
        async with asyncio.timeout(RECHECK_INTERVAL / 2):
            await watch.changed()
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(
    ("datagram", "error", "told"),
    [
        pytest.param(DEFAULT_ROUTE_GONE, 0, True, id="what matters"),
        pytest.param(POD_ROUTE, 0, False, id="what does not"),
        pytest.param(POD_ROUTE, errno.ENOBUFS, True, id="messages were lost: anything may have changed"),
        pytest.param(POD_ROUTE, errno.EBADF, True, id="the socket failed"),
    ],
)
def test_the_watch_tells(datagram: bytes, error: int, told: bool) -> None:
    async def run() -> bool:
        watched, far = pair()
        watched.error = error
        watch = NetlinkWatch(watched, lambda: SEEN)
        try:
            far.send(datagram)
            return await is_told(watch)
        finally:
            await watch.close()
            far.close()

    assert run_virtually(run()) is told


def test_after_lost_messages_the_next_one_is_heard() -> None:
    async def run() -> None:
        watched, far = pair()
        watched.error = errno.ENOBUFS
        watch = NetlinkWatch(watched, lambda: SEEN)
        far.send(POD_ROUTE)
        assert await is_told(watch) and await is_told(watch)  # at once, and looked after
        assert not await is_told(watch)
        far.send(DEFAULT_ROUTE_GONE)
        assert await is_told(watch)
        assert watch.read() == SEEN
        await watch.close()
        far.close()

    run_virtually(run())
