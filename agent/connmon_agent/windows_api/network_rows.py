"""The rows of Windows' IP helper as they lie in memory, and what they say. Can be imported anywhere, and asks nothing.

Windows: netioapi.h, ifdef.h, ws2ipdef.h. The types have a fixed size, because a long is longer on other systems.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

# Windows' own numbers: another system has another one for AF_INET6.
AF_UNSPEC, AF_INET, AF_INET6 = 0, 2, 23
_FAMILIES = {4: AF_INET, 6: AF_INET6}
_UP, _DOWN, _NOT_PRESENT, _LOWER_LAYER_DOWN = 1, 2, 6, 7  # IF_OPER_STATUS
_ADMIN_DOWN = 2  # NET_IF_ADMIN_STATUS
_DISCONNECTED = 2  # NET_IF_MEDIA_CONNECT_STATE


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A row of the routing table. ``luid`` names its interface for good, ``index`` until it is taken away.

    ``gateway`` None: none is needed. An IPv6 router's link-local address has the index as its zone.
    """

    luid: int
    index: int
    version: int  # of IP
    prefix_length: int
    metric: int  # the route's own; the interface's comes on top of it
    gateway: str | None = None
    loopback: bool = False


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface by the name that its settings show. ``running``: it has a carrier; None: Windows does not know."""

    name: str
    running: bool | None


class SocketAddress(ctypes.Structure):
    """SOCKADDR_INET: a sockaddr_in or a sockaddr_in6, by ``family``."""

    _fields_ = (
        ("family", ctypes.c_uint16),
        ("port", ctypes.c_uint16),
        ("ipv4", ctypes.c_uint8 * 4),  # of IPv6: the flow
        ("ipv6", ctypes.c_uint8 * 16),
        ("scope", ctypes.c_uint32),
    )


class ForwardRow(ctypes.Structure):
    """MIB_IPFORWARD_ROW2."""

    _fields_ = (
        ("luid", ctypes.c_uint64),
        ("index", ctypes.c_uint32),
        ("prefix", SocketAddress),
        ("prefix_length", ctypes.c_uint8),
        ("padding", ctypes.c_uint8 * 3),
        ("next_hop", SocketAddress),
        ("site_prefix_length", ctypes.c_uint8),
        ("valid_lifetime", ctypes.c_uint32),
        ("preferred_lifetime", ctypes.c_uint32),
        ("metric", ctypes.c_uint32),
        ("protocol", ctypes.c_uint32),
        ("loopback", ctypes.c_uint8),
        ("autoconfigured", ctypes.c_uint8),
        ("published", ctypes.c_uint8),
        ("immortal", ctypes.c_uint8),
        ("age", ctypes.c_uint32),
        ("origin", ctypes.c_uint32),
    )


class ForwardTable(ctypes.Structure):
    """MIB_IPFORWARD_TABLE2, of which ``first`` is the first row of ``count``."""

    _fields_ = (("count", ctypes.c_uint32), ("first", ForwardRow))


class InterfaceRow(ctypes.Structure):
    """MIB_IF_ROW2. ``rest`` are counters."""

    _fields_ = (
        ("luid", ctypes.c_uint64),
        ("index", ctypes.c_uint32),
        ("guid", ctypes.c_uint8 * 16),
        ("alias", ctypes.c_uint16 * 257),  # a wide character has two bytes there, and four elsewhere
        ("description", ctypes.c_uint16 * 257),
        ("address_length", ctypes.c_uint32),
        ("address", ctypes.c_uint8 * 32),
        ("permanent_address", ctypes.c_uint8 * 32),
        ("mtu", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("tunnel_type", ctypes.c_uint32),
        ("media_type", ctypes.c_uint32),
        ("physical_medium", ctypes.c_uint32),
        ("access_type", ctypes.c_uint32),
        ("direction", ctypes.c_uint32),
        ("flags", ctypes.c_uint8),
        ("oper_status", ctypes.c_uint32),
        ("admin_status", ctypes.c_uint32),
        ("media_connect_state", ctypes.c_uint32),
        ("network", ctypes.c_uint8 * 16),
        ("connection_type", ctypes.c_uint32),
        ("rest", ctypes.c_uint64 * 20),
    )


class IpInterfaceRow(ctypes.Structure):
    """MIB_IPINTERFACE_ROW, as far as the metric; ``rest`` is what comes behind it."""

    _fields_ = (
        ("family", ctypes.c_uint16),
        ("luid", ctypes.c_uint64),
        ("index", ctypes.c_uint32),
        ("reassembly_size", ctypes.c_uint32),
        ("identifier", ctypes.c_uint64),
        ("advertisement_intervals", ctypes.c_uint32 * 2),
        ("switches", ctypes.c_uint8 * 9),
        ("router_discovery", ctypes.c_uint32),
        ("times", ctypes.c_uint32 * 4),
        ("link_local_behavior", ctypes.c_uint32),
        ("link_local_timeout", ctypes.c_uint32),
        ("zones", ctypes.c_uint32 * 16),
        ("site_prefix_length", ctypes.c_uint32),
        ("metric", ctypes.c_uint32),
        ("rest", ctypes.c_uint32 * 4),
    )


def pack_address(address: str) -> SocketAddress:
    """The address as Windows takes it. Raises ValueError."""
    parsed = ip_address(address)
    packed = SocketAddress(family=_FAMILIES[parsed.version])
    if parsed.version == 4:
        packed.ipv4[:] = parsed.packed
    else:
        packed.ipv6[:] = parsed.packed
        packed.scope = int(getattr(parsed, "scope_id", None) or 0)
    return packed


def read_route(row: ForwardRow) -> RouteRow:
    """What a row of the routing table says."""
    version = 6 if row.prefix.family == AF_INET6 else 4
    return RouteRow(
        luid=row.luid,
        index=row.index,
        version=version,
        prefix_length=row.prefix_length,
        metric=row.metric,
        gateway=_read_gateway(row),
        loopback=bool(row.loopback),
    )


def read_interface(row: InterfaceRow) -> Interface:
    """What a row of the table of interfaces says."""
    name = bytes(memoryview(row.alias).cast("B")).decode("utf-16-le", "surrogatepass").partition("\0")[0]
    return Interface(name, _is_running(row))


def _read_gateway(row: ForwardRow) -> str | None:
    if row.next_hop.family == AF_INET:
        return str(IPv4Address(bytes(row.next_hop.ipv4))) if any(row.next_hop.ipv4) else None
    if row.next_hop.family != AF_INET6 or not any(row.next_hop.ipv6):
        return None
    gateway = IPv6Address(bytes(row.next_hop.ipv6))
    return f"{gateway}%{row.index}" if gateway.is_link_local else str(gateway)


def _is_running(row: InterfaceRow) -> bool | None:
    if row.admin_status == _ADMIN_DOWN or row.media_connect_state == _DISCONNECTED:
        return False
    if row.oper_status in (_DOWN, _NOT_PRESENT, _LOWER_LAYER_DOWN):
        return False
    return True if row.oper_status == _UP else None
