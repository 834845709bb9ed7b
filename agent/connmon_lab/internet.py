"""An internet that fits on the loopback interface and breaks on request: for the demo, and for tests of real probes.

It answers a TCP connection, HTTP 204 at /generate_204 and DNS over UDP, each on a free port of 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import partial

from connmon_agent.accepting import Handler, Server, serve_streams
from connmon_agent.loading.defaults import dns_target, http_target, tcp_target
from connmon_agent.settings import Target
from connmon_agent.supervision import Tasks, cancel, supervise

HOST = "127.0.0.1"
QUERY = "example.com"
FULL_WITHIN = 10.0  # seconds; connecting to oneself takes microseconds

_NEIGHBOURS = sys.platform != "win32"  # whether two sockets of ours may be bound to the same port
_SO_CONDITIONAL_ACCEPT = 0x3002  # winsock2.h; Python has no name for it

_LIFE = b"\x00\x01\x00\x00\x00\x05"  # class and time to live: 5 s
# The records of any name, by type: A and AAAA.
_RECORDS = {
    b"\x00\x01": b"\xc0\x0c\x00\x01" + _LIFE + b"\x00\x04" + bytes((192, 0, 2, 1)),
    b"\x00\x1c": b"\xc0\x0c\x00\x1c" + _LIFE + b"\x00\x10\x20\x01\x0d\xb8" + bytes(11) + b"\x01",
}
_NO_CONTENT = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_TO_THE_PORTAL = (
    b"HTTP/1.1 302 Found\r\nLocation: http://portal.invalid/login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)
_LOGIN_PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\nConnection: close\r\n\r\n<h1>Log in</h1>\r\n"


class Cut(StrEnum):
    """The ways in which the internet breaks."""

    DROP = "drop"  # a black hole: nothing answers, nothing refuses
    REFUSE = "refuse"  # every port is closed, and says so at once
    PORTAL = "portal"  # a captive portal answers HTTP, with a redirection to its login page
    PORTAL_PAGE = "portal-page"  # a captive portal answers HTTP, with its login page and 200
    DNS_DEAD = "dns-dead"  # no answer to DNS queries; the rest works
    DNS_FAILING = "dns-failing"  # the name server answers SERVFAIL to every query; the rest works


_PORTALS = {Cut.PORTAL: _TO_THE_PORTAL, Cut.PORTAL_PAGE: _LOGIN_PAGE}


class LoopbackInternet:
    """The breakable internet. Its ports are its own from ``start`` to ``stop``, whatever is cut meanwhile.

    Cutting also breaks the connections that are open, as a real cut would, sooner or later.
    """

    def __init__(self) -> None:
        self._tcp = _TcpPort(_accept)
        self._http = _TcpPort(self._answer_request)
        self._dns = _UdpPort(self._answer_query)
        self._cut: Cut | None = None

    @property
    def broken(self) -> Cut | None:
        """How it is cut at present; None: it works."""
        return self._cut

    async def start(self) -> None:
        """Take three free ports and serve on them."""
        for port in self._ports:
            port.reserve()
        await self.restore()

    async def stop(self) -> None:
        """Hang up and give the ports back."""
        for port in self._ports:
            await port.close()
            port.release()

    async def cut(self, mode: Cut) -> None:
        """Break it in this way, instead of any other."""
        self._cut = mode
        await self._apply()

    async def restore(self) -> None:
        """Mend it, on the same ports."""
        self._cut = None
        await self._apply()

    def targets(self) -> tuple[Target, ...]:
        """One target of each kind it answers."""
        tcp, http, dns = (port.number for port in self._ports)
        return (
            tcp_target(HOST, tcp),
            dns_target(HOST, QUERY, dns),
            http_target(f"http://{HOST}:{http}/generate_204", 204),
        )

    @property
    def _ports(self) -> tuple[_TcpPort, _TcpPort, _UdpPort]:
        return self._tcp, self._http, self._dns

    async def _apply(self) -> None:
        for port in self._ports:
            await port.close()
            if self._cut is Cut.DROP:
                port.swallow()
            elif self._cut is Cut.REFUSE:
                port.refuse()
            else:
                await port.serve()

    async def _answer_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if self._cut in _PORTALS:
            writer.write(_PORTALS[self._cut])
        else:
            writer.write(_NO_CONTENT if request.startswith(b"GET /generate_204 ") else _NOT_FOUND)
        await writer.drain()

    def _answer_query(self, query: bytes) -> bytes | None:
        if self._cut is Cut.DNS_DEAD:
            return None
        answer = answer_query(query)
        return _fail(answer) if answer is not None and self._cut is Cut.DNS_FAILING else answer


def answer_query(query: bytes) -> bytes | None:
    """The answer of a name server that knows two addresses for every name, one of IPv4 and one of IPv6; None for what
    is no query.
    """
    end = query.find(b"\0", 12) + 5
    if end < 17 or len(query) < end:
        return None
    record = _RECORDS.get(query[end - 4 : end - 2], b"")
    counts = b"\x00\x01" + (b"\x00\x01" if record else b"\x00\x00") + bytes(4)
    return query[:2] + b"\x81\x80" + counts + query[12:end] + record


def _fail(answer: bytes) -> bytes:
    """The answer as SERVFAIL, without its record."""
    end = answer.find(b"\0", 12) + 5
    return answer[:2] + b"\x81\x82\x00\x01" + bytes(6) + answer[12:end]


async def _accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


class _Port:
    """A port of 127.0.0.1 that stays ours while nothing serves on it.

    The guard is bound beside whoever serves (SO_REUSEPORT) and never serves itself: it keeps the number. Windows has no
    such neighbours that could be relied on: there the guard is bound while nobody else is, and steps aside for him.
    """

    kind: socket.SocketKind

    def __init__(self) -> None:
        self.number = 0
        self._guard: socket.socket | None = None
        self._sockets: list[socket.socket] = []  # those that serve or swallow at present

    def reserve(self) -> None:
        self._guard = self._bind()
        self.number = self._guard.getsockname()[1]

    def release(self) -> None:
        if self._guard is not None:
            self._guard.close()
            self._guard = None

    async def close(self) -> None:
        while self._sockets:
            self._sockets.pop().close()

    def _take(self) -> socket.socket:
        """A socket that serves or swallows instead of the one before."""
        if not _NEIGHBOURS:
            self.release()
        return self._bind()

    def _bind(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, self.kind)
        sock.setblocking(False)
        if sys.platform != "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((HOST, self.number))
        return sock


class _TcpPort(_Port):
    kind = socket.SOCK_STREAM

    def __init__(self, handle: Handler) -> None:
        super().__init__()
        self._handle = handle
        self._server: Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def serve(self) -> None:
        listener = self._take()
        listener.listen()
        self._server = serve_streams(listener, self._hold_connection)

    def refuse(self) -> None:
        """Keep the port, on which nobody listens."""
        if self._guard is None:
            self.reserve()

    def swallow(self) -> None:
        """Leave connections without an answer: the queue of a listener that accepts nobody is full with our own, and
        Linux then drops every further SYN. Windows would refuse it, and leaves a SYN without an answer until a listener
        on its condition has accepted.
        """
        listener = self._take()
        self._sockets.append(listener)
        if _accept_on_condition(listener):
            listener.listen()
            return
        listener.listen(0)
        for _ in range(2):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((HOST, self.number))
            self._sockets.append(filler)
        select.select([listener], [], [], FULL_WITHIN)

    async def close(self) -> None:
        await super().close()
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.transport.abort()

    async def _hold_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            # A client that breaks off is its own affair.
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self._handle(reader, writer)
        finally:
            self._connections.discard(writer)
            writer.close()


class _UdpPort(_Port):
    kind = socket.SOCK_DGRAM

    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        super().__init__()
        self._answer = answer
        self._tasks: Tasks = set()

    def reserve(self) -> None:
        super().reserve()
        if self._guard is not None and _NEIGHBOURS:
            # Connected to itself, the guard gets nobody's datagrams, and the kernel reports a closed port.
            self._guard.connect((HOST, self.number))

    async def serve(self) -> None:
        sock = self._take()
        self._sockets.append(sock)
        supervise("answer DNS queries", partial(self._answer_datagrams, sock), tasks=self._tasks)

    def refuse(self) -> None:
        """Let nothing receive. On Windows the port is not ours meanwhile: whoever is bound to it receives."""
        if not _NEIGHBOURS:
            self.release()

    def swallow(self) -> None:
        """Leave queries without an answer: nobody reads what the socket receives."""
        self._sockets.append(self._take())

    async def close(self) -> None:
        await cancel(self._tasks)  # only then has the loop let the socket go
        await super().close()

    async def _answer_datagrams(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(OSError):  # a client that has gone already
                query, client = await loop.sock_recvfrom(sock, 512)
                answer = self._answer(query)
                if answer is not None:
                    await loop.sock_sendto(sock, answer, client)


def _accept_on_condition(listener: socket.socket) -> bool:
    """Whether the listener leaves those that connect without an answer until they are accepted; only Windows can."""
    if sys.platform != "win32":
        return False
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_CONDITIONAL_ACCEPT, 1)
    except OSError:
        return False
    return True
