"""WebSockets, SPDY connections, watches and lists on the API server, from the event loop.

Each has a TCP connection of its own, made for it: one that a link took down with it while it was pooled would cost a
whole timeout, at the very moment when the link is back. Nothing but sockets and TLS is imported for it: aiohttp would
take 10 MiB, and 256 KiB more for each connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from ..connection_failures import explain_failure
from ..errors import ClusterError
from ..http1 import Head, HttpExchange, ask_for_tunnel
from ..kube.answers import Answer, read_answer
from ..kube.backoffs import Backoff
from ..kube.calls import Calls
from ..kube.client import OF_THE_SERVER, USER_AGENT
from ..kube.kubeconfig import Access, refuse
from ..kube.limits import MAX_BODY, MAX_EVENT, check_values, too_long
from ..kube.proxies import choose_proxy
from ..kube.requests import ApiRequest, Json, get
from ..kube.tls import blame_certificate, build_context, explain_tls
from ..proxy_rules import Proxy
from ..staggered import connect_host
from .downloads import HEAD, Download
from .spdy_connections import SpdyConnection
from .spdy_connections import upgrade_fields as spdy_fields
from .websockets import ApiSocket, upgrade_fields
from .wires import Buffers, Wire

WITHOUT_SPDY = 300.0  # seconds for which a server that did not take SPDY is not asked again
PROOF = 1.0  # seconds for the first SPDY connection to answer
FRESH = 1.0  # seconds for which nobody asks whether the kubeconfig has changed
_NOT_UPGRADED = (405, 426, 501)  # statuses of a server, or a proxy, that does not know what is asked of it
_UPGRADE_REQUIRED = b"pgrade request required"  # the API server, where a proxy took the wish out of the request

_T = TypeVar("_T")


@dataclass(slots=True)
class _Endpoint:
    """How to reach the API server by one access. ``session``: the last TLS session, which spares the next its
    certificates; None: there was none.
    """

    access: Access
    context: ssl.SSLContext | None  # None: it speaks no TLS
    proxy: Proxy | None
    session: ssl.SSLSession | None = None
    verified_address: str | None = None

    @property
    def server(self) -> SplitResult:
        return urlsplit(self.access.server)

    @property
    def headers(self) -> dict[str, str]:
        common = {"User-Agent": USER_AGENT}
        return {**common, "Authorization": self.access.authorization} if self.access.authorization else common


class _NoSpdy(Exception):
    """The server does not take SPDY."""


class ApiStreams:
    """The streams of one Kubernetes API.

    ``temp_dir`` is a folder of our own, as for the client; ``connect_timeout`` (seconds) bounds name, TCP, TLS and the
    server's first answer together; ``environment`` is where proxies are named (None: the process').
    """

    def __init__(
        self,
        calls: Calls,
        *,
        temp_dir: Path,
        connect_timeout: float = 3.0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._calls = calls
        self._temp_dir = temp_dir
        self._environment = os.environ if environment is None else environment
        self._buffers = Buffers()
        self._lock = asyncio.Lock()
        self._endpoint: _Endpoint | None = None
        self._fresh_until = 0.0
        self._without_spdy: dict[str, float] = {}  # until when, by the server's address
        self._speaks_spdy: set[str] = set()  # addresses of servers that have answered in it
        self._backoff = Backoff(now=asyncio.get_running_loop().time)
        self.connect_timeout = connect_timeout

    async def connect(self, target: str, *, protocol: str, timeout: float | None = None) -> ApiSocket:
        """A WebSocket to ``target`` (path and query) that speaks ``protocol``, within ``timeout`` seconds (None: the
        connect timeout). Raises ClusterError; the kind of a refusal is that of its status.
        """
        limit = self.connect_timeout if timeout is None else min(timeout, self.connect_timeout)
        return await self._try(lambda endpoint: self._upgrade(endpoint, target, protocol, limit))

    async def tunnel(self, target: str, *, protocol: str, timeout: float) -> SpdyConnection | None:
        """A SPDY connection to ``target`` (a path) for ``protocol``, within ``timeout`` seconds. None: the server, or a
        proxy on the way, does not take it. Raises ClusterError; the kind of a refusal is that of its status.
        """
        now = asyncio.get_running_loop().time

        async def ask(endpoint: _Endpoint) -> SpdyConnection | None:
            if self._without_spdy.get(endpoint.access.server, 0.0) > now():
                return None
            self._without_spdy.pop(endpoint.access.server, None)
            return await self._upgrade_to_spdy(endpoint, target, protocol, min(timeout, self.connect_timeout))

        return await self._try(ask)

    @property
    def verified_address(self) -> str | None:
        """The IP address at which the API server was last reached, where that is certainly its own: TLS has verified
        it, or it is on this machine. None: nothing is certain, or a proxy is in between.
        """
        return None if self._endpoint is None else self._endpoint.verified_address

    def do_without_spdy(self) -> None:
        """A WebSocket was opened where SPDY was not taken: ask this server for no more SPDY for a while."""
        if self._endpoint is not None:
            until = asyncio.get_running_loop().time() + WITHOUT_SPDY
            self._without_spdy.setdefault(self._endpoint.access.server, until)

    async def fetch(self, request: ApiRequest, *, timeout: float) -> Json:
        """The object in the answer, complete within ``timeout`` seconds. Raises ClusterError."""

        async def ask(endpoint: _Endpoint) -> Json:
            async with self._ask(endpoint, request) as (head, download):
                body = await _in_time(_read_all(download, endpoint.access.server), timeout, endpoint.access.server)
            return _read(endpoint, request, head, body)

        return await self._try(ask)

    async def watch(self, request: ApiRequest, *, quiet: float) -> AsyncGenerator[Json, None]:
        """The events of a watch, until the server ends it. Close the iterator when it is left early.

        Raises ClusterError, too when nothing comes for ``quiet`` seconds: a half-open connection keeps silent for ever.
        """
        with self._attempt():
            endpoint = await self._ready()
            async with self._ask(endpoint, request) as (head, download):
                server = endpoint.access.server
                if head.status != 200:
                    body = await _in_time(_read_all(download, server), self.connect_timeout, server)
                    _read(endpoint, request, head, body)
                self._backoff.succeed()
                async for event in _read_events(download, quiet, server):
                    yield event

    @contextlib.contextmanager
    def _attempt(self) -> Iterator[None]:
        """Within, the server is asked for something. Raises the last ClusterError where that is too early; what is
        raised within counts as a failure of the server where it is one.
        """
        self._backoff.admit()
        try:
            yield
        except ClusterError as broken:
            certificate = None if self._endpoint is None else self._endpoint.access.certificate
            error = blame_certificate(broken, certificate, time.time())
            if error.kind in OF_THE_SERVER:
                self._backoff.fail(error)
            elif error.kind != "server-error":
                self._backoff.succeed()
            if error is not broken:
                raise error from broken
            raise

    async def _try(self, attempt: Callable[[_Endpoint], Awaitable[_T]]) -> _T:
        """``attempt`` once, and again where the server refused credentials that have changed since."""
        with self._attempt():
            result = await self._try_twice(attempt)
            self._backoff.succeed()
            return result

    async def _try_twice(self, attempt: Callable[[_Endpoint], Awaitable[_T]]) -> _T:
        endpoint = await self._ready()
        try:
            return await attempt(endpoint)
        except ClusterError as error:
            if error.kind not in ("unauthorized", "credentials"):
                raise
            renewed = await self._ready(refused=endpoint.access)
            if renewed is endpoint:
                raise
        return await attempt(renewed)

    async def _ready(self, *, refused: Access | None = None) -> _Endpoint:
        now = asyncio.get_running_loop().time
        async with self._lock:
            if self._endpoint is not None and refused is None and now() < self._fresh_until:
                return self._endpoint
            access = await self._calls.access(refused=refused)
            if self._endpoint is None or self._endpoint.access != access:
                tls = access.server.startswith("https:")
                context = await asyncio.to_thread(build_context, access, self._temp_dir) if tls else None
                self._endpoint = _Endpoint(access, context, choose_proxy(access, self._environment))
            self._fresh_until = now() + FRESH
            return self._endpoint

    async def _upgrade(self, endpoint: _Endpoint, target: str, protocol: str, timeout: float) -> ApiSocket:
        server, path = endpoint.access.server, endpoint.server.path.rstrip("/") + target
        exchange = _prepare(endpoint, "GET", path, upgrade_fields(endpoint.server.netloc, protocol, endpoint.headers))
        async with self._asking(endpoint, exchange, timeout) as (wire, head, download):
            if head.status != 101:
                body = await _read_all(download, server)
                if head.status == 400 and _UPGRADE_REQUIRED in body:
                    raise _explain_lost_upgrade(server)
                _read(endpoint, get(target.partition("?")[0], None), head, body)
            if head.status != 101 or head.fields.get("sec-websocket-protocol") != protocol:
                raise ClusterError("protocol", f"{server} does not speak {protocol}", delivered=False)
            return ApiSocket(wire, server, download.detach())

    async def _upgrade_to_spdy(
        self, endpoint: _Endpoint, target: str, protocol: str, timeout: float
    ) -> SpdyConnection | None:
        server, path = endpoint.access.server, endpoint.server.path.rstrip("/") + target
        exchange = _prepare(endpoint, "POST", path, spdy_fields(endpoint.server.netloc, protocol, endpoint.headers))
        try:
            async with self._asking(endpoint, exchange, timeout) as (wire, head, download):
                if head.status == 101:
                    if not _takes_spdy(head, protocol):
                        raise _NoSpdy
                    return await self._prove(SpdyConnection(wire, server, download.detach()), server, timeout)
                body = await _read_all(download, server)
                if not _is_answer(head, body):
                    raise _NoSpdy
                _read(endpoint, get(target, None), head, body)
                raise _NoSpdy
        except _NoSpdy:
            return None

    async def _prove(self, connection: SpdyConnection, server: str, timeout: float) -> SpdyConnection:
        """Some proxies agree to SPDY and then hang up or keep silent, so the first connection has to answer a ping.

        Raises _NoSpdy.
        """
        if server not in self._speaks_spdy:
            if not await connection.ping(min(timeout / 2, PROOF)):
                raise _NoSpdy
            self._speaks_spdy.add(server)
        return connection

    @contextlib.asynccontextmanager
    async def _asking(
        self, endpoint: _Endpoint, exchange: HttpExchange, timeout: float
    ) -> AsyncIterator[tuple[Wire, Head, Download]]:
        """A wire of its own and the head of the answer to ``exchange``, within ``timeout`` seconds. Where the block
        fails the wire is closed. Raises ClusterError.
        """
        wire = Wire(self._buffers)
        try:
            async with asyncio.timeout(timeout):
                head, download = await self._open(endpoint, wire, exchange)
                yield wire, head, download
        except BaseException as error:
            wire.abort()
            await wire.closed()
            if isinstance(error, OSError):
                raise _explain(error, endpoint.access.server) from error
            raise

    @contextlib.asynccontextmanager
    async def _ask(self, endpoint: _Endpoint, request: ApiRequest) -> AsyncIterator[tuple[Head, Download]]:
        """The answer to ``request``, for as long as the block runs."""
        fields = {
            "Host": endpoint.server.netloc,
            "Accept": "application/json",
            "Connection": "close",
            **endpoint.headers,
        }
        exchange = _prepare(endpoint, "GET", f"{endpoint.server.path.rstrip('/')}{request.target}", fields)
        wire = Wire(self._buffers)
        try:
            yield await _in_time(self._open(endpoint, wire, exchange), self.connect_timeout, endpoint.access.server)
        finally:
            wire.abort()
            await wire.closed()

    async def _open(self, endpoint: _Endpoint, wire: Wire, exchange: HttpExchange) -> tuple[Head, Download]:
        """Connect, ask, and return the head of the answer. Raises what it meets."""
        first = (endpoint.server.hostname or "", _port_of(endpoint.server))
        connected = await connect_host(
            *((endpoint.proxy.host, endpoint.proxy.port) if endpoint.proxy is not None else first)
        )
        try:
            await asyncio.get_running_loop().create_connection(lambda: wire, sock=connected)
        except BaseException:
            connected.close()
            raise
        if endpoint.proxy is not None:
            await _pass_proxy(wire, endpoint.proxy, endpoint.server)
        if endpoint.context is not None:
            await wire.secure(
                endpoint.context, endpoint.access.server_name or endpoint.server.hostname or "", endpoint.session
            )
        download = Download(wire, endpoint.access.server, exchange)
        head = await download.ask()
        endpoint.session = wire.session or endpoint.session
        endpoint.verified_address = _verify(endpoint, wire.peer)
        return head, download


async def _pass_proxy(wire: Wire, proxy: Proxy, server: SplitResult) -> None:
    """Ask an HTTP proxy for a tunnel to ``server``. Raises ClusterError."""
    if proxy.scheme != "http":
        raise refuse(f"the proxy {proxy} uses {proxy.scheme}, which streams do not support", "Use an http proxy")
    host, port = server.hostname or "", _port_of(server)
    exchange = ask_for_tunnel(host, port, proxy.authorization, user_agent=USER_AGENT, limit=HEAD)
    download = Download(wire, f"the proxy {proxy}", exchange)
    head = await download.ask()
    if not 200 <= head.status < 300:
        raise ClusterError("unreachable", f"the proxy {proxy} returned {head.status}", hint="Correct HTTPS_PROXY")
    if download.detach():  # a server that speaks TLS, or HTTP, does not speak first
        raise ClusterError("protocol", f"the proxy {proxy} sent more than its answer", hint="Correct HTTPS_PROXY")


def _prepare(endpoint: _Endpoint, method: str, target: str, fields: Mapping[str, str]) -> HttpExchange:
    """Raises ClusterError (credentials) where the kubeconfig's values are none that HTTP can carry."""
    try:
        return HttpExchange(method, target, fields.items(), limit=HEAD)
    except ValueError as error:
        words = f"{endpoint.access.server} cannot be sent a request: {error}"
        raise refuse(words, "Correct the server or the token in the kubeconfig") from error


