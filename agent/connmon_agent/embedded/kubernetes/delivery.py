"""Carries replies over HTTP, with or without a fault on the way."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable

from aiohttp import web

from .api import Reply
from .faults import Answer, Delay, Drip, Fault, Hang, Html, LateDelivery, Malformed, Reset
from .statuses import ApiError

Process = Callable[[], Reply]


class Delivery:
    """Answers requests; ``later`` does something after some seconds, ``ended`` is set when the server stops."""

    def __init__(self, later: Callable[[float, Callable[[], None]], None], ended: asyncio.Event) -> None:
        self._later = later
        self._ended = ended

    async def answer(self, request: web.BaseRequest, fault: Fault | None, process: Process) -> web.StreamResponse:
        """Process the request as the fault allows, and answer what the fault leaves of the answer."""
        match fault:
            case None:
                return respond(process())
            case Answer():
                return _refuse(fault)
            case Html():
                return web.Response(status=fault.status, text=fault.page, content_type="text/html")
            case Malformed():
                whole = encode(process())
                return web.Response(body=whole[: len(whole) // 2], content_type="application/json")
            case Delay():
                await asyncio.sleep(fault.seconds)
                return respond(process())
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
                self._later(fault.seconds, lambda: void(process()))
                return reset(request)

    async def _drip(self, request: web.BaseRequest, reply: Reply, seconds: float) -> web.StreamResponse:
        whole = encode(reply)
        response = web.StreamResponse(status=reply.status)
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


def void(_: Reply) -> None:
    """Nobody waits for this reply any more."""


def _refuse(fault: Answer) -> web.Response:
    details = {"retryAfterSeconds": fault.retry_after} if fault.retry_after is not None else None
    response = respond(Reply(fault.status, ApiError(fault.status, fault.message, details=details).to_status()))
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(fault.retry_after)
    return response
