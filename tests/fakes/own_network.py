"""A network of its own for the process that runs tests: nobody else has, or takes, one of its ports."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from pathlib import Path

CLONE_NEWNET = 0x40000000  # linux/sched.h; os.unshare comes with Python 3.12
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1  # linux/sockios.h, linux/if.h
_PING_GROUPS = Path("/proc/sys/net/ipv4/ping_group_range")


def enter_own_network() -> bool:
    """Leave the machine's network for one with a loopback alone. False: only root can, and nothing changes."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    import fcntl  # not on Windows

    groups = _PING_GROUPS.read_text() if _PING_GROUPS.exists() else None
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        return False  # a container may not
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anything:
        request = struct.pack("16sh14x", b"lo", 0)
        (_, flags) = struct.unpack("16sh14x", fcntl.ioctl(anything, _SIOCGIFFLAGS, request))
        fcntl.ioctl(anything, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
    if groups is not None:
        _PING_GROUPS.write_text(groups)  # a new network lets nobody ping
    return True
