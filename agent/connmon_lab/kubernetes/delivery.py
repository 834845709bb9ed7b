"""Carries replies over HTTP, with or without a fault on the way."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable

from aiohttp import web

from .api import Outcome, Reply
from .event_streams import EventStreams, Write
from .faults import Answer, Delay, Drip, Fault, Hang, Html, LateDelivery, Malformed, Reset
from .forwards import Forwards
from .port_forwards import PortForward
from .statuses import ApiError
from .watches import Watch

Process = Callable[[], Outcome]


class Delivery:
    """Answers requests, at once or with a stream."""

    def __init__(
        self,
        later: Callable[[float, Callable[[], None]], None],
        ended: asyncio.Event,
        *,
        events: EventStreams,
        forwards: Forwards,
    ) -> None:
        """``later`` does something after some seconds, ``ended`` is set when the server stops."""
        self._events = events
        self._forwards = forwards
        self._later = later
        self._ended = ended

    async def answer(self, request: web.BaseRequest, fault: Fault | None, process: Process) -> web.StreamResponse:
        """Process the request as the fault allows, and answer what the fault leaves of the answer."""
        match fault:
            case None:
                return await self._carry(request, process())
            case Answer():
                return _refuse(fault)
            case Html():
                return web.Response(status=fault.status, text=fault.page, content_type="text/html")
            case Malformed():
                return await self._break_off(request, process())
            case Delay():
                await asyncio.sleep(fault.seconds)
                return await self._carry(request, process())
            case Drip():
                return await self._drip(request, process(), fault.seconds)
            case Hang():
                if fault.processed:
                    process()
                await self._ended.wait()
                return reset(request)
            case Reset():
                if fault.processed:
                    process()
                return reset(request)
            case LateDelivery():
                self._later(fault.seconds, lambda: discard(process()))
                return reset(request)

    async def _carry(self, request: web.BaseRequest, outcome: Outcome) -> web.StreamResponse:
        match outcome:
            case Reply():
                return respond(outcome)
            case Watch():
                return await self._events.carry(request, outcome)
            case PortForward():
                return await self._forwards.carry(request, outcome)

    async def _break_off(self, request: web.BaseRequest, outcome: Outcome) -> web.StreamResponse:
        match outcome:
            case Reply():
                return web.Response(body=halve(encode(outcome)), content_type="application/json")
            case Watch():
                return await self._events.carry(request, outcome, lambda write: lambda line: write(halve(line)))
            case PortForward():
                return web.Response(body=b'{"kind":', content_type="application/json")

    async def _drip(self, request: web.BaseRequest, outcome: Outcome, seconds: float) -> web.StreamResponse:
        if isinstance(outcome, Watch):
            return await self._events.carry(request, outcome, lambda write: dripping(write, seconds))
        if isinstance(outcome, PortForward):
            return await self._forwards.carry(request, outcome)
        whole = encode(outcome)
        response = web.StreamResponse(status=outcome.status)
        response.content_type = "application/json"
        response.content_length = len(whole)
        await response.prepare(request)
        for position in range(len(whole)):
            if self._ended.is_set() or request.transport is None:
                break
            try:
                await response.write(whole[position : position + 1])
            except ConnectionError:
                break
            await asyncio.sleep(seconds)
        return response


def read_query(request: web.BaseRequest) -> dict[str, str]:
    """The query; of a name given more than once the first value counts, but of ``ports`` all, joined by commas."""
    ports = request.query.getall("ports", [])
    return dict(request.query) | ({"ports": ",".join(ports)} if ports else {})


def read_protocols(request: web.BaseRequest) -> tuple[str, ...] | None:
    """The protocols a request offers for its WebSocket; None when it wants none."""
    return _read_offer(request, "websocket", "Sec-WebSocket-Protocol")


def read_tunnels(request: web.BaseRequest) -> tuple[str, ...] | None:
    """The protocols a request offers for its SPDY connection; None when it wants none."""
    return _read_offer(request, "spdy/3.1", "X-Stream-Protocol-Version")


def _read_offer(request: web.BaseRequest, upgrade: str, name: str) -> tuple[str, ...] | None:
    upgrades = [item.strip().lower() for item in request.headers.get("Connection", "").split(",")]
    if "upgrade" not in upgrades or request.headers.get("Upgrade", "").strip().lower() != upgrade:
        return None
    offered = ",".join(request.headers.getall(name, ()))
    return tuple(item.strip() for item in offered.split(",") if item.strip())


def respond(reply: Reply) -> web.Response:
    """The reply as HTTP."""
    if isinstance(reply.body, str):
        return web.Response(status=reply.status, text=reply.body)
    return web.Response(status=reply.status, body=encode(reply), content_type="application/json")


def encode(reply: Reply) -> bytes:
    """The bytes of a reply's body."""
    return reply.body.encode() if isinstance(reply.body, str) else json.dumps(reply.body).encode()


def reset(request: web.BaseRequest) -> web.Response:
    """End the connection with a TCP reset; the response is for nobody."""
    transport = request.transport
    if transport is not None:
        peer: socket.socket | None = transport.get_extra_info("socket")
        if peer is not None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


def halve(whole: bytes) -> bytes:
    """The first half."""
    return whole[: len(whole) // 2]


def dripping(write: Write, seconds: float) -> Write:
    """A way to write that takes ``seconds`` for every byte."""

    async def drip(data: bytes) -> None:
        for position in range(len(data)):
            await write(data[position : position + 1])
            await asyncio.sleep(seconds)

    return drip


def discard(_: Outcome) -> None:
    """Nobody waits for this reply any more."""


def _refuse(fault: Answer) -> web.Response:
    details = {"retryAfterSeconds": fault.retry_after} if fault.retry_after is not None else None
    response = respond(Reply(fault.status, ApiError(fault.status, fault.message, details=details).to_status()))
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(fault.retry_after)
    return response
