"""The only door to aiohttp on the client's side: WebSockets, watches and lists on the API server, from the event loop.

Each has a TCP connection of its own, made for it: one that a link took down with it while it was pooled would cost a
whole timeout, at the very moment when the link is back. Importing this module costs 10 MiB, so only what leads local
ports to pods does it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

import aiohttp
from yarl import URL

from ..errors import ClusterError
from .answers import Answer, read_answer
from .calls import Calls
from .client import MAX_BODY, USER_AGENT, is_loopback, list_socket_options
from .kubeconfig import Access, refuse
from .requests import Json, Request
from .tls import build_context

FRESH = 1.0  # seconds for which nobody asks whether the kubeconfig has changed
FAREWELL = 1.0  # seconds for the server to answer our closing
CLOSED_IN_ORDER = 1000  # RFC 6455, 7.4.1

_STATUS_KINDS = {400: "invalid", 401: "unauthorized", 403: "forbidden", 404: "not-found", 429: "throttled"}
_T = TypeVar("_T")


@dataclass(eq=False, slots=True)
class _Way:
    """aiohttp's client for one access. It outlives its successor until the last of its ``users`` is gone."""

    access: Access
    session: aiohttp.ClientSession
    proxy: str | None
    users: int = 0
    retired: bool = False

    def url(self, target: str) -> URL:
        return URL(self.access.server + target, encoded=True)

    def options(self) -> dict[str, Any]:
        return {"proxy": self.proxy, "server_hostname": self.access.server_name}

    async def leave(self) -> None:
        """One user less."""
        self.users -= 1
        if self.retired and self.users == 0:
            await self.session.close()


class ApiSocket:
    """One WebSocket. Reading is for one task at a time, and so is writing."""

    def __init__(self, way: _Way, inner: aiohttp.ClientWebSocketResponse) -> None:
        self._way = way
        self._inner = inner
        self._pong: asyncio.Future[None] | None = None
        self._left = False

    async def receive(self) -> bytes:
        """The next message; empty where the server closed in order. Raises ClusterError (unreachable) where the
        connection broke.
        """
        while True:
            message = await self._inner.receive()
            if message.type is aiohttp.WSMsgType.BINARY and message.data:
                return bytes(message.data) if type(message.data) is not bytes else message.data
            if message.type is aiohttp.WSMsgType.PONG:
                self._note_pong()
            elif message.type is aiohttp.WSMsgType.CLOSE and message.data == CLOSED_IN_ORDER:
                return b""
            elif message.type in _ENDS:
                raise self._broken(message)
            # A ping stays unanswered: the kubelet's library ends the connection at a pong that it has not asked for.

    async def send(self, message: bytes | bytearray | memoryview) -> None:
        """Send one message, and wait while the connection takes no more. What ``message`` shows may change after that.

        Raises ClusterError (unreachable).
        """
        try:
            await self._inner.send_bytes(message)  # type: ignore[arg-type]  # it takes every sort of bytes
        except (aiohttp.ClientError, OSError) as error:
            raise self._lost(error) from error

    async def ping(self, timeout: float) -> bool:
        """Whether the server answers within ``timeout`` seconds; somebody must be in ``receive`` meanwhile."""
        pong = self._pong = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout):
                await self._inner.ping()
                await pong
        except (aiohttp.ClientError, OSError):  # TimeoutError is an OSError
            return False
        finally:
            self._pong = None
        return True

    async def close(self) -> None:
        """Say farewell and let go of the connection; a second time does nothing."""
        if not self._left:
            self._left = True
            with contextlib.suppress(aiohttp.ClientError, OSError):
                await self._inner.close()
            await self._way.leave()

    async def abort(self) -> None:
        """Let go of the connection without a farewell, which a dead one would keep waiting for."""
        connected = self._inner.get_extra_info("socket")
        if connected is not None:
            with contextlib.suppress(OSError):  # it is closed already
                connected.shutdown(socket.SHUT_RDWR)
        await self.close()

    def _note_pong(self) -> None:
        if self._pong is not None and not self._pong.done():
            self._pong.set_result(None)

    def _broken(self, message: aiohttp.WSMessage) -> ClusterError:
        if message.type is aiohttp.WSMsgType.CLOSE:
            why = f"closed the stream with code {message.data}" + (f" ({message.extra})" if message.extra else "")
            return ClusterError("unreachable", f"{self._way.access.server} {why}")
        return self._lost(message.data if isinstance(message.data, BaseException) else None)

    def _lost(self, error: BaseException | None) -> ClusterError:
        why = f": {error}" if error is not None and str(error) else ""
        return ClusterError("unreachable", f"{self._way.access.server} broke the connection off{why}")


