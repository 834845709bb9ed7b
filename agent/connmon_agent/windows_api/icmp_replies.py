"""What Windows answers to an echo, as it lies in memory. Can be imported anywhere, and asks nothing.

Windows: ipexport.h. ``IP_STATUS`` says how it went.
"""

from __future__ import annotations

import ctypes
import errno

SUCCESS, NET_UNREACHABLE, HOST_UNREACHABLE = 0, 11002, 11003
TIMED_OUT = 11010
# IP_STATUS that say that a router on the way, or this machine, found no way on.
_NO_NETWORK = (NET_UNREACHABLE, 11016, 11040)  # also IP_BAD_ROUTE, IP_DEST_SCOPE_MISMATCH
_NO_HOST = (HOST_UNREACHABLE, 11004, 11005, 11012, 11013, 11014, 11045)  # protocol, port, destination, hops
# What the function itself fails with where there is no route at all: Win32, not IP_STATUS.
_NO_WAY = (1231, 1232, 10051, 10065)
BUFFER = 512  # bytes; an answer, our payload and what an ICMP error quotes


class Options(ctypes.Structure):
    """IP_OPTION_INFORMATION."""

    _fields_ = (
        ("ttl", ctypes.c_uint8),
        ("tos", ctypes.c_uint8),
        ("flags", ctypes.c_uint8),
        ("size", ctypes.c_uint8),
        ("data", ctypes.c_void_p),
    )


class Reply(ctypes.Structure):
    """ICMP_ECHO_REPLY. ``data`` lies in the same buffer."""

    _fields_ = (
        ("address", ctypes.c_uint8 * 4),
        ("status", ctypes.c_uint32),
        ("milliseconds", ctypes.c_uint32),
        ("size", ctypes.c_uint16),
        ("reserved", ctypes.c_uint16),
        ("data", ctypes.c_void_p),
        ("options", Options),
    )


class Reply6(ctypes.Structure):
    """ICMPV6_ECHO_REPLY, behind which the payload lies. Its address is a packed structure of 26 bytes."""

    _fields_ = (
        ("address", ctypes.c_uint8 * 26),
        ("status", ctypes.c_uint32),
        ("milliseconds", ctypes.c_uint32),
    )


def check_status(status: int) -> None:
    """Raise the OSError that a socket would have raised for an IP_STATUS or an error of Win32 that is no success."""
    if status == SUCCESS:
        return
    if status == TIMED_OUT:
        raise TimeoutError(errno.ETIMEDOUT, "no echo came back")
    if status in _NO_NETWORK or status in _NO_WAY:
        raise OSError(errno.ENETUNREACH, "network is unreachable")
    if status in _NO_HOST:
        raise OSError(errno.EHOSTUNREACH, "no route to the host")
    raise OSError(errno.EIO, f"the echo failed: Windows' status {status}")
