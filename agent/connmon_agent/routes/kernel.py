"""Questions to the kernel that cost microseconds, and no packet."""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import closing

# Linux: include/uapi/linux/sockios.h, include/uapi/linux/if.h
_SIOCGIFFLAGS = 0x8913
_IFREQ = struct.Struct("16sh22x")
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_NAME_SIZE = 16

# Addresses that no site has on a network of its own: the relays of 6to4 were given up (RFC 7526), and 3fff::/20 is for
# documentation (RFC 9637). Only a default route leads there.
FAR_AWAY = ((socket.AF_INET, "192.88.99.1"), (socket.AF_INET6, "3fff::1"))
_DISCARD = 9


def is_running(interface: str) -> bool | None:
    """Whether the interface is switched on and has a carrier (Linux). False when it is not there; None: not told."""
    import fcntl  # not on every system that the module is loaded on

    name = interface.encode("utf-8", "surrogateescape")
    if len(name) >= _NAME_SIZE:
        return None
    try:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
            _, flags = _IFREQ.unpack(fcntl.ioctl(sock, _SIOCGIFFLAGS, _IFREQ.pack(name, 0)))
    except OSError as error:
        return False if error.errno == errno.ENODEV else None
    return bool(flags & _IFF_UP and flags & _IFF_RUNNING)


def exists(interface: str) -> bool:
    """Whether there is such an interface."""
    try:
        socket.if_nametoindex(interface)
    except OSError:
        return False
    return True


def has_route() -> bool:
    """Whether the kernel would send a packet to the internet, by whichever table or rule. Nothing is sent."""
    return any(_has_route(family, address) for family, address in FAR_AWAY)


def _has_route(family: socket.AddressFamily, address: str) -> bool:
    try:
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as sock:
            sock.connect((address, _DISCARD))  # of UDP: looks the route up, and that is all
    except OSError:
        return False
    return True
