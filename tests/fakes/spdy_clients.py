"""A client of a port-forward over SPDY, made of nothing but the frames: what the agent's own is checked against."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from connmon_agent.port_forwarding.spdy.frames import (
    Data,
    FrameReader,
    Headers,
    Ping,
    RstStream,
    write_data_head,
    write_ping,
    write_syn_stream,
)
from connmon_agent.port_forwarding.spdy.headers import Deflater

PROTOCOL = "portforward.k8s.io"


class NotUpgraded(Exception):
    """The server answered otherwise; ``status`` says how."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


@dataclass
class Came:
    """What came on one stream."""

    data: bytes = b""
    accepted: bool = False
    ended: bool = False
    reset: int | None = None


@dataclass
class SpdyClient:
    """One connection. ``came`` is by stream, ``pongs`` the numbers that were answered; ``closed``: it is over."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    came: dict[int, Came] = field(default_factory=dict)
    pongs: list[int] = field(default_factory=list)
    closed: bool = False
    _frames: FrameReader = field(default_factory=FrameReader)
    _deflater: Deflater = field(default_factory=Deflater)

    def begin(self, first: int, port: int, data: bytes = b"") -> tuple[int, int]:
        """Open the streams ``first`` for errors and the next for data, and send without waiting for anything."""
        self.open_stream(first, {"streamType": "error", "port": str(port), "requestID": str(first)})
        self.writer.write(write_data_head(first, 0, last=True))
        self.open_stream(first + 2, {"streamType": "data", "port": str(port), "requestID": str(first)})
        if data:
            self.send(first + 2, data)
        return first, first + 2

    def open_stream(self, stream: int, headers: Mapping[str, str]) -> None:
        self.came[stream] = Came()
        self.writer.write(write_syn_stream(stream, self._deflater.write(headers)))

    def send(self, stream: int, data: bytes = b"", *, last: bool = False) -> None:
        self.writer.write(write_data_head(stream, len(data), last=last) + data)

    def ping(self, number: int) -> None:
        self.writer.write(write_ping(number))

    async def read(self) -> None:
        """Take what comes next."""
        data = await self.reader.read(65_536)
        self.closed = not data
        for frame in self._frames.feed(memoryview(data)):
            if isinstance(frame, Ping):
                self.pongs.append(frame.number)
            elif isinstance(frame, (Data, Headers, RstStream)):
                self._note(frame, self.came[frame.stream])

    async def read_to_end(self, *streams: int) -> list[bytes]:
        """What came on these streams up to their ends."""
        while not all(self.came[stream].ended for stream in streams):
            await self.read()
            assert not self.closed
        return [self.came[stream].data for stream in streams]

    async def read_data(self, stream: int, size: int) -> bytes:
        """What came on the stream, once it is so much."""
        while len(self.came[stream].data) < size:
            await self.read()
            assert not self.closed
        return self.came[stream].data

    @staticmethod
    def _note(frame: Data | Headers | RstStream, came: Came) -> None:
        if isinstance(frame, RstStream):
            came.reset = frame.status
            return
        came.ended = came.ended or frame.last
        if isinstance(frame, Data):
            came.data += bytes(frame.payload)
        else:
            came.accepted = came.accepted or frame.reply


@contextlib.asynccontextmanager
async def spdy_client(
    url: str, headers: Mapping[str, str], tls: ssl.SSLContext | None = None, *, protocol: str = PROTOCOL
) -> AsyncIterator[SpdyClient]:
    """A connection upgraded at ``url``. Raises NotUpgraded."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=tls)
    fields = {
        "Host": parts.netloc,
        "Connection": "Upgrade",
        "Upgrade": "SPDY/3.1",
        "X-Stream-Protocol-Version": protocol,
        "Content-Length": "0",
        **headers,
    }
    try:
        lines = (f"POST {parts.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", "")
        writer.write("\r\n".join(lines).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if (status := int(head.split()[1])) != 101:
            raise NotUpgraded(status)
        yield SpdyClient(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
