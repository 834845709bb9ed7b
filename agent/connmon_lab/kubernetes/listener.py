"""The listening socket of the API, which can go away and come back on the same port."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable

from aiohttp import web

from connmon_agent.accepting import Server

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _Server(web.Server):
    """aiohttp's server, which can tell when the client of a request has gone."""

    def __init__(self, handler: Handler) -> None:
        super().__init__(handler, access_log=None)
        self._waiting: dict[web.RequestHandler, asyncio.Event] = {}

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        if waiting := self._waiting.pop(handler, None):
            waiting.set()

    async def gone(self, request: web.BaseRequest) -> None:
        """Return when the connection of the request is lost."""
        if request.transport is not None:
            await self._waiting.setdefault(request.protocol, asyncio.Event()).wait()


class Listener:
    """An HTTP server on one port of one address."""

    def __init__(self, handler: Handler, host: str, port: int) -> None:
        """``port`` 0: a free one is chosen at the first ``open``."""
        self._handler = handler
        self._host = host
        self._http: _Server | None = None
        self._server: Server | None = None
        self._guard: socket.socket | None = None
        self.port = port

    async def open(self) -> None:
        """Listen."""
        self._attach(self._bind())

    def reopen_soon(self) -> None:
        """Listen again from now on; connections are answered as soon as the loop turns."""
        if self._server is None:
            self._attach(self._bind())

    def close_now(self) -> None:
        """Refuse connections and drop those that are open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._http.connections if self._http else ()):
            if connection.transport is not None:
                connection.transport.abort()

    async def gone(self, request: web.BaseRequest) -> None:
        """Return when the client of the request has gone."""
        if self._http is not None:
            await self._http.gone(request)

    async def end(self) -> None:
        """Close for good and wait until every handler has ended."""
        self.close_now()
        self._let_port_go()
        if self._http is not None:
            await self._http.shutdown(timeout=0.1)

    def _bind(self) -> socket.socket:
        try:
            self._keep_port()
            listening = socket.create_server((self._host, self.port), backlog=512)
        except OSError:
            self._let_port_go()
            raise
        self.port = listening.getsockname()[1]
        return listening

    def _keep_port(self) -> None:
        """Let nobody else have the port while nobody listens on it.

        Linux allows a bound socket beside the listening one where both say SO_REUSEADDR, gives its port to no third
        one that asks for any, and refuses connections to it. Elsewhere the port is taken anew, and may be gone.
        """
        if sys.platform == "linux" and self._guard is None:
            self._guard = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._guard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._guard.bind((self._host, self.port))
            self.port = self._guard.getsockname()[1]

    def _let_port_go(self) -> None:
        if self._guard is not None:
            self._guard.close()
            self._guard = None

    def _attach(self, listening: socket.socket) -> None:
        self._http = self._http or _Server(self._handler)
        self._server = Server(listening, self._http)