def _verify(endpoint: _Endpoint, peer: str | None) -> str | None:
    if peer is None or endpoint.proxy is not None:
        return None
    verified = endpoint.context is not None and endpoint.access.verify
    return peer if verified or ipaddress.ip_address(peer).is_loopback else None


def _explain_lost_upgrade(server: str) -> ClusterError:
    message = f"a proxy in front of {server} removes the header Upgrade, which port-forwards need"
    return ClusterError(
        "protocol", message, delivered=False, hint="Configure the proxy to pass it on, or set transport: direct"
    )


def _takes_spdy(head: Head, protocol: str) -> bool:
    chosen = head.fields.get("x-stream-protocol-version", protocol)
    return head.fields.get("upgrade", "").lower() == "spdy/3.1" and chosen == protocol


def _is_answer(head: Head, body: bytes) -> bool:
    """Whether the API server itself answered, and knew what it was asked for. A proxy speaks of itself, in HTML."""
    if head.status in _NOT_UPGRADED or (head.status == 400 and _UPGRADE_REQUIRED in body):
        return False
    return _is_json(head)


def _is_json(head: Head) -> bool:
    return head.fields.get("content-type", "").startswith("application/json")


def _port_of(url: SplitResult) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _read(endpoint: _Endpoint, request: ApiRequest, head: Head, body: bytes) -> Json:
    answer = Answer(head.status, head.fields, body)
    try:
        return read_answer(answer, request, server=endpoint.access.server)
    except ClusterError as error:
        if head.status < 500 or _is_json(head):
            raise
        # A proxy or load balancer, which does not reach the API server.
        raise ClusterError("unreachable", error.message, retry_after=error.retry_after, hint=error.hint) from error


