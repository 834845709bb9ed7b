"""Echoes at a pace, run as a command: ``python echoes.py INTERVAL PAYLOAD ADDRESS...``; needs the right to raw sockets.

Sends what mwan3 and dpinger send, one ICMP echo with so many bytes of payload to each address every so many seconds;
the kernel at the other end answers.
"""

from __future__ import annotations

import socket
import struct
import sys
import time

ECHO_REQUEST = 8


def build_echo(sequence: int, payload: int) -> bytes:
    """An ICMP echo request with its checksum: RFC 792."""
    head, body = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, 1, sequence), bytes(payload + payload % 2)
    total = sum(struct.unpack(f"!{(len(head) + len(body)) // 2}H", head + body))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return struct.pack("!BBHHH", ECHO_REQUEST, 0, checksum, 1, sequence) + bytes(payload)


def main(interval: float, payload: int, addresses: list[str]) -> None:
    """Send for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        due, sequence = time.monotonic(), 0
        while True:
            for address in addresses:
                sock.sendto(build_echo(sequence, payload), (address, 0))
            sequence, due = (sequence + 1) & 0xFFFF, due + interval
            time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
