"""Where the kernel would send a packet to one address: by which interface, and through which router. Sends nothing."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..windows_api.network_rows import Interface, RouteRow

# Linux: include/uapi/linux/netlink.h, rtnetlink.h, if_addr.h
_RTM_NEWROUTE, _RTM_GETROUTE = 24, 26
_NLM_F_REQUEST = 1
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_UNICAST, _LOCAL = 1, 2  # of rtm_type
_HEADER = struct.Struct("=IHHII")
_ROUTE = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_PATIENCE = 0.1  # seconds; the kernel answers at once


@dataclass(frozen=True, slots=True)
class Hop:
    """The first step to an address. ``gateway`` None: it is on the interface's own link. ``local``: this machine."""

    interface: str
    gateway: str | None = None
    local: bool = False


def find_hop(address: str) -> Hop | None:
    """The first step to the IP address ``address``; None: there is none, or the operating system does not tell."""
    if sys.platform == "win32":
        from ..windows_api import iphlpapi  # Windows alone has it

        return read_hop(address, iphlpapi.find_route, iphlpapi.find_interface)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError, struct.error):
            return _read_answer(_ask(ipaddress.ip_address(address).packed))
    return None


def read_hop(
    address: str, find_route: Callable[[str], RouteRow | None], find_interface: Callable[[int], Interface | None]
) -> Hop | None:
    """The same by Windows' IP helper (``windows_api.iphlpapi``)."""
    try:
        route = find_route(address)
    except (OSError, ValueError):
        return None
    interface = None if route is None else find_interface(route.luid)
    if route is None or interface is None:
        return None
    return Hop(interface.name, route.gateway, route.loopback)


if sys.platform == "linux":

    def _ask(packed: bytes) -> bytes:
        family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
        body = _ROUTE.pack(family, len(packed) * 8, 0, 0, 0, 0, 0, 0, 0)
        body += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(packed), _RTA_DST) + packed
        request = _HEADER.pack(_HEADER.size + len(body), _RTM_GETROUTE, _NLM_F_REQUEST, 1, 0) + body
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
            netlink.settimeout(_PATIENCE)
            netlink.send(request)
            return netlink.recv(8192)


def _read_answer(answer: bytes) -> Hop | None:
    """Raises ValueError, OSError or struct.error for what is no answer."""
    length, kind, *_ = _HEADER.unpack_from(answer)
    if kind != _RTM_NEWROUTE:
        return None
    route_type = _ROUTE.unpack_from(answer, _HEADER.size)[7]
    if route_type not in (_UNICAST, _LOCAL):  # a blackhole, or a route that refuses
        return None
    found = dict(_read_attributes(answer[_HEADER.size + _ROUTE.size : length]))
    (index,) = struct.unpack("=I", found[_RTA_OIF]) if _RTA_OIF in found else (0,)
    gateway = str(ipaddress.ip_address(found[_RTA_GATEWAY])) if _RTA_GATEWAY in found else None
    return Hop(socket.if_indextoname(index), gateway, route_type == _LOCAL)


def _read_attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, start)
        if length < _ATTRIBUTE.size:
            return
        yield kind, data[start + _ATTRIBUTE.size : start + length]
        start += -(-length // 4) * 4
