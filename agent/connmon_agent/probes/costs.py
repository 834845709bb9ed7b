"""What a probe takes on the line, in bytes: headers of IP and above, both ways, as a provider counts them.

Frames of Ethernet or of a modem around them are not counted, nor is what the system's resolver asks for a target's name
from its own cache. TCP is counted by Linux itself; elsewhere it is estimated.
"""

from __future__ import annotations

import socket
import struct
import sys

_IP = {socket.AF_INET: 20, socket.AF_INET6: 40}
UDP, ICMP = 8, 8
_SYN, _SEGMENT, _RESET = 40, 32, 20  # TCP headers with the options that Linux sends
# An A and an AAAA question with their answers of one record each, without the name, which is in all four.
_LOOKUP = 4 * (20 + UDP + 12 + 6) + 16 + 28
# Linux: include/uapi/linux/tcp.h, struct tcp_info: bytes_acked and bytes_received, segs_out and segs_in (4.2).
_TCP_INFO, _TCP_INFO_SIZE = 11, 144
_COUNTS = struct.Struct("=QQII")
_COUNTS_AT = 120


def count_datagrams(family: int, *sizes: int, header: int = UDP) -> int:
    """Datagrams with these payloads, sent or received."""
    return sum(_IP.get(socket.AddressFamily(family), 20) + header + size for size in sizes)


def count_lookup(host: str) -> int:
    """What a lookup of a name takes, where no cache of this machine answers it: as good as a guess."""
    return _LOOKUP + 4 * (len(host) + 2)


def count_connection(sock: socket.socket) -> int:
    """What a connected TCP socket has sent and received so far, and takes to be closed by a reset. Never raises."""
    ip = _IP.get(socket.AddressFamily(sock.family), 20)
    counts = _read_counts(sock)
    if counts is None:
        return 2 * (ip + _SYN) + 2 * (ip + _RESET)
    acked, received, sent_segments, received_segments = counts
    options = 2 * (_SYN - _SEGMENT)  # of the SYN, which counts as a byte that was acknowledged, and of its answer
    return (sent_segments + received_segments) * (ip + _SEGMENT) + options + max(0, acked - 1) + received + ip + _RESET


def count_attempts(family: int, attempts: int) -> int:
    """What so many attempts to connect took that nobody answered: each is one SYN."""
    return attempts * (_IP.get(socket.AddressFamily(family), 20) + _SYN)


def _read_counts(sock: socket.socket) -> tuple[int, int, int, int] | None:
    if sys.platform != "linux":
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TCP_INFO_SIZE)
    except OSError:
        return None
    if len(info) < _TCP_INFO_SIZE:  # a kernel before 4.2
        return None
    acked, received, sent_segments, received_segments = _COUNTS.unpack_from(info, _COUNTS_AT)
    return acked, received, sent_segments, received_segments
