"""The smallest server that Prometheus, a kubelet and a person's curl need: GET and HEAD, one request a connection.

h11 reads the requests and writes the answers. What is read of others is bounded: the head's bytes, the seconds for it
and for the answer, the connections at a time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote, urlsplit

import h11

from ..accepting import Server, make_listener, serve_streams
from ..supervision import Tasks, cancel, supervise

LONGEST_HEAD = 8192  # bytes of a request
PATIENCE = 5.0  # seconds for a client to say what it wants, and again to take the answer
MOST_CONNECTIONS = 32  # at a time; Prometheus needs one

_PLAIN = "text/plain; charset=utf-8"
_FIELDS = (("Connection", "close"), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What was asked. ``query`` holds every value of each parameter, ``headers`` lower-case names."""

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """The answer."""

    status: HTTPStatus
    body: str
    type: str = _PLAIN


class Refusal(Exception):
    """A request that is answered with an error; the message says why."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


Answer = Callable[[HttpRequest], Awaitable[Response]]


def read_request(asked: h11.Request) -> HttpRequest:
    """What is asked for. Raises Refusal."""
    try:
        target = urlsplit(asked.target.decode("ascii"))
        parameters = parse_qs(target.query, keep_blank_values=True, max_num_fields=32)
    except ValueError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "this is no HTTP request") from error
    if not asked.http_version.startswith(b"1."):
        raise Refusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 is spoken here")
    method = asked.method.decode("ascii")
    if method not in ("GET", "HEAD"):
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are answered")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in asked.headers}
    return HttpRequest(method, unquote(target.path), parameters, headers)


def is_own_host(host: str) -> bool:
    """Whether a Host header names this machine in a way that no foreign web page can make a browser send.

    An IP address and ``localhost`` cannot be rebound to this machine by a name server of somebody else; names can.
    """
    name = host.rsplit(":", 1)[0] if not host.endswith("]") and host.count(":") != 0 else host
    if name.lower() == "localhost" or not host:
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


class HttpServer:
    """Answers on one address. ``own_host_only``: a request for another host's name is refused.

    ``report`` is given what fails unforeseen; it costs one answer.
    """

    def __init__(self, answer: Answer, *, own_host_only: bool, report: Callable[[BaseException], object]) -> None:
        self._answer = answer
        self._own_host_only = own_host_only
        self._report = report
        self._server: Server | None = None
        self._serving: Tasks = set()

    def listen(self, address: str, port: int) -> int:
        """Begin to serve; returns the port. Raises OSError."""
        self._server = serve_streams(_listen(address, port), self._accept, limit=LONGEST_HEAD)
        return self._server.port

    async def close(self) -> None:
        """Stop listening, and break off what is under way."""
        if self._server is not None:
            self._server.close()
        await cancel(self._serving)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._serving) >= 2 * MOST_CONNECTIONS:  # not even a refusal is owed to that many
            writer.transport.abort()
            return
        task = supervise("answer a request", partial(self._serve, reader, writer), tasks=self._serving, again=False)
        task.add_done_callback(lambda _: writer.transport.abort())  # also where it was cancelled before it began

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(3 * PATIENCE):
                await self._exchange(reader, writer)
        except (OSError, TimeoutError, EOFError):
            pass  # a client that breaks off or keeps silent
        except Exception as error:
            self._report(error)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        asked: h11.Request | None = None
        try:
            if len(self._serving) > MOST_CONNECTIONS:
                raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
            async with asyncio.timeout(PATIENCE):
                asked = await _read_head(reader, connection)
            response = await self._respond(self._admit(asked))
        except Refusal as refusal:
            response = Response(refusal.status, f"{refusal}\n")
        writer.write(_write(response, connection, with_body=asked is None or asked.method != b"HEAD"))
        writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            await writer.drain()
            # Closing while bytes are unread would reset the connection, and the client might lose the answer.
            await _discard(reader)

    def _admit(self, asked: h11.Request) -> HttpRequest:
        """Raises Refusal."""
        request = read_request(asked)
        if self._own_host_only and not is_own_host(request.headers.get("host", "")):
            raise Refusal(HTTPStatus.MISDIRECTED_REQUEST, "ask for this server by its IP address or as localhost")
        return request

    async def _respond(self, request: HttpRequest) -> Response:
        try:
            return await self._answer(request)
        except Exception as error:  # a mistake of ours costs this answer alone
            self._report(error)
            return Response(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error, see the agent's log\n")


async def _read_head(reader: asyncio.StreamReader, connection: h11.Connection) -> h11.Request:
    """Raises Refusal, and EOFError where the client closes before its request is complete."""
    try:
        while (event := connection.next_event()) is h11.NEED_DATA:
            data = await reader.read(LONGEST_HEAD)
            if not data:
                raise EOFError
            connection.receive_data(data)
    except h11.RemoteProtocolError as error:
        if error.error_status_hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            raise Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request is too large") from error
        raise Refusal(HTTPStatus.BAD_REQUEST, "this is no HTTP request") from error
    assert isinstance(event, h11.Request)
    return event


def _write(response: Response, connection: h11.Connection, *, with_body: bool) -> bytes:
    body = response.body.encode()
    fields = [("Content-Type", response.type), ("Content-Length", str(len(body)))]
    if response.status == HTTPStatus.METHOD_NOT_ALLOWED:
        fields.append(("Allow", "GET, HEAD"))
    reason = response.status.phrase.encode()
    head = h11.Response(status_code=response.status.value, reason=reason, headers=[*fields, *_FIELDS])
    written = connection.send(head), connection.send(h11.Data(data=body if with_body else b""))
    return b"".join(part for part in written if part)


async def _discard(reader: asyncio.StreamReader) -> None:
    """Read what the client still sends until it closes, but not without end."""
    left = 8 * LONGEST_HEAD
    while left > 0 and (read := await reader.read(LONGEST_HEAD)):
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
