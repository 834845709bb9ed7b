"""One port-forward at work over SPDY: one connection on one side, any number of connections to a pod's ports behind it.

It works as the kubelet's streaming server over moby/spdystream does: two streams with the same request's number are a
connection, there is no flow control, and one stream that is not read stops all. Each ends as in ``tunnels``.
Source: k8s.io/cri-streaming pkg/streaming/portforward/httpstream.go.
"""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from typing import cast

from aiohttp import web

from connmon_agent.port_forwarding.spdy.errors import SpdyError
from connmon_agent.port_forwarding.spdy.frames import (
    PROTOCOL_ERROR,
    Data,
    Frame,
    FrameReader,
    GoAway,
    Ping,
    RstStream,
    SynStream,
    write_data_head,
    write_ping,
    write_rst_stream,
    write_syn_reply,
)
from connmon_agent.port_forwarding.spdy.headers import Deflater, Inflater

from .port_forwards import PortForward
from .tunnels import CHUNK, DialPort, end, explain, say

QUEUES = 5  # of spdystream, for frames that came: a stream has one of them, pings have each in turn
WAITING = 50 * CHUNK  # bytes that wait for a pod before nothing more is read, as in those queues
_KINDS = ("data", "error")


class _Stream:
    """What came on one stream, for whoever reads it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.waiting = bytearray()
        self.ended = False
        self.news = asyncio.Event()

    def take(self) -> bytes:
        """What waits."""
        data = bytes(self.waiting)
        self.waiting.clear()
        self.news.clear()
        return data


class SpdyTunnel(asyncio.Protocol):
    """One SPDY connection of one client."""

    def __init__(self, request: web.BaseRequest, forward: PortForward, dial: DialPort, *, linger: float) -> None:
        """``dial`` connects to a port of the pod; ``linger``: seconds one direction has left after the other."""
        self.forward = forward
        self._request = request
        self._dial = dial
        self._linger = linger
        self._reader = FrameReader()
        self._inflater, self._deflater = Inflater(), Deflater()
        self._streams: dict[int, _Stream] = {}
        self._pairs: dict[str, dict[str, _Stream]] = {}  # those that are not complete, by the request's number
        self._pings: list[tuple[int, int]] = []  # those that wait, each with its queue
        self._pinged = 0
        self._carrying: set[asyncio.Task[None]] = set()
        self._writers: set[StreamWriter] = set()
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._lost = asyncio.Event()
        self._parting = False  # the client says farewell

    async def open(self) -> None:
        """Answer the upgrade, and take the connection from the HTTP server."""
        transport = self._request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        head = f"Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: {self.forward.protocol}\r\n\r\n"
        self._transport = transport
        self._writable.set()
        self._transport.set_protocol(self)
        self._transport.write(f"HTTP/1.1 101 Switching Protocols\r\n{head}".encode())

    async def run(self) -> web.StreamResponse:
        """Carry bytes until the client has gone."""
        try:
            await self._lost.wait()
        finally:
            self.kill()
            for task in tuple(self._carrying):
                task.cancel()
            await asyncio.gather(*self._carrying, return_exceptions=True)
        return web.Response()  # for nobody

    def cut(self) -> None:
        """The pod goes: its side of every connection is over."""
        for writer in self._writers:
            writer.transport.abort()

    def kill(self) -> None:
        """Break the connection without a word, and everything behind it."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """asyncio: so much came."""
        try:
            for frame in self._reader.feed(memoryview(data)):
                self._take(frame)
        except SpdyError:
            self.kill()
        self._pace()

    def pause_writing(self) -> None:
        """asyncio: the client takes no more."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """asyncio: the client takes more again."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the client has gone."""
        self._writable.set()
        self._lost.set()
        self._request.protocol.connection_lost(exc)

    def _take(self, frame: Frame) -> None:
        match frame:
            case SynStream():
                self._open_stream(frame.stream, self._inflater.read(frame.block), ended=frame.last)
            case Data():
                self._take_data(frame)
            case RstStream():
                if (stream := self._streams.pop(frame.stream, None)) is not None:
                    stream.ended = True
                    stream.news.set()
            case Ping():
                self._pings.append((self._pinged % QUEUES, frame.number))
                self._pinged += 1
            case GoAway():
                self._parting = True
                self._leave()

    def _take_data(self, frame: Data) -> None:
        stream = self._streams.get(frame.stream)
        if stream is not None:
            stream.waiting += frame.payload
            stream.ended = stream.ended or frame.last
            stream.news.set()

    def _open_stream(self, number: int, headers: dict[str, str], *, ended: bool) -> None:
        kind, request, port = (headers.get(name, "") for name in ("streamtype", "requestid", "port"))
        pair = self._pairs.setdefault(request, {})
        if kind not in _KINDS or kind in pair or not (port.isdigit() and 0 < int(port) < 65_536):
            self._write(write_rst_stream(number, PROTOCOL_ERROR))
            return
        stream = self._streams[number] = pair[kind] = _Stream(number)
        if ended:
            stream.ended = True
            stream.news.set()
        self._write(write_syn_reply(number, self._deflater.write({})))
        if len(pair) == len(_KINDS):
            del self._pairs[request]
            task = asyncio.get_running_loop().create_task(self._serve(pair["data"], pair["error"], int(port)))
            self._carrying.add(task)
            task.add_done_callback(self._carrying.discard)

    async def _serve(self, data: _Stream, error: _Stream, port: int) -> None:
        """One connection to the pod, from the dialling to the end of both streams."""
        try:
            if (reason := await self._carry(data, port)) is not None:
                text = explain(self.forward.pod, port, reason).encode()
                self._write(write_data_head(error.number, len(text)) + text)
        finally:
            for stream in (error, data):
                self._streams.pop(stream.number, None)
                self._write(write_data_head(stream.number, 0, last=True))
            self._pace()
            self._carrying.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            self._leave()

    async def _carry(self, data: _Stream, port: int) -> str | None:
        """Copy both ways. What went wrong, in the kubelet's words; None: nothing."""
        try:
            reader, writer = await self._dial(port)
        except OSError as error:
            return f"failed to dial {port}: dial tcp4 127.0.0.1:{port}: connect: {say(error)}"
        self._writers.add(writer)
        up = asyncio.ensure_future(self._copy_up(data, writer))
        down = asyncio.ensure_future(self._copy_down(data, reader))
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((up, down), timeout=self._linger)
            broke = down.done() and down.exception()
            return f"read tcp4 127.0.0.1:{port}: read: {say(broke)}" if isinstance(broke, OSError) else None
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await end(down)
            await end(up)

    async def _copy_up(self, data: _Stream, writer: StreamWriter) -> None:
        """Bring what the client sends to the pod; ends when the client ends."""
        while True:
            await data.news.wait()
            piece, ended = data.take(), data.ended
            self._pace()
            writer.write(piece)
            with contextlib.suppress(ConnectionError):  # the pod has closed; whoever reads from it will see
                await writer.drain()
            if ended:
                return

    async def _copy_down(self, data: _Stream, reader: StreamReader) -> None:
        """Bring what the pod sends to the client; ends when the pod ends. Raises OSError of the pod."""
        while piece := await reader.read(CHUNK):
            self._write(write_data_head(data.number, len(piece)) + piece)
            await self._writable.wait()

    def _pace(self) -> None:
        """Read no more while a pod does not, and answer the pings that wait behind nothing."""
        stuck = {stream.number % QUEUES for stream in self._streams.values() if stream.waiting}
        for _, number in (ping for ping in self._pings if ping[0] not in stuck):
            self._write(write_ping(number))
        self._pings = [ping for ping in self._pings if ping[0] in stuck]
        if self._transport is None or self._transport.is_closing():
            return
        if max((len(stream.waiting) for stream in self._streams.values()), default=0) > WAITING:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _leave(self) -> None:
        """Close once the client has said farewell and nothing is left to do."""
        if self._parting and not self._carrying and self._transport is not None:
            self._transport.close()

    def _write(self, frame: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)
