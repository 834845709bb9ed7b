"""The frames of SPDY/3.1, written and read. No socket, no clock.

Format: https://www.chromium.org/port_forwarding/spdy/spdy-protocol/spdy-protocol-draft3-1 (2.2, 2.6). Kubernetes speaks
it by moby/spdystream, which does without flow control: it neither keeps windows nor sends updates of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import SpdyError

DATA_HEAD = 8  # bytes before the data of a frame
LARGEST_CONTROL = 64 * 1024  # bytes of a control frame that is taken
OK = 0  # the status of a GOAWAY in order
PROTOCOL_ERROR, CANCEL = 1, 5  # the status of a RST_STREAM: for what makes no sense, and by whoever opened the stream

_VERSION = 3
_CONTROL, _FIN = 0x80, 0x01
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _HEADERS, _WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
_LEAST = {
    _SYN_STREAM: 10,
    _SYN_REPLY: 4,
    _RST_STREAM: 8,
    _SETTINGS: 4,
    _PING: 4,
    _GOAWAY: 8,
    _HEADERS: 4,
    _WINDOW_UPDATE: 8,
}
_ID = 0x7FFF_FFFF


@dataclass(frozen=True, slots=True)
class Data:
    """Data of a stream: a frame's, or as much of it as has come. ``last``: the sender ends its direction with it.

    ``payload`` is valid until the next bytes are fed.
    """

    stream: int
    payload: memoryview
    last: bool


@dataclass(frozen=True, slots=True)
class SynStream:
    """The other side opens a stream."""

    stream: int
    block: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class Headers:
    """A SYN_REPLY, which accepts a stream (``reply``), or HEADERS that come later."""

    stream: int
    block: bytes
    last: bool
    reply: bool


@dataclass(frozen=True, slots=True)
class RstStream:
    """A stream is over at once, both ways."""

    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Ping:
    """A question, or the answer to one: who asked sees by the number, odd for clients."""

    number: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """No stream is accepted any more after ``last_good``."""

    last_good: int
    status: int


Frame = Data | SynStream | Headers | RstStream | Ping | GoAway


class FrameReader:
    """Cuts what comes into frames. Data is handed on as it comes, whole frame or not, and never kept."""

    def __init__(self) -> None:
        self._begun = bytearray()  # of a head, or of a control frame
        self._stream = 0  # of the data frame that is being read
        self._left = 0  # bytes of it to come
        self._last = False

    def feed(self, data: memoryview) -> Iterator[Frame]:
        """The frames that are complete with ``data``, and what it has of one that is not. Raises SpdyError."""
        start = 0
        while start < len(data):
            if self._left:
                end = min(start + self._left, len(data))
                self._left -= end - start
                yield Data(self._stream, data[start:end], self._last and not self._left)
            else:
                end = start + self._missing(len(data) - start)
                self._begun += data[start:end]
                if (frame := self._take_begun()) is not None:
                    yield frame
            start = end

    def _missing(self, limit: int) -> int:
        """How many bytes of a head, or of a control frame, can be taken of ``limit``."""
        return min(_whole(self._begun) - len(self._begun), limit)

    def _take_begun(self) -> Frame | None:
        """The frame that is complete; None: none is, or one of data that is still to come."""
        begun = self._begun
        if len(begun) < _whole(begun):
            return None
        if begun[0] & _CONTROL:
            frame = _read_control(bytes(begun))
            begun.clear()
            return frame
        stream, rest = struct.unpack("!II", begun)
        begun.clear()
        if stream == 0:
            raise SpdyError("data came for the stream 0")
        self._stream, self._left, self._last = stream, rest & 0xFF_FFFF, bool(rest >> 24 & _FIN)
        return None if self._left else Data(stream, memoryview(b""), self._last)


def write_syn_stream(stream: int, block: bytes) -> bytes:
    """Open a stream with these headers; at the highest priority, so that its data never overtakes it."""
    return _control(_SYN_STREAM, struct.pack("!IIBB", stream, 0, 0, 0) + block)


def write_syn_reply(stream: int, block: bytes) -> bytes:
    """Accept a stream."""
    return _control(_SYN_REPLY, struct.pack("!I", stream) + block)


def write_rst_stream(stream: int, status: int) -> bytes:
    """End a stream at once, both ways."""
    return _control(_RST_STREAM, struct.pack("!II", stream, status))


def write_ping(number: int) -> bytes:
    """Ask, or answer with the number of the question."""
    return _control(_PING, struct.pack("!I", number))


def write_go_away(last_good: int, status: int) -> bytes:
    """Accept no stream any more."""
    return _control(_GOAWAY, struct.pack("!II", last_good, status))


def write_data_head(stream: int, size: int, *, last: bool = False) -> bytes:
    """What comes before ``size`` bytes of data; ``last``: this side's direction ends with them."""
    return struct.pack("!II", stream, (_FIN << 24 if last else 0) | size)


def _whole(begun: bytearray) -> int:
    """Bytes until something can be done with what has ``begun``. Raises SpdyError."""
    if len(begun) < DATA_HEAD or not begun[0] & _CONTROL:
        return DATA_HEAD
    size = int.from_bytes(begun[5:8], "big")
    if size > LARGEST_CONTROL:
        raise SpdyError(f"a control frame has {size} bytes")
    return DATA_HEAD + size


def _control(kind: int, body: bytes) -> bytes:
    return struct.pack("!HHI", _CONTROL << 8 | _VERSION, kind, len(body)) + body


def _read_control(whole: bytes) -> Frame | None:
    """The control frame; None for one that changes nothing here. Raises SpdyError."""
    version, kind, rest = struct.unpack_from("!HHI", whole)
    body, last = whole[DATA_HEAD:], bool(rest >> 24 & _FIN)
    if version & 0x7FFF != _VERSION:
        raise SpdyError(f"a frame is of version {version & 0x7FFF}")
    if kind not in _LEAST:
        raise SpdyError(f"there is no frame of type {kind}")
    if len(body) < _LEAST[kind]:
        raise SpdyError(f"a frame of type {kind} has only {len(body)} bytes")
    number = int.from_bytes(body[:4], "big")
    return _make(kind, number, body, last=last)


def _make(kind: int, number: int, body: bytes, *, last: bool) -> Frame | None:
    stream = number & _ID
    if kind == _PING:
        return Ping(number)
    if kind == _GOAWAY:
        return GoAway(stream, int.from_bytes(body[4:8], "big"))
    if kind in (_SETTINGS, _WINDOW_UPDATE):
        return None
    if stream == 0:
        raise SpdyError(f"a frame of type {kind} is for the stream 0")
    if kind == _RST_STREAM:
        return RstStream(stream, int.from_bytes(body[4:8], "big"))
    if kind == _SYN_STREAM:
        return SynStream(stream, body[10:], last)
    return Headers(stream, body[4:], last, kind == _SYN_REPLY)
