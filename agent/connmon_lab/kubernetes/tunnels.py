"""One port-forward at work: a WebSocket on one side, connections to a pod's ports on the other.

It ends as containerd lets it end: when one direction of a connection is over, the other has a short time left, and the
WebSocket is closed when all of its ports are done. A stalled side stalls the other; nothing is buffered without limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable

from aiohttp import WSMsgType, web

from .channels import PROTOCOL, data_message, error_message, opening_messages, read_data
from .objects import Manifest
from .port_forwards import PortForward

CHUNK = 32 * 1024  # bytes read from a pod at once, as Go's io.Copy
LARGEST_MESSAGE = 32 * 1024 * 1024  # bytes, as golang.org/x/net/websocket

DialPort = Callable[[int], Awaitable[tuple[StreamReader, StreamWriter]]]


class Tunnel:
    """One WebSocket of one client."""

    def __init__(self, request: web.BaseRequest, forward: PortForward, dial: DialPort, *, linger: float) -> None:
        """``dial`` connects to a port of the pod; ``linger``: seconds one direction has left after the other."""
        self.forward = forward
        self._request = request
        self._dial = dial
        self._linger = linger
        self._broken = False
        self._socket = web.WebSocketResponse(protocols=(PROTOCOL,), compress=False, max_msg_size=LARGEST_MESSAGE)
        loop = asyncio.get_running_loop()
        self._writers: list[asyncio.Future[StreamWriter | None]] = [loop.create_future() for _ in forward.ports]
        self._carrying: asyncio.Future[list[None]] | None = None

    async def open(self) -> None:
        """Answer the upgrade."""
        await self._socket.prepare(self._request)

    async def run(self) -> web.StreamResponse:
        """Carry bytes until every port is done or the client has gone."""
        receiving = asyncio.ensure_future(self._receive())
        ports = enumerate(self.forward.ports)
        try:
            for message in opening_messages(self.forward.ports):
                await self._socket.send_bytes(message)
            self._carrying = asyncio.gather(*(self._carry(position, port, receiving) for position, port in ports))
            await self._carrying
        except ConnectionError:
            pass  # the client has gone
        except asyncio.CancelledError:
            if not self._broken:
                raise
        finally:
            await end(receiving)
        await self._socket.close()
        return self._socket

    def cut(self) -> None:
        """The pod goes: its side of every connection is over."""
        for writer in self._writers:
            if writer.done() and not writer.cancelled() and (found := writer.result()) is not None:
                found.transport.abort()

    def kill(self) -> None:
        """Break the WebSocket without a word, and everything behind it."""
        self._broken = True
        if self._request.transport is not None:
            self._request.transport.abort()
        if self._carrying is not None:
            self._carrying.cancel()

    async def _receive(self) -> None:
        """Bring what the client sends to the pod; ends when the client ends."""
        async for message in self._socket:
            if message.type == WSMsgType.ERROR:
                break
            data = message.data.encode() if isinstance(message.data, str) else message.data
            if (found := read_data(data, len(self._writers))) is not None:
                await self._deliver(*found)

    async def _deliver(self, position: int, data: bytes) -> None:
        writer = await asyncio.shield(self._writers[position])
        if writer is None or writer.is_closing():
            return
        writer.write(data)
        with contextlib.suppress(ConnectionError):  # the pod has closed; whoever reads from it will see
            await writer.drain()

    async def _carry(self, position: int, port: int, receiving: asyncio.Future[None]) -> None:
        try:
            reader, writer = await self._dial(port)
        except OSError as error:
            self._writers[position].set_result(None)
            reason = f"failed to dial {port}: dial tcp4 127.0.0.1:{port}: connect: {say(error)}"
            await self._tell_error(position, reason)
            return
        self._writers[position].set_result(writer)
        copying = asyncio.ensure_future(self._copy(position, reader))
        try:
            await asyncio.wait((copying, receiving), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((copying, receiving), timeout=self._linger)
        finally:
            writer.transport.abort()
            await end(copying)

    async def _copy(self, position: int, reader: StreamReader) -> None:
        """Bring what the pod sends to the client; ends when the pod ends. Raises ConnectionError without a client."""
        while data := await self._read(position, reader):
            await self._socket.send_bytes(data_message(position, data))

    async def _read(self, position: int, reader: StreamReader) -> bytes:
        try:
            return await reader.read(CHUNK)
        except OSError as error:
            port = self.forward.ports[position]
            await self._tell_error(position, f"read tcp4 127.0.0.1:{port}: read: {say(error)}")
            return b""

    async def _tell_error(self, position: int, reason: str) -> None:
        text = explain(self.forward.pod, self.forward.ports[position], reason)
        with contextlib.suppress(ConnectionError):  # the client has gone
            await self._socket.send_bytes(error_message(position, text))


def explain(pod: Manifest, port: int, reason: str) -> str:
    """What the kubelet says of a connection to ``port`` that failed."""
    uid = pod["metadata"]["uid"]
    return (
        f"error forwarding port {port} to pod {uid.replace('-', '')}, uid : "
        f'failed to execute portforward in network namespace "/var/run/netns/cni-{uid}": {reason}'
    )


async def end(task: asyncio.Future[None]) -> None:
    """Cancel what still runs. Raises what went wrong in it, unless that the client has gone."""
    task.cancel()
    with contextlib.suppress(ConnectionError, asyncio.CancelledError):
        await task


def say(error: OSError) -> str:
    """An error of a socket in Go's words."""
    if isinstance(error, ConnectionRefusedError):  # Windows has another sentence, and another number
        return "connection refused"
    return os.strerror(error.errno).lower() if error.errno is not None else str(error)