_ENDS = (
    aiohttp.WSMsgType.CLOSE,
    aiohttp.WSMsgType.CLOSED,
    aiohttp.WSMsgType.CLOSING,
    aiohttp.WSMsgType.ERROR,
    aiohttp.WSMsgType.TEXT,
)


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
        self._environment = environment
        self._lock = asyncio.Lock()
        self._way: _Way | None = None
        self._fresh_until = 0.0
        self.connect_timeout = connect_timeout

    async def connect(self, target: str, *, protocol: str, timeout: float | None = None) -> ApiSocket:
        """A WebSocket to ``target`` (path and query) that speaks ``protocol``, within ``timeout`` seconds (None: the
        connect timeout). Raises ClusterError; the kind of a refusal is that of its status.
        """
        limit = self.connect_timeout if timeout is None else min(timeout, self.connect_timeout)
        return await self._try(lambda way: self._upgrade(way, target, protocol, limit))

    async def fetch(self, request: Request, *, timeout: float) -> Json:
        """The object in the answer, complete within ``timeout`` seconds. Raises ClusterError."""

        async def ask(way: _Way) -> Json:
            async with self._ask(way, request) as response:
                body = await _in_time(response.content.read(MAX_BODY), timeout, way.access.server)
                while not response.content.at_eof():
                    body += await _in_time(response.content.read(MAX_BODY), timeout, way.access.server)
                    if len(body) > MAX_BODY:
                        raise ClusterError("protocol", f"{way.access.server} answered with more than {MAX_BODY} bytes")
            return self._read(way, request, response, body)

        return await self._try(ask)

    async def watch(self, request: Request, *, quiet: float) -> AsyncGenerator[Json, None]:
        """The events of a watch, until the server ends it. Close the iterator when it is left early.

        Raises ClusterError, too when nothing comes for ``quiet`` seconds: a half-open connection keeps silent for ever.
        """
        way = await self._ready()
        async with self._ask(way, request) as response:
            rest = b""
            while data := await _in_time(response.content.readany(), quiet, way.access.server):
                *lines, rest = (rest + data).split(b"\n")
                if len(rest) > MAX_BODY:
                    raise ClusterError("protocol", f"{way.access.server} sent an event of more than {MAX_BODY} bytes")
                for line in lines:
                    yield _parse_event(line, way.access.server)

    async def close(self) -> None:
        """End every connection."""
        async with self._lock:
            way, self._way = self._way, None
        if way is not None:
            await way.session.close()

    async def _try(self, attempt: Callable[[_Way], Awaitable[_T]]) -> _T:
        """``attempt`` once, and again where the server refused credentials that have changed since."""
        way = await self._ready()
        try:
            return await attempt(way)
        except ClusterError as error:
            if error.kind not in ("unauthorized", "credentials"):
                raise
            renewed = await self._ready(refused=way.access)
            if renewed is way:
                raise
        return await attempt(renewed)

    async def _ready(self, *, refused: Access | None = None) -> _Way:
        now = asyncio.get_running_loop().time
        async with self._lock:
            if self._way is not None and refused is None and now() < self._fresh_until:
                return self._way
            access = await self._calls.access(refused=refused)
            if self._way is None or self._way.access != access:
                await self._replace(access)
            self._fresh_until = now() + FRESH
            assert self._way is not None
            return self._way

    async def _replace(self, access: Access) -> None:
        context = await asyncio.to_thread(build_context, access, self._temp_dir) if _is_tls(access) else None
        old, self._way = self._way, self._open(access, context)
        if old is not None:
            old.retired = True
            old.users += 1
            await old.leave()

    def _open(self, access: Access, context: ssl.SSLContext | None) -> _Way:
        connector = aiohttp.TCPConnector(force_close=True, limit=0, ssl=context if context is not None else True)
        headers = {"User-Agent": USER_AGENT}
        if access.authorization:
            headers["Authorization"] = access.authorization
        session = aiohttp.ClientSession(
            connector=connector,
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.connect_timeout),
        )
        return _Way(access, session, choose_proxy(access, self._environment))

    async def _upgrade(self, way: _Way, target: str, protocol: str, timeout: float) -> ApiSocket:
        farewell = aiohttp.ClientWSTimeout(ws_close=FAREWELL)
        way.users += 1
        try:
            async with asyncio.timeout(timeout):
                inner = await way.session.ws_connect(
                    way.url(target), protocols=(protocol,), timeout=farewell, autoping=False, **way.options()
                )
            opened = ApiSocket(way, inner)
        except BaseException as error:
            await way.leave()
            if isinstance(error, _FAILURES):
                raise _explain(error, way.access.server, timeout=timeout) from error
            raise
        _set_options(inner.get_extra_info("socket"))
        if inner.protocol != protocol:
            await opened.close()
            raise ClusterError("protocol", f"{way.access.server} does not speak {protocol}")
        return opened

    @contextlib.asynccontextmanager
    async def _ask(self, way: _Way, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to ``request``, refused where it is no success, for as long as the block runs."""
        way.users += 1
        try:
            async with asyncio.timeout(self.connect_timeout):
                response = await way.session.get(way.url(request.target), allow_redirects=False, **way.options())
        except _FAILURES as error:
            await way.leave()
            raise _explain(error, way.access.server, timeout=self.connect_timeout) from error
        except BaseException:
            await way.leave()
            raise
        try:
            if response.connection is not None and response.connection.transport is not None:
                _set_options(response.connection.transport.get_extra_info("socket"))
            if response.status != 200:
                body = await _in_time(response.content.read(MAX_BODY), self.connect_timeout, way.access.server)
                self._read(way, request, response, body)
            yield response
        finally:
            response.close()
            await way.leave()

    def _read(self, way: _Way, request: Request, response: aiohttp.ClientResponse, body: bytes) -> Json:
        headers = {name.lower(): value for name, value in response.headers.items()}
        answer = Answer(response.status, headers, body)
        return read_answer(answer, request, server=way.access.server, now=time.time())


def choose_proxy(access: Access, environment: Mapping[str, str] | None = None) -> str | None:
    """The proxy on the way to the API server: the kubeconfig's, else the environment's; to this very machine only the
    former, as kubectl does. None: there is none.
    """
    if access.proxy or is_loopback(access.server):
        return access.proxy
    named = getproxies_environment() if environment is None else _read_proxies(environment)
    parts = urlsplit(access.server)
    if proxy_bypass_environment(parts.hostname or "", named):  # in no stub
        return None
    return named.get(parts.scheme) or named.get("all")


def _read_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name.lower().removesuffix("_proxy"): value
        for name, value in environment.items()
        if name.lower().endswith("_proxy") and value
    }


def _is_tls(access: Access) -> bool:
    return access.server.startswith("https:")


def _set_options(connected: socket.socket | None) -> None:
    if connected is not None:
        with contextlib.suppress(OSError):  # it broke just now, which reading tells
            for option in list_socket_options():
                connected.setsockopt(*option)


async def _in_time(reading: Awaitable[_T], timeout: float, server: str) -> _T:
    try:
        async with asyncio.timeout(timeout):
            return await reading
    except _FAILURES as error:
        raise _explain(error, server, timeout=timeout) from error


def _parse_event(line: bytes, server: str) -> Json:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ClusterError("protocol", f"{server} sent an event that is not JSON") from error
    if not isinstance(event, dict):
        raise ClusterError("protocol", f"{server} sent an event that is no object")
    return event


_FAILURES = (aiohttp.ClientError, OSError, ValueError)  # a proxy or URL that cannot be used is a ValueError


def _explain(error: BaseException, server: str, *, timeout: float) -> ClusterError:
    """What went wrong, in words; in the terms of ``client`` where that meets it, too."""
    if isinstance(error, aiohttp.WSServerHandshakeError):
        kind = _STATUS_KINDS.get(error.status, "server-error" if error.status >= 500 else "protocol")
        return ClusterError(kind, f"{server} refused the stream with {error.status}", delivered=False)
    if isinstance(error, TimeoutError):
        return ClusterError("timeout", f"{server} did not answer within {timeout:g} s", delivered=False)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        hint = "Renew the kubeconfig: its certificate authority is not the cluster's, or the clock is wrong"
        return ClusterError("credentials", f"{server} is not trusted: {error.certificate_error}", hint=hint)
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return ClusterError("protocol", f"{server} does not speak TLS: {error.os_error}")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return ClusterError("unreachable", f"{server} cannot be reached: its name cannot be resolved", delivered=False)
    if isinstance(error, aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError | aiohttp.InvalidURL):
        return refuse(f"the proxy on the way to {server} cannot be used: {error}", "Correct HTTPS_PROXY")
    if isinstance(error, aiohttp.ClientConnectorError):
        why = error.os_error.strerror or str(error.os_error)
        return ClusterError("unreachable", f"{server} cannot be reached: {why}", delivered=False)
    if isinstance(error, aiohttp.ClientResponseError):
        return ClusterError("protocol", f"{server} sent what is no HTTP answer: {error.message}")
    if isinstance(error, OSError | aiohttp.ClientConnectionError | aiohttp.ClientPayloadError):
        return ClusterError("unreachable", f"{server} broke the connection off: {error}")
    return ClusterError("protocol", f"{server} cannot be asked: {error}")
