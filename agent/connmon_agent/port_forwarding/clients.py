"""The client's side of a connection: its socket, and whether the client is still there.

A client that closed and one that only ended its own direction look alike: both sent a FIN. The second still waits for
an answer, the first would hold a connection into the cluster for hours, for no way through Kubernetes can carry a
half-close. Linux tells them apart, where the client is on this machine: the socket of the first belongs to nobody.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import struct
import sys

_ORPHANS_TOLD = sys.platform == "linux"
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY, _NLMSG_ERROR = 20, 2
_REQUEST = struct.Struct("=IHHIIBBBxI")  # nlmsghdr, then inet_diag_req_v2 as far as its id
_ANSWER_INODE = 16 + 68  # bytes before the inode: nlmsghdr, then inet_diag_msg
_NO_COOKIE = b"\xff" * 8
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


def set_options(local: socket.socket) -> None:
    """No delay, and notice when a client on another machine is gone."""
    with contextlib.suppress(OSError):  # it is gone already, which reading tells
        local.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        local.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if (number := getattr(socket, name, None)) is not None:
                local.setsockopt(socket.IPPROTO_TCP, number, value)


def reset(local: socket.socket) -> None:
    """Close so that the client sees an error, and not the end of an answer that is cut short."""
    with contextlib.suppress(OSError):
        local.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh" if os.name == "nt" else "ii", 1, 0))
    local.close()


def has_hung_up(local: socket.socket) -> bool | None:
    """Whether the client has closed its socket altogether. None: nobody tells.

    To be asked only once the client has ended its direction, while no receive is under way.
    """
    if not _ORPHANS_TOLD:
        return _is_reset(local)
    try:
        ours, theirs = local.getsockname(), local.getpeername()
        if not ipaddress.ip_address(theirs[0]).is_loopback:
            return None
        if not _find_inode(local.family, ours, theirs):  # our own is there: where it is not seen, nothing is
            return None
        return not _find_inode(local.family, theirs, ours)
    except (OSError, ValueError):
        return None


def is_waiting(local: socket.socket) -> bool:
    """Whether there is still somebody to connect for."""
    try:
        ended = local.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return True
    except OSError:
        return False
    return not (ended and has_hung_up(local))


def _is_reset(local: socket.socket) -> bool | None:
    """Whether the client has reset the connection since; None: it has not, which says nothing.

    After the end of what it sends not every system tells by reading, but each by writing, also of nothing.
    """
    try:
        local.recv(1, socket.MSG_PEEK)
        local.send(b"")
    except ConnectionError:
        return True
    except OSError:  # nothing has come yet, or it is no connection
        return None
    return None


def _find_inode(family: int, source: tuple[object, ...], target: tuple[object, ...]) -> int:
    """The inode of the socket whose own end is ``source``; 0: there is none, or no process has it any more."""
    ends = struct.pack("!HH16s16s", source[1], target[1], _pack(family, source[0]), _pack(family, target[0]))
    body = ends + struct.pack("=I", 0) + _NO_COOKIE
    head = _REQUEST.pack(
        _REQUEST.size + len(body), _SOCK_DIAG_BY_FAMILY, 1, 0, 0, family, socket.IPPROTO_TCP, 0, 0xFFFFFFFF
    )
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(0.1)
        netlink.send(head + body)
        answer = netlink.recv(4096)
    if struct.unpack_from("=H", answer, 4)[0] != _SOCK_DIAG_BY_FAMILY:
        return 0
    return int(struct.unpack_from("=I", answer, _ANSWER_INODE)[0])


def _pack(family: int, address: object) -> bytes:
    return socket.inet_pton(family, str(address).partition("%")[0])
