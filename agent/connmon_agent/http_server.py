"""The smallest HTTP/1.1 server that a scraper, a kubelet, a browser and a person's curl need: one request a connection.

h11 reads the requests and writes the answers. What is read of others is bounded: the head's bytes and the body's, the
seconds for them and for the answer, the connections at a time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote, urlsplit

import h11

from .accepting import Server, make_listener, serve_streams
from .supervision import Tasks, cancel, supervise

LONGEST_HEAD = 8192  # bytes of a request
PATIENCE = 5.0  # seconds for a client to say what it wants, and again to take the answer
MOST_CONNECTIONS = 32  # at a time; Prometheus needs one

Fields = tuple[tuple[str, str], ...]

_PLAIN = "text/plain; charset=utf-8"
_FIELDS: Fields = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What was asked. ``query`` holds every value of each parameter, ``headers`` lower-case names.

    ``local`` is the address of this machine that the client has connected to; empty: not known.
    """

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    local: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """The answer. ``fields`` are sent besides those of every answer, and in the place of one of the same name."""

    status: HTTPStatus
    body: str | bytes
    type: str = _PLAIN
    fields: Fields = ()


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer without an end that is known: ``pieces`` are sent as they come, until the client closes.

    A client that takes none of them for ``PATIENCE`` while more are waiting is let go.
    """

    pieces: AsyncGenerator[bytes, None]
    type: str
    fields: Fields = ()


class Refusal(Exception):
    """A request that is answered with an error; the message says why, ``hint`` what to do (None: nothing).

    ``allow``: the methods that may be used instead (None: those that the server takes).
    """

    def __init__(
        self, status: HTTPStatus, message: str, *, hint: str | None = None, allow: tuple[str, ...] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.hint = hint
        self.allow = allow


Answer = Callable[[HttpRequest], Awaitable[Response | Streamed]]


def write_refusal(refusal: Refusal) -> Response:
    """A refusal as a line of text."""
    return Response(refusal.status, f"{refusal}\n")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a server takes. ``admits`` is given the Host header (empty: there is none) and the address connected to.

    ``longest_body`` is in bytes, ``slowest`` the seconds for an answer to be made, and again for the client to take it
    (None: PATIENCE).
    """

    admits: Callable[[str, str], bool] = lambda host, local: True
    methods: tuple[str, ...] = ("GET", "HEAD")
    most_connections: int = MOST_CONNECTIONS
    longest_body: int = 0
    slowest: float | None = None
    fields: Fields = _FIELDS  # of every answer
    write_refusal: Callable[[Refusal], Response] = write_refusal
    misdirected: str = "ask for this server by its IP address or as localhost"


def read_request(asked: h11.Request, methods: tuple[str, ...] = ("GET", "HEAD")) -> HttpRequest:
    """What is asked for, without the body. Raises Refusal."""
    try:
        target = urlsplit(asked.target.decode("ascii"))
        parameters = parse_qs(target.query, keep_blank_values=True, max_num_fields=32)
    except ValueError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "this is no HTTP request") from error
    if not asked.http_version.startswith(b"1."):
        raise Refusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 is spoken here")
    method = asked.method.decode("ascii")
    if method not in methods:
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"only {' and '.join(methods)} are answered")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in asked.headers}
    return HttpRequest(method, unquote(target.path), parameters, headers)


def name_in_host(host: str) -> str | None:
    """The name or address in a Host header, without port and brackets, in lower case; None: it is malformed."""
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        if not bracket or ":" not in name or not is_address(name) or (port and not _is_port(port)):
            return None  # brackets are for IPv6 addresses alone (RFC 3986, 3.2.2)
        return name.lower()
    name, colon, port = host.partition(":")
    return name.lower() if name and (not colon or _is_port(f":{port}")) else None


def _is_port(text: str) -> bool:
    return text.startswith(":") and (text[1:].isascii() and (text[1:].isdecimal() or not text[1:]))


