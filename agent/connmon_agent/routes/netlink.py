"""Linux' own telling of links, addresses and routes: NETLINK_ROUTE, by the socket of the standard library.

The only door to netlink. It asks for nothing and needs no right: it hears that something changed, and what there is now
is read elsewhere. So a message that got lost costs nothing but time.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Iterator

from ..core.observations import Evidence
from .coalescing import Coalescer

# Linux: include/uapi/linux/rtnetlink.h. IPv4 routes that go with their interface or their address go without a message
# of their own, so links and addresses are listened to as well.
_GROUP_LINK = 0x1
_GROUP_IPV4_ADDRESS, _GROUP_IPV4_ROUTE = 0x10, 0x40
_GROUP_IPV6_ADDRESS, _GROUP_IPV6_ROUTE = 0x100, 0x400
GROUPS = _GROUP_LINK | _GROUP_IPV4_ADDRESS | _GROUP_IPV4_ROUTE | _GROUP_IPV6_ADDRESS | _GROUP_IPV6_ROUTE
_LINKS_AND_ADDRESSES = frozenset({16, 17, 20, 21})  # RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR
_ROUTES = frozenset({24, 25})  # RTM_NEWROUTE, RTM_DELROUTE

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg: family, length of the destination's prefix, ...
_ALIGNMENT = 4

SPACING = 0.05  # seconds between two looks, whatever is told
RECHECK_INTERVAL = 10.0  # seconds after which there is a look without a message: sandboxes exist that never send one
POLL_INTERVAL = 1.0  # seconds between looks when the socket has failed
# Datagrams taken in one go: in a storm the event loop must get its turn.
MOST_DATAGRAMS = 64
_DATAGRAM = 65_536


class TruncatedMessage(ValueError):
    """A datagram ends before its message does."""


def parse_messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    """The type and the payload of each message. Raises TruncatedMessage at the first that is cut off."""
    start = 0
    while start < len(datagram):
        if start + _HEADER.size > len(datagram):
            raise TruncatedMessage("a header is cut off")
        length, kind, *_ = _HEADER.unpack_from(datagram, start)
        if length < _HEADER.size or start + length > len(datagram):
            raise TruncatedMessage(f"a message of {length} bytes does not fit in")
        yield kind, datagram[start + _HEADER.size : start + length]
        start += -(-length // _ALIGNMENT) * _ALIGNMENT


def may_matter(datagram: bytes) -> bool:
    """Whether the way out may have changed. A route to anywhere but everywhere, as of a pod, does not matter.

    What cannot be read may be anything.
    """
    try:
        return any(_may_matter(kind, payload) for kind, payload in parse_messages(datagram))
    except TruncatedMessage:
        return True


def _may_matter(kind: int, payload: bytes) -> bool:
    if kind in _ROUTES and len(payload) >= _ROUTE.size:
        prefix_length = _ROUTE.unpack_from(payload)[1]
        return bool(prefix_length == 0)
    return kind in _ROUTES or kind in _LINKS_AND_ADDRESSES


def open_socket() -> socket.socket:
    """A socket that hears of every change. Raises OSError where the kernel has none to give."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    try:
        sock.setblocking(False)
        sock.bind((0, GROUPS))
    except OSError:
        sock.close()
        raise
    return sock


class NetlinkWatch:
    """The port ``LinkWatch``: ``read`` tells what there is, ``sock`` (taken over) that it may have changed.

    Without a word from ``sock`` it is looked at after ``recheck`` seconds all the same.
    """

    def __init__(self, sock: socket.socket, read: Callable[[], Evidence], *, recheck: float = RECHECK_INTERVAL) -> None:
        self._sock = sock
        self._read = read
        self._recheck = recheck
        self._looks = Coalescer(SPACING)
        self._listening: asyncio.AbstractEventLoop | None = None
        self._failed = False

    def read(self) -> Evidence:
        """What the operating system says now."""
        return self._read()

    async def changed(self) -> None:
        """Return when something may have changed, at most once in ``SPACING``."""
        if self._listening is None and not self._failed:
            self._listening = asyncio.get_running_loop()
            self._listening.add_reader(self._sock, self._take_messages)
        await self._looks.wait(POLL_INTERVAL if self._failed else self._recheck)

    async def close(self) -> None:
        """Let go of the socket."""
        self._stop_listening()
        self._sock.close()

    def _take_messages(self) -> None:
        for _ in range(MOST_DATAGRAMS):
            try:
                datagram = self._sock.recv(_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._looks.mark()
                if error.errno != errno.ENOBUFS:  # that one only says that messages were lost
                    self._failed = True
                    self._stop_listening()
                    return
            else:
                if may_matter(datagram):
                    self._looks.mark()

    def _stop_listening(self) -> None:
        if self._listening is not None:
            self._listening.remove_reader(self._sock)
            self._listening = None
