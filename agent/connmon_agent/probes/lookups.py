"""Host names turned into addresses by the system's resolver, which nobody can interrupt."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address
from typing import Any

from ..connection_failures import word_lookup
from ..core.observations import Failure
from ..platform_terms import HOSTS_FILE
from ..staggered import Address, parse_literal
from .failures import ProbeFailure

Resolve = Callable[..., Iterable[tuple[socket.AddressFamily, Any, int, str, tuple[Any, ...]]]]  # as getaddrinfo
_Found = list[Address] | Exception

FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}


def parse_address(host: str, port: int) -> Address | None:
    """The address that ``host`` spells out, an IPv6 zone included; None when it is a name."""
    return parse_literal(encode_host(host), port)


def encode_host(host: str) -> bytes:
    """The bytes of a host name. Raises ProbeFailure where it cannot be one."""
    try:
        # Given a str, getaddrinfo loads the idna codec and its tables for plain ASCII as well.
        encoded = host.encode("ascii") if host.isascii() else host.encode("idna")
    except UnicodeError:
        raise ProbeFailure(f'"{host}" is not a host name') from None
    if not encoded or b"\0" in encoded:
        raise ProbeFailure(f'"{host}" is not a host name')
    return encoded


def name_family(family: int) -> str | None:
    """The word for an address family: "ipv4" or "ipv6"; None for any other."""
    return next((name for name, known in FAMILIES.items() if known == family), None)


def is_name(host: str) -> bool:
    """Whether ``host`` is a name that somebody has to resolve: no address, and not this machine's (RFC 6761, 6.3)."""
    name = host.lower().rstrip(".")
    return parse_address(host, 0) is None and name != "localhost" and not name.endswith(".localhost")


def refuse_loopback(host: str, found: Iterable[Address]) -> list[Address]:
    """The addresses without those that lead to this machine and to nobody else. Raises ProbeFailure when none is left.

    DNS filters (Pi-hole, AdGuard) and lists in /etc/hosts give 0.0.0.0, :: or a loopback address for a name they
    block. Linux connects 0.0.0.0 to itself, so that a web server of this machine would answer in the internet's place.
    """
    addresses = list(found)
    abroad = [address for address in addresses if not _is_loopback(address)]
    if addresses and not abroad:
        blocked = addresses[0][1][0]
        reason = (
            f'the name "{host}" resolves to {blocked}, which is this machine; check for a DNS filter or {HOSTS_FILE}'
        )
        raise ProbeFailure(reason, Failure.NAME)
    return abroad


def _is_loopback(address: Address) -> bool:
    parsed = ip_address(str(address[1][0]).partition("%")[0])
    inner = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    parsed = inner or parsed
    return parsed.is_loopback or parsed.is_unspecified


class Lookup:
    """The lookups of one target: at most one at a time.

    getaddrinfo blocks for as long as the system's resolver is patient, often 10 s and more when the name server is a
    black hole, and cannot be cancelled. So it runs in a daemon thread of its own, which delays neither a probe's
    deadline nor the agent's end, and whoever asks again meanwhile waits for the same thread.
    """

    def __init__(self, resolve: Resolve = socket.getaddrinfo) -> None:
        self._resolve = resolve
        self._pending: asyncio.Future[_Found] | None = None

    @property
    def pending(self) -> bool:
        """Whether the system's resolver still owes an answer."""
        return self._pending is not None

    async def find_addresses(self, host: str, port: int) -> list[Address]:
        """The addresses of ``host``, in the system's order of preference. Raises ProbeFailure."""
        literal = parse_address(host, port)
        if literal is not None:
            return [literal]
        if self._pending is None:
            self._pending = self._start_thread(encode_host(host), port)
        # Shielded: a probe's deadline ends the waiting, not the lookup.
        found = await asyncio.shield(self._pending)
        if isinstance(found, OSError):
            raise ProbeFailure(f'the name "{host}" {word_lookup(found)}', Failure.NAME) from found
        if isinstance(found, Exception):
            raise found
        return found

    def _start_thread(self, host: bytes, port: int) -> asyncio.Future[_Found]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Found] = loop.create_future()

        def look_up() -> None:
            found: _Found
            try:
                found = [(entry[0], entry[4]) for entry in self._resolve(host, port, type=socket.SOCK_STREAM)]
            except Exception as error:  # whatever it is, nobody else would hear of it, and the lookup never end
                found = error
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile: nobody is left to tell
                loop.call_soon_threadsafe(self._finish, future, found)

        threading.Thread(target=look_up, name="connmon-lookup", daemon=True).start()
        return future

    def _finish(self, future: asyncio.Future[_Found], found: _Found) -> None:
        self._pending = None
        if not future.done():
            future.set_result(found)
