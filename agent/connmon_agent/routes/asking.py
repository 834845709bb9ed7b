"""Two questions to Linux by netlink, answered at once: the route that it would take, and what an interface is.

The routing table alone does not say which route is taken: policy rules, metrics, several next hops and routes whose
interface has no carrier decide as well. So the kernel is asked as ``ip route get fibmatch`` asks it. Nothing is sent.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address

from ..probes.default_routes import DefaultRoute
from .kernel import FAR_AWAY

# Linux: include/uapi/linux/netlink.h, rtnetlink.h, if_link.h
_REQUEST, _ERROR, _NEW_LINK, _GET_LINK, _NEW_ROUTE, _GET_ROUTE = 1, 2, 16, 18, 24, 26
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, prefix of the destination, of the source, ..., flags
_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, change
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_CODE = struct.Struct("=i")  # of an error, negative
_NEXT_HOP = struct.Struct("=HBBi")  # length, flags, weight, index of the interface
_WHOLE_ROUTE = 0x2000  # RTM_F_FIB_MATCH: with all of its next hops; before 4.13 the one that would be taken is told
_DESTINATION, _INTERFACE, _GATEWAY, _NEXT_HOPS, _GATEWAY_OF_ANY = 1, 4, 5, 9, 18
_NAME, _LINK_INFO, _KIND = 3, 18, 1
_ALIGNMENT, _NESTED = 4, 0x3FFF  # the bits of a type without its flags

_NO_SUCH_QUESTION = (errno.EOPNOTSUPP, errno.ENOSYS)  # as in a sandbox that has netlink and no routes

PATIENCE = 0.2  # seconds; the kernel answers before the question's call returns
_DATAGRAM = 65_536
_VERSIONS = {socket.AF_INET: 4, socket.AF_INET6: 6}

Attributes = dict[int, bytes]


def read_hops() -> list[DefaultRoute] | None:
    """The next hops to the internet that the kernel would use, IPv4's first; none: it has no way.

    None: it cannot be asked, as in a sandbox without netlink.
    """
    try:
        return [way for family, address in FAR_AWAY for way in _ask_for_hop(family, address)]
    except (OSError, struct.error):
        return None


def read_kind(interface: str) -> str | None:
    """What kind of virtual interface it is ("dummy", "veth", "wireguard"); None: a real one, or nobody tells."""
    try:
        index = socket.if_nametoindex(interface)
        kind, payload = _ask(_GET_LINK, _LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0))
        return parse_kind(payload) if kind == _NEW_LINK else None
    except (OSError, struct.error):
        return None


def check_refusal(payload: bytes, family: socket.AddressFamily) -> None:
    """Raise OSError where a message on an error says that routes cannot be asked for; else there is none, as it says.

    A kernel without IPv6 knows no such question either: then there is no way by IPv6.
    """
    code = -int(_CODE.unpack_from(payload)[0])
    if code == errno.EPERM or (code in _NO_SUCH_QUESTION and family == socket.AF_INET):
        raise OSError(code, os.strerror(code))


def parse_kind(payload: bytes) -> str | None:
    """The kind that a message on a link tells; None: it tells none."""
    info = dict(_parse_attributes(payload[_LINK.size :])).get(_LINK_INFO, b"")
    kind = dict(_parse_attributes(info)).get(_KIND)
    return None if kind is None else kind.rstrip(b"\0").decode("utf-8", "replace")


def parse_hop(payload: bytes) -> Iterator[tuple[int, str | None]]:
    """The next hops of a message on a route: the index of the interface and the gateway (None: none is needed)."""
    attributes = dict(_parse_attributes(payload[_ROUTE.size :]))
    rest = attributes.get(_NEXT_HOPS, b"")
    if not rest and _INTERFACE in attributes:
        yield struct.unpack("=i", attributes[_INTERFACE])[0], _parse_gateway(attributes)
    while len(rest) >= _NEXT_HOP.size:
        length, _, _, index = _NEXT_HOP.unpack_from(rest)
        if length < _NEXT_HOP.size:
            return
        yield index, _parse_gateway(dict(_parse_attributes(rest[_NEXT_HOP.size : length])))
        rest = rest[_align(length) :]


def _ask_for_hop(family: socket.AddressFamily, address: str) -> Iterator[DefaultRoute]:
    packed = socket.inet_pton(family, address)
    route = _ROUTE.pack(family, 8 * len(packed), 0, 0, 0, 0, 0, 0, _WHOLE_ROUTE)
    kind, payload = _ask(_GET_ROUTE, route + _ATTRIBUTE.pack(_ATTRIBUTE.size + len(packed), _DESTINATION) + packed)
    if kind == _ERROR:
        check_refusal(payload, family)
    if kind == _NEW_ROUTE:
        for index, gateway in parse_hop(payload):
            yield DefaultRoute(socket.if_indextoname(index), _VERSIONS[family], 0, gateway)


def _ask(kind: int, payload: bytes) -> tuple[int, bytes]:
    """The type and the payload of the first message of the answer. Raises OSError, struct.error."""
    with closing(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)) as sock:
        sock.settimeout(PATIENCE)
        sock.sendto(_HEADER.pack(_HEADER.size + len(payload), kind, _REQUEST, 1, 0) + payload, (0, 0))
        answer = sock.recv(_DATAGRAM)
    length, told, *_ = _HEADER.unpack_from(answer)
    return told, answer[_HEADER.size : length]


def _parse_attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _NESTED, data[_ATTRIBUTE.size : length]
        data = data[_align(length) :]


def _parse_gateway(attributes: Attributes) -> str | None:
    packed = attributes.get(_GATEWAY) or attributes.get(_GATEWAY_OF_ANY, b"")[2:]  # a family, then the address
    if len(packed) not in (4, 16) or not any(packed):
        return None
    return str(ip_address(packed))


def _align(length: int) -> int:
    return -(-length // _ALIGNMENT) * _ALIGNMENT
