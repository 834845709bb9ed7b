"""One HTTP/1.1 request over a wire, and its answer as it comes: the head, then the body piece by piece."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from ..errors import ClusterError
from ..http1 import BadAnswer, Flaw, Head, HttpExchange
from .wires import Wire

HEAD = 64 * 1024  # bytes of an answer's head
WAITING = 512 * 1024  # bytes that may wait to be read before the connection is read no more

_T = TypeVar("_T")


class Download:
    """The answer to one request. ``server`` is for messages. Every method raises ClusterError or OSError."""

    def __init__(self, wire: Wire, server: str, exchange: HttpExchange) -> None:
        self._wire = wire
        self._server = server
        self._exchange = exchange
        self._pieces: deque[bytes] = deque()  # what came and is not read
        self._size = 0  # bytes in them
        self._lost = False
        self._error: BaseException | None = None
        self._news: asyncio.Future[None] | None = None
        self._paused = False
        wire.hand_to(self._feed, self._lose)

    async def ask(self) -> Head:
        """Send the request and return the head of its answer."""
        await self._wire.write(self._exchange.request)
        return await self._read(self._exchange.read_head)

    async def read(self) -> bytes:
        """The next piece of the body; empty at its end."""
        return await self._read(self._exchange.read_body)

    def detach(self) -> bytes:
        """Leave the wire to somebody else; what has come already is returned."""
        if self._paused:
            self._paused = False
            self._wire.resume()
        return self._exchange.rest + b"".join(self._pieces)

    async def _read(self, read: Callable[[], _T | None]) -> _T:
        try:
            while (found := read()) is None:
                self._exchange.feed(await self._take())
        except BadAnswer as bad:
            raise _explain(bad, self._server) from None
        return found

    async def _take(self) -> bytes:
        """What came next; empty: the other side has closed. Raises OSError where the connection broke."""
        while not self._pieces:
            if self._lost:
                if isinstance(self._error, OSError):  # ssl.SSLError is one
                    raise self._error
                return b""
            self._news = asyncio.get_running_loop().create_future()
            try:
                await self._news
            finally:
                self._news = None
        piece = self._pieces.popleft()
        self._size -= len(piece)
        if self._paused and self._size < WAITING // 2:
            self._paused = False
            self._wire.resume()
        return piece

    def _feed(self, data: memoryview) -> None:
        if data:
            self._pieces.append(bytes(data))
            self._size += len(data)
        if self._size > WAITING and not self._paused:
            self._paused = True
            self._wire.pause()
        self._tell()

    def _lose(self, error: BaseException | None) -> None:
        self._lost, self._error = True, error
        self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


def _explain(bad: BadAnswer, server: str) -> ClusterError:
    if bad.flaw is Flaw.CUT:
        return ClusterError("unreachable", f"{server} closed the connection")
    if bad.flaw is Flaw.NO_HTTP:
        line = bad.begins.decode("latin-1").splitlines()[0]
        words = f"did not answer with HTTP: {line!r}"
    elif bad.flaw is Flaw.LONG_HEAD:
        words = f"sent an answer with a head of more than {HEAD // 1024} KiB"
    elif bad.flaw is Flaw.CODING:
        words = "used a transfer coding that was not requested"
    else:
        words = "sent malformed HTTP"
    return ClusterError("protocol", f"{server} {words}", hint="Check that this address is the Kubernetes API")
