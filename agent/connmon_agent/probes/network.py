"""What probes use of the network: names looked up, connections opened, certificates checked."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

from ..core.observations import Failure
from ..staggered import Address, connect_address, connect_first, interleave_families, run_staggered
from .costs import count_attempts, count_lookup
from .failures import ProbeFailure
from .lookups import FAMILIES, Lookup, is_name, name_family, refuse_loopback

T = TypeVar("T")

ERRORS = (OSError, ProbeFailure)  # that an attempt of a probe may fail with
# How often one address is asked in the time of a probe. Linux sends a lost SYN again after 1 s (RFC 6298), which is the
# whole timeout: with one attempt, three targets and 20 % loss each way a link would be called OFFLINE 46 times an hour,
# with three of them once in 2000 hours.
ATTEMPTS = 3
# struct linger: on, for 0 seconds; Windows has shorts in it.
_NO_FAREWELL = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
# Linux: include/uapi/linux/in.h, IP_RECVERR; in6.h, IPV6_RECVERR. The socket module has names for neither.
_RECEIVE_ERRORS = {
    socket.AF_INET: (socket.IPPROTO_IP, 11),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 25),
}


class Network:
    """The network as one probe of one target sees it.

    ``trust`` gives the TLS context; it is called when a probe first needs one, as loading the certificate authorities
    costs a megabyte and some 20 ms. ``timeout`` is how many seconds the probe has in all, for those that share them
    out; ``environment`` is where proxies may be named. ``family`` and ``proxy`` are what the probe leaves behind:
    the IP version it used and the proxy it went through (None: none, or it did not get so far as to choose), how
    often it had to ask, and the ``bytes`` that it took on the line. ``own`` is the address of this machine that a name
    has led to (None: it has not); ``connected``: a TCP connection was made.
    """

    def __init__(
        self,
        trust: Callable[[], ssl.SSLContext],
        lookup: Lookup,
        *,
        timeout: float = 1.0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.trust = trust
        self.lookup = lookup
        self.timeout = timeout
        self.environment = environment or {}
        self.family: str | None = None
        self.proxy: str | None = None
        self.own: str | None = None
        self.attempts = 1
        self.bytes = 0
        self.connected = False

    async def load_trust(self) -> ssl.SSLContext:
        """The TLS context. In a thread, unless it is at hand: certificate authorities are files, on some disk."""
        loaded = getattr(self.trust, "cache_info", None)
        return self.trust() if loaded is not None and loaded().currsize else await asyncio.to_thread(self.trust)

    async def find_addresses(
        self, host: str, port: int, family: str | None = None, *, abroad: bool = False
    ) -> list[Address]:
        """The addresses of ``host`` in ``family`` (None: in both), in the order to try them. Raises ProbeFailure.

        ``abroad``: the host is to be on the internet, so that a name for a loopback address is refused.
        """
        self.family = family
        self.bytes += count_lookup(host) if is_name(host) else 0
        found = await self.lookup.find_addresses(host, port)
        if abroad and is_name(host):
            found = refuse_loopback(host, found)
        addresses = [address for address in found if family is None or address[0] == FAMILIES[family]]
        if not addresses:
            version = "IPv6 address" if family == "ipv6" else "IPv4 address" if family else "address"
            raise ProbeFailure(f'the name "{host}" has no {version}', Failure.NAME)
        if len({address[0] for address in addresses}) == 1:
            self.family = name_family(addresses[0][0])
        return interleave_families(addresses)

    async def connect(self, host: str, port: int, family: str | None = None, *, abroad: bool = False) -> socket.socket:
        """A new TCP connection, the caller's to close; ``abroad`` as above. Raises OSError and ProbeFailure."""
        addresses = await self.find_addresses(host, port, family, abroad=abroad)
        answered = 0
        try:
            if len(addresses) == 1:
                sock = await self.ask_again(
                    partial(connect_address, addresses[0], prepare=spare_packets), drop=socket.socket.close
                )
            else:  # a silent one may be the broken one of two IP versions, and no packet that was lost
                sock = await connect_first(addresses * 2, prepare=spare_packets)
            answered = 1
        finally:
            self.bytes += count_attempts(addresses[0][0], self.attempts - answered)
        self.family = name_family(sock.family)
        self.own = find_own_address(sock) if abroad and is_name(host) else None
        self.connected = True
        return sock

    async def ask_again(
        self, ask: Callable[[], Coroutine[Any, Any, T]], *, drop: Callable[[T], None] = lambda result: None
    ) -> T:
        """The first result of ``ask``, which is begun again while it is silent: a lost packet is no lost link.

        A failure is an answer, and not asked about again. ``drop`` lets go of a result that came too late.
        """

        async def attempt(number: int) -> tuple[int, T]:
            self.attempts = number
            return number, await ask()

        attempts = [partial(attempt, number) for number in range(1, ATTEMPTS + 1)]
        delay = self.timeout / ATTEMPTS
        number, result = await run_staggered(
            attempts, delay=delay, expected=ERRORS, drop=lambda late: drop(late[1]), eager=False
        )
        self.attempts = number  # an answer that is late is no lost packet, though it was asked for again meanwhile
        return result


def find_own_address(sock: socket.socket) -> str | None:
    """The other end's address, where it is this machine's own; None: it is another machine's.

    The kernel sends to an address of its own from that same address.
    """
    try:
        here, there = sock.getsockname()[0], sock.getpeername()[0]
    except OSError:  # the other side has hung up already
        return None
    return str(there) if here == there else None


def report_errors(sock: socket.socket) -> None:
    """Let a connected datagram socket hear every ICMP error at once. Linux alone keeps the softer ones to itself."""
    if sys.platform == "linux" and sock.family in _RECEIVE_ERRORS:
        level, option = _RECEIVE_ERRORS[sock.family]
        sock.setsockopt(level, option, 1)


def spare_packets(sock: socket.socket) -> None:
    """Let a TCP socket of a probe take as few packets as it can: 160 bytes instead of 320 where it only connects.

    It is closed by a reset, not by a farewell in three packets that nobody waits for (RFC 9293, section 3.10.4), and
    Linux sends no acknowledgement of its own where one comes with the next packet anyway (tcp(7), TCP_QUICKACK).
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_FAREWELL)
    if sys.platform == "linux":
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