def is_own_host(host: str) -> bool:
    """Whether a Host header names this machine in a way that no foreign web page can make a browser send.

    An IP address and ``localhost`` cannot be rebound to this machine by a name server of somebody else; names can.
    """
    if not host:
        return True
    name = name_in_host(host)
    return name is not None and (name == "localhost" or is_address(name))


def is_address(name: str) -> bool:
    """Whether ``name`` is an IP address."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


class HttpServer:
    """Answers on one address, by ``rules``. ``report`` is given what fails unforeseen; it costs one answer."""

    def __init__(
        self, answer: Answer, *, report: Callable[[BaseException], object], rules: Rules | None = None
    ) -> None:
        self._answer = answer
        self._rules = rules or Rules()
        self._report = report
        self._servers: list[Server] = []
        self._serving: Tasks = set()
        self.last_ended: float | None = None  # when a connection ended last, on the loop's clock; None: none has

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._serving)

    def listen(self, address: str, port: int) -> int:
        """Begin to serve; returns the port. Raises OSError."""
        return self.serve(_listen(address, port))

    def serve(self, listening: socket.socket) -> int:
        """Begin to serve those who connect to ``listening``, which is the server's from now on; returns its port."""
        server = serve_streams(listening, self._accept, limit=LONGEST_HEAD)
        self._servers.append(server)
        return server.port

    async def close(self) -> None:
        """Stop listening, and break off what is under way."""
        for server in self._servers:
            server.close()
        await cancel(self._serving)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._serving) >= 2 * self._rules.most_connections:  # not even a refusal is owed to that many
            writer.transport.abort()
            return
        task = supervise("answer a request", partial(self._serve, reader, writer), tasks=self._serving, again=False)
        task.add_done_callback(partial(self._end, writer))  # also where it was cancelled before it began

    def _end(self, writer: asyncio.StreamWriter, _: object) -> None:
        writer.transport.abort()
        self.last_ended = asyncio.get_running_loop().time()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._exchange(_Client(reader, writer, self._rules))
        except (OSError, TimeoutError, EOFError):
            pass  # a client that breaks off or keeps silent
        except Exception as error:
            self._report(error)

    async def _exchange(self, client: _Client) -> None:
        response: Response | Streamed
        try:
            if len(self._serving) > self._rules.most_connections:
                raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
            async with asyncio.timeout(PATIENCE):
                request = await client.read(self._admit)
            async with asyncio.timeout(self._rules.slowest or PATIENCE):
                response = await self._respond(request)
        except Refusal as refusal:
            response = self._refuse(refusal)
        if isinstance(response, Streamed):
            await client.stream(response)
        else:
            await client.finish(response)

    def _refuse(self, refusal: Refusal) -> Response:
        response = self._rules.write_refusal(refusal)
        if refusal.status != HTTPStatus.METHOD_NOT_ALLOWED:
            return response
        allow = ", ".join(refusal.allow or self._rules.methods)
        return replace(response, fields=(*response.fields, ("Allow", allow)))

    def _admit(self, asked: h11.Request, local: str) -> HttpRequest:
        """Raises Refusal."""
        host = next((value.decode("latin-1") for name, value in asked.headers if name == b"host"), "")
        if not self._rules.admits(host, local):
            raise Refusal(HTTPStatus.MISDIRECTED_REQUEST, self._rules.misdirected)
        return read_request(asked, self._rules.methods)

    async def _respond(self, request: HttpRequest) -> Response | Streamed:
        try:
            return await self._answer(request)
        except Refusal:
            raise
        except Exception as error:  # a mistake of ours costs this answer alone
            self._report(error)
            message = "internal error, see the agent's log"
            raise Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, message) from error


