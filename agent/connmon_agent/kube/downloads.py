"""One HTTP/1.1 request over a wire, and its answer as it comes: the head, then the body piece by piece."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NoReturn

from ..errors import ClusterError
from .wires import Wire

HEAD = 64 * 1024  # bytes of an answer's head, and of a chunk's
WAITING = 512 * 1024  # bytes that may wait to be read before the connection is read no more


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of an answer. The names of ``headers`` are in lower case."""

    status: int
    headers: dict[str, str]


class Download:
    """The answer to one request. ``server`` is for messages. Every method raises ClusterError or OSError."""

    def __init__(self, wire: Wire, server: str) -> None:
        self._wire = wire
        self._server = server
        self._buffer = bytearray()
        self._lost = False
        self._error: BaseException | None = None
        self._news: asyncio.Future[None] | None = None
        self._paused = False
        self._left: int | None = 0  # bytes of the body, or of its chunk, still to come; None: until the end
        self._chunked = False
        self._first = True
        wire.hand_to(self._feed, self._lose)

    async def ask(self, request: bytes) -> Head:
        """Send ``request`` and return the head of its answer."""
        await self._wire.write(request)
        lines = (await self._take_to(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        parts = lines[0].split(None, 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
            self._refuse(f"sent what is no HTTP answer: {lines[0][:80]!r}")
        fields = (line.partition(":") for line in lines[1:])
        head = Head(int(parts[1]), {name.strip().lower(): value.strip() for name, _, value in fields})
        self._chunked = "chunked" in head.headers.get("transfer-encoding", "").lower()
        length = head.headers.get("content-length", "")
        self._left = 0 if self._chunked else int(length) if length.isdigit() else None
        return head

    async def read(self) -> bytes:
        """The next piece of the body; empty at its end."""
        if self._chunked and self._left == 0:
            await self._begin_chunk()
        if self._left == 0:
            return b""
        if not self._buffer and not await self._wait():
            if self._left is not None:
                self._break()
            return b""
        return self._take(len(self._buffer) if self._left is None else min(self._left, len(self._buffer)))

    def detach(self) -> bytes:
        """Leave the wire to somebody else; what has come already is returned."""
        return bytes(self._buffer)

    async def _begin_chunk(self) -> None:
        if not self._first:
            await self._take_to(b"\r\n")
        self._first = False
        size = bytes(await self._take_to(b"\r\n")).partition(b";")[0].strip()
        try:
            self._left = int(size, 16)
        except ValueError:
            self._refuse(f"sent a chunk that begins with {size[:16]!r}")
        if self._left == 0:
            self._chunked = False  # trailers may follow, of which there is no use

    def _take(self, count: int) -> bytes:
        piece = bytes(self._buffer[:count])
        del self._buffer[:count]
        if self._left is not None:
            self._left -= count
        if self._paused and len(self._buffer) < WAITING // 2:
            self._paused = False
            self._wire.resume()
        return piece

    async def _take_to(self, mark: bytes) -> bytes:
        """Everything before ``mark``, which is passed over."""
        while (found := self._buffer.find(mark)) < 0:
            if len(self._buffer) > HEAD:
                self._refuse("sent what is no HTTP answer: its head has no end")
            if not await self._wait():
                self._break()
        piece = bytes(self._buffer[:found])
        del self._buffer[: found + len(mark)]
        return piece

    async def _wait(self) -> bool:
        """For more; False: there is no more."""
        if self._lost:
            return False
        before = len(self._buffer)
        self._news = asyncio.get_running_loop().create_future()
        try:
            await self._news
        finally:
            self._news = None
        return len(self._buffer) > before

    def _feed(self, data: memoryview) -> None:
        self._buffer += data
        if len(self._buffer) > WAITING and not self._paused:
            self._paused = True
            self._wire.pause()
        self._tell()

    def _lose(self, error: BaseException | None) -> None:
        self._lost, self._error = True, error
        self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _break(self) -> NoReturn:
        if isinstance(self._error, OSError):  # ssl.SSLError is one
            raise self._error
        raise ClusterError("unreachable", f"{self._server} broke the connection off")

    def _refuse(self, words: str) -> NoReturn:
        raise ClusterError("protocol", f"{self._server} {words}", hint="Is this address the Kubernetes API?")
