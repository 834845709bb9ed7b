"""The messages of ``v4.channel.k8s.io``, by which a WebSocket carries the ports of a pod. Pure.

The first byte of a message is its channel: for the i-th port asked for, 2i carries data both ways and 2i + 1 errors to
the client. The first message on each is the port. Source: k8s.io/cri-streaming pkg/streaming/portforward/websocket.go.
"""

from __future__ import annotations

from collections.abc import Iterator

PROTOCOL = "v4.channel.k8s.io"


def opening_messages(ports: tuple[int, ...]) -> Iterator[bytes]:
    """What the server says first: each channel's port, as an unsigned 16 bit number, little endian."""
    for position, port in enumerate(ports):
        for channel in (2 * position, 2 * position + 1):
            yield bytes([channel]) + port.to_bytes(2, "little")


def data_message(position: int, data: bytes) -> bytes:
    """Data of the port at this position."""
    return bytes([2 * position]) + data


def error_message(position: int, text: str) -> bytes:
    """What went wrong with the port at this position."""
    return bytes([2 * position + 1]) + text.encode()


def read_data(message: bytes, ports: int) -> tuple[int, bytes] | None:
    """The port's position and its data; None for a message on no data channel, which the server passes over."""
    if not message or message[0] % 2 == 1 or message[0] >= 2 * ports:
        return None
    return message[0] // 2, message[1:]