class _Client:
    """One connection: its request, and what is sent back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rules: Rules) -> None:
        self._reader, self._writer, self._rules = reader, writer, rules
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        self._with_body = True

    async def read(self, admit: Callable[[h11.Request, str], HttpRequest]) -> HttpRequest:
        """The request. Raises Refusal, and EOFError where the client closes before its request is complete."""
        asked = await self._next()
        assert isinstance(asked, h11.Request)
        self._with_body = asked.method != b"HEAD"
        name = self._writer.get_extra_info("sockname")
        local = str(name[0]) if isinstance(name, tuple) and name else ""
        request = admit(asked, local)
        body = await self._read_body() if request.method == "POST" else b""
        return HttpRequest(request.method, request.path, request.query, request.headers, body, local)

    async def _read_body(self) -> bytes:
        body = b""
        while isinstance(event := await self._next(), h11.Data):
            body += bytes(event.data)
            if len(body) > self._rules.longest_body:
                message = f"the body is longer than {self._rules.longest_body} bytes"
                raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
        return body

    async def _next(self) -> object:
        try:
            while (event := self._connection.next_event()) is h11.NEED_DATA:
                data = await self._reader.read(LONGEST_HEAD)
                if not data:
                    raise EOFError
                self._connection.receive_data(data)
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
                raise Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request is too large") from error
            raise Refusal(HTTPStatus.BAD_REQUEST, "this is no HTTP request") from error
        return event

    async def finish(self, response: Response) -> None:
        """Send the answer, and let the client go once it has it."""
        body = response.body.encode() if isinstance(response.body, str) else response.body
        fields: Fields = () if response.status == HTTPStatus.NOT_MODIFIED else (("Content-Type", response.type),)
        fields += (("Content-Length", str(len(body))),)
        head = self._head(response.status, fields, response.fields)
        written = self._connection.send(h11.Data(data=body if self._with_body else b""))
        self._writer.write(head + (written or b""))
        await self._end(self._rules.slowest or PATIENCE)

    async def stream(self, response: Streamed) -> None:
        """Send the pieces as they come, until there are no more or the client closes."""
        self._writer.write(self._head(HTTPStatus.OK, (("Content-Type", response.type),), response.fields))
        async with aclosing(response.pieces) as pieces:
            if self._with_body:
                await self._send_while_there(pieces)
        await self._end(PATIENCE)

    async def _send_while_there(self, pieces: AsyncGenerator[bytes, None]) -> None:
        parts: Tasks = set()
        sending = supervise("send a stream", partial(self._send, pieces), tasks=parts, again=False)
        leaving = supervise("await a client's end", self._hear_end, tasks=parts, again=False)
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(parts)

    async def _send(self, pieces: AsyncGenerator[bytes, None]) -> None:
        try:
            async for piece in pieces:
                self._writer.write(self._connection.send(h11.Data(data=piece)) or b"")
                async with asyncio.timeout(PATIENCE):
                    await self._writer.drain()
            self._writer.write(self._connection.send(h11.EndOfMessage()) or b"")
        except (OSError, TimeoutError):
            return  # it is gone, or takes nothing

    async def _end(self, patience: float) -> None:
        self._writer.write_eof()
        async with asyncio.timeout(patience):
            await self._writer.drain()
            # Closing while bytes are unread would reset the connection, and the client might lose the answer.
            await self._discard()

    def _head(self, status: HTTPStatus, fields: Fields, own: Fields) -> bytes:
        named = {name.lower() for name, _ in own}
        common = tuple(pair for pair in self._rules.fields if pair[0].lower() not in named)
        headers = [*fields, ("Connection", "close"), *common, *own]
        head = h11.Response(status_code=status.value, reason=status.phrase.encode(), headers=headers)
        return self._connection.send(head) or b""

    async def _hear_end(self) -> None:
        with suppress(OSError):
            await self._discard()

    async def _discard(self) -> None:
        """Read what the client still sends until it closes, but not without end."""
        left = 8 * LONGEST_HEAD
        while left > 0 and (read := await self._reader.read(LONGEST_HEAD)):
            left -= len(read)


def _listen(address: str, port: int) -> socket.socket:
    listener, endpoint = make_listener(address, port)
    try:
        listener.bind(endpoint)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener
