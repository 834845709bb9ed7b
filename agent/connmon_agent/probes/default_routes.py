"""The default routes of this machine, where the OS tells them: Linux' /proc, Windows' IP helper. Sends nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

# Linux: include/uapi/linux/route.h
_ROUTE_UP, _ROUTE_REJECTS = 0x0001, 0x0200


@dataclass(frozen=True, slots=True)
class DefaultRoute:
    """A default route of the main table. Of several, the lowest ``metric`` is taken.

    ``gateway`` is its address; None: whatever is on the interface is reached without one.
    """

    interface: str
    version: int  # of IP
    metric: int
    gateway: str | None = None


def choose_routes(routes: Iterable[DefaultRoute]) -> list[DefaultRoute]:
    """The routes that the kernel uses: the best of IPv4, then the best of IPv6."""
    best: dict[int, DefaultRoute] = {}
    for route in sorted(routes, key=lambda route: (route.version, route.metric)):
        best.setdefault(route.version, route)
    return list(best.values())


def read_file(path: str) -> str | None:
    """The text of a file of the kernel; None where it has no such file."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None


def read_default_routes(read: Callable[[str], str | None] = read_file) -> list[DefaultRoute] | None:
    """The default routes of the main tables; None where the OS does not tell."""
    if sys.platform == "win32":
        from ..windows_api import iphlpapi  # Windows alone has it
        from .windows_routes import read_table

        return read_table(iphlpapi)
    ipv4 = read("/proc/net/route")
    if ipv4 is None:
        return None
    # Without IPv6 in the kernel there is no such file, and no such route.
    return [*parse_ipv4_routes(ipv4), *parse_ipv6_routes(read("/proc/net/ipv6_route") or "")]


def parse_ipv4_routes(table: str) -> Iterator[DefaultRoute]:
    """The default routes of /proc/net/route: net/ipv4/fib_trie.c, fib_route_seq_show."""
    for line in table.splitlines()[1:]:
        # interface, destination, gateway, flags, references, uses, metric, mask, ...; numbers but the metric are hex
        fields = line.split()
        if len(fields) >= 8 and fields[1] == "00000000" and fields[7] == "00000000" and _is_usable(fields[3]):
            gateway = int(fields[2], 16).to_bytes(4, sys.byteorder)  # the kernel prints the bytes in memory as a number
            yield DefaultRoute(fields[0], 4, int(fields[6]), str(IPv4Address(gateway)) if any(gateway) else None)


def parse_ipv6_routes(table: str) -> Iterator[DefaultRoute]:
    """The default routes of /proc/net/ipv6_route: net/ipv6/ip6_fib.c, ipv6_route_native_seq_show."""
    for line in table.splitlines():
        # destination, its prefix, source, its prefix, next hop, metric, references, uses, flags, interface; all hex
        fields = line.split()
        if len(fields) >= 10 and fields[0].strip("0") == "" and fields[1] == "00" and _is_usable(fields[8]):
            gateway = bytes.fromhex(fields[4])
            yield DefaultRoute(fields[9], 6, int(fields[5], 16), str(IPv6Address(gateway)) if any(gateway) else None)


def _is_usable(flags: str) -> bool:
    return int(flags, 16) & (_ROUTE_UP | _ROUTE_REJECTS) == _ROUTE_UP
