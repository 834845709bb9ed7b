"""A WebSocket (RFC 6455) towards the API server: binary messages, whole frames, nothing that is not needed for that.

Not a library's: over asyncio's own TLS one keeps 256 KiB for each connection (measured with aiohttp: 218 MB resident
after 500 of them, 73 MB with this), and the server takes no fragments, which a library may send.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import struct
from collections import deque

from ..errors import ClusterError
from ..kube.limits import MAX_BODY
from .wires import Wire

HEADROOM = 8  # bytes before a message that its frame's head may take: at most that for the sizes in use
LARGEST = 64 * 1024 - 1  # bytes of a message that we send: no more than 16 bits tell
WAITING = 128 * 1024  # bytes that may wait to be read before the connection is read no more
FAREWELL = 1.0  # seconds for the server to answer our closing
CLOSED_IN_ORDER = 1000

_BINARY, _TEXT, _CLOSE, _PING, _PONG, _CONTINUED = 2, 1, 8, 9, 10, 0
_FINAL, _MASKED = 0x80, 0x80
# The mask keeps a script in a browser from speaking to a proxy in words of its choice. Here no script chooses, and
# nobody between the ends of TLS sees a word: a mask of zeros leaves the data as it is, without touching each byte.
_NO_MASK = bytes(4)


def upgrade_fields(host: str, protocol: str, headers: dict[str, str]) -> dict[str, str]:
    """The fields of the GET that asks for a WebSocket."""
    return {
        "Host": host,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Protocol": protocol,
        **headers,
    }


class ApiSocket:
    """One WebSocket over a wire that is upgraded. Reading is for one task at a time, and so is writing.

    ``early`` are bytes that came with the answer; ``server`` is for messages.
    """

    def __init__(self, wire: Wire, server: str, early: bytes = b"") -> None:
        self._wire = wire
        self._server = server
        self._rest = bytearray()  # the beginning of a frame
        self._begun = bytearray()  # a message of which not every fragment is there
        self._messages: deque[bytes] = deque()
        self._size = 0  # bytes in them
        self._paused = False
        self._end: ClusterError | None = None  # what the reader gets after the last message
        self._closed_in_order = False
        self._news: asyncio.Future[None] | None = None
        self._pong: asyncio.Future[None] | None = None
        self._said_farewell = False
        wire.hand_to(self._feed, self._lose, early=early)

    @property
    def end(self) -> ClusterError | None:
        """Why nothing can be sent any more; None: it can."""
        return self._end

    async def receive(self) -> bytes:
        """The next message; empty where the server closed in order. Raises ClusterError (unreachable) where the
        connection broke.
        """
        while not self._messages:
            if self._closed_in_order:
                return b""
            if self._end is not None:
                raise self._end
            self._news = asyncio.get_running_loop().create_future()
            try:
                await self._news
            finally:
                self._news = None
        message = self._messages.popleft()
        self._size -= len(message)
        if self._paused and self._size < WAITING // 2:
            self._paused = False
            self._wire.resume()
        return message

    async def send(self, frame: memoryview) -> None:
        """Send the message that ``frame`` holds after its first HEADROOM bytes, which are written over; wait while the
        connection takes no more. Raises ClusterError (unreachable).
        """
        size = len(frame) - HEADROOM
        head = struct.pack("!BB4s" if size < 126 else "!BBH4s", *_describe(size), _NO_MASK)
        start = HEADROOM - len(head)
        frame[start:HEADROOM] = head
        try:
            await self._wire.write(frame[start:])
        except OSError as error:
            raise self._broken(error) from error
        if self._end is not None:
            raise self._end

    async def ping(self, timeout: float) -> bool:
        """Whether the server answers within ``timeout`` seconds."""
        pong = self._pong = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout):
                self._wire.write_now(bytes((_FINAL | _PING, _MASKED)) + _NO_MASK)
                await pong
        except OSError:  # TimeoutError is one
            return False
        finally:
            self._pong = None
        return True

    async def close(self) -> None:
        """Say farewell, let the server say its own, and close; a second time does nothing."""
        try:
            async with asyncio.timeout(FAREWELL):
                await self._part()
                self._wire.close()
                await self._wire.closed()
        except TimeoutError:
            await self.abort()

    async def abort(self) -> None:
        """Close without a farewell, which a dead connection would keep waiting for."""
        self._said_farewell = True
        self._wire.abort()
        await self._wire.closed()

    async def _part(self) -> None:
        """Say farewell, and wait for the server's."""
        if self._said_farewell or self._end is not None:
            return
        self._said_farewell = True
        with contextlib.suppress(ClusterError, ConnectionError):
            await self._wire.write(_frame_close())
            while await self.receive():
                pass

    def _feed(self, data: memoryview) -> None:
        if len(self._rest) + len(self._begun) > MAX_BODY:
            self._end = self._end or self._failed(f"sent a message of more than {MAX_BODY} bytes")
            self._wire.abort()
            return
        if self._rest:
            self._rest += data
            with memoryview(self._rest) as whole:
                used = self._parse(whole)
            del self._rest[:used]
        else:
            used = self._parse(data)
            self._rest += data[used:]
        self._tell()
        if self._size > WAITING and not self._paused:
            self._paused = True
            self._wire.pause()

    def _parse(self, data: memoryview) -> int:
        """Take every whole frame, and return how many bytes they were."""
        start = 0
        while (found := _find_frame(data, start)) is not None:
            head, begin, end = found
            self._take(head & 0x0F, bytes(data[begin:end]), whole=bool(head & _FINAL))
            start = end
        return start

    def _take(self, opcode: int, payload: bytes, *, whole: bool) -> None:
        if opcode in (_BINARY, _CONTINUED):
            self._take_data(payload, whole=whole)
        elif opcode == _PONG and self._pong is not None and not self._pong.done():
            self._pong.set_result(None)
        elif opcode == _CLOSE and self._end is None:
            code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else CLOSED_IN_ORDER
            self._closed_in_order = code == CLOSED_IN_ORDER
            why = payload[2:].decode("utf-8", "replace")
            self._end = self._failed(f"closed the stream with code {code}" + (f" ({why})" if why else ""))
        elif opcode == _TEXT:
            self._end = self._end or self._failed("sent text instead of data")
        # A ping stays unanswered: the kubelet's library ends the connection at a pong that it has not asked for.

    def _take_data(self, payload: bytes, *, whole: bool) -> None:
        if self._begun or not whole:
            self._begun += payload
            payload = bytes(self._begun) if whole else b""
            if whole:
                self._begun.clear()
        if payload:
            self._messages.append(payload)
            self._size += len(payload)

    def _lose(self, error: BaseException | None) -> None:
        self._end = self._end or self._broken(error)
        self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done() and (self._messages or self._end is not None):
            self._news.set_result(None)

    def _broken(self, error: BaseException | None) -> ClusterError:
        return self._failed("closed the connection" + (f": {error}" if error is not None and str(error) else ""))

    def _failed(self, words: str) -> ClusterError:
        return ClusterError("unreachable", f"{self._server} {words}")


def _describe(size: int) -> tuple[int, ...]:
    """The first bytes of a frame's head: what it is, and how long."""
    return (_FINAL | _BINARY, _MASKED | size) if size < 126 else (_FINAL | _BINARY, _MASKED | 126, size)


def _frame_close() -> bytes:
    return bytes((_FINAL | _CLOSE, _MASKED | 2)) + _NO_MASK + struct.pack("!H", CLOSED_IN_ORDER)


def _find_frame(data: memoryview, start: int) -> tuple[int, int, int] | None:
    """First byte, begin and end of the payload of the frame at ``start``; None: it is not all there. None is masked."""
    left = len(data) - start
    if left < 2:
        return None
    size, begin = data[start + 1] & 0x7F, start + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        if left < 2 + width:
            return None
        size, begin = int.from_bytes(data[begin : begin + width], "big"), begin + width
    return (data[start], begin, begin + size) if len(data) - begin >= size else None
