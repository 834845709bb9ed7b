"""The networks that begin on this machine, and where the kernel sends what is meant for an address."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psutil

from ..sockets.hops import Hop, find_hop

Network = ipaddress.IPv4Interface | ipaddress.IPv6Interface


@dataclass(frozen=True, slots=True)
class LocalNetworks:
    """The addresses of this machine's interfaces, each with its network; ``find_hop`` is the kernel's route."""

    interfaces: tuple[Network, ...]
    find_hop: Callable[[str], Hop | None] = find_hop

    def is_ours(self, address: str | None) -> bool:
        """Whether it is an address of this machine."""
        parsed = _parse(address)
        return parsed is not None and any(parsed == one.ip for one in self.interfaces)

    def is_near(self, address: str | None) -> bool:
        """Whether it lies in a network of one of this machine's interfaces, or is ours."""
        parsed = _parse(address)
        return parsed is not None and any(parsed in one.network for one in self.interfaces)

    def share_network(self, one: str, other: str) -> bool:
        """Whether both lie in the same network of one of this machine's interfaces."""
        first, second = _parse(one), _parse(other)
        if first is None or second is None:
            return False
        return any(first in near.network and second in near.network for near in self.interfaces)

    def is_this_machine(self, address: str) -> bool:
        """Whether it is a loopback address, or one of this machine's others."""
        parsed = _parse(address)
        return self.is_ours(address) or (parsed is not None and parsed.is_loopback)


def read_local_networks() -> LocalNetworks:
    """As the operating system has them now; loopback and link-local addresses are left out."""
    named = (entry for entries in psutil.net_if_addrs().values() for entry in entries)
    return LocalNetworks(tuple(_read_interfaces((entry.family, entry.address, entry.netmask) for entry in named)))


def _read_interfaces(entries: Iterable[tuple[int, str, str | None]]) -> list[Network]:
    found = []
    for family, address, netmask in entries:
        if family in (socket.AF_INET, socket.AF_INET6) and netmask:
            prefix = ipaddress.ip_address(netmask.partition("/")[0])
            interface = ipaddress.ip_interface(f"{address.partition('%')[0]}/{int(prefix).bit_count()}")
            if not interface.is_loopback and not interface.is_link_local:
                found.append(interface)
    return found


def _parse(address: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return None if address is None else ipaddress.ip_address(address)
    except ValueError:
        return None