async def _read_all(download: Download, server: str) -> bytes:
    body = bytearray()
    while piece := await download.read():
        body += piece
        if len(body) > MAX_BODY:
            raise too_long(f"{server} sent an answer", MAX_BODY)
    return bytes(body)


async def _in_time(reading: Awaitable[_T], timeout: float, server: str) -> _T:
    try:
        async with asyncio.timeout(timeout):
            return await reading
    except OSError as error:
        raise _explain(error, server) from error


async def _read_events(download: Download, quiet: float, server: str) -> AsyncGenerator[Json, None]:
    """The events of a watch, until the server ends it in order."""
    begun = bytearray()
    while data := await _in_time(download.read(), quiet, server):
        *lines, rest = data.split(b"\n")
        for line in lines:
            begun += line
            yield _parse_event(bytes(begun), server)
            begun.clear()
        begun += rest
        if len(begun) > MAX_EVENT:
            raise too_long(f"{server} sent an event", MAX_EVENT)


def _parse_event(line: bytes, server: str) -> Json:
    check_values(line, server)
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ClusterError("protocol", f"{server} sent an event that is not JSON") from error
    if not isinstance(event, dict):
        raise ClusterError("protocol", f"{server} sent an event that is not an object")
    return event


def _explain(error: OSError, server: str) -> ClusterError:
    """What went wrong, in words, and in the terms of ``client`` where that meets it, too."""
    if isinstance(error, TimeoutError):
        return ClusterError("timeout", f"{server} did not answer in time", delivered=False)
    if isinstance(error, ssl.SSLError):
        kind, words, hint = explain_tls(error)
        return ClusterError(kind, f"{server} {words}", hint=hint)
    words = explain_failure(error).words
    return ClusterError("unreachable", f"{server} cannot be reached: {words}", delivered=False)
