"""A GET of http or https, answered with exactly what was agreed.

h11 reads the answers; aiohttp would for 12 MB of memory more, in an agent that is idle nearly all of its life.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from ..core.observations import Failure
from ..http1 import HEAD_LIMIT, BadAnswer, Flaw, Head, HttpExchange, ask_for_tunnel
from ..proxy_rules import Proxy
from ..settings import HttpTarget
from .costs import count_connection
from .failures import ProbeFailure, WrongAnswer, explain_error
from .lookups import encode_host
from .network import Network
from .proxies import choose_proxy

BODY_LIMIT = 64 * 1024  # bytes

_USER_AGENT = "connmon-agent"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_WITHOUT_BODY = (204, 304)
_LOGIN_REQUIRED, _NO_CONTENT = 511, 204
_WITHOUT_PAGE = (204, 205)
_FOR_THE_MOMENT = (302, 303, 307)  # RFC 9110, section 15.4
# What a proxy says that cannot get through, or wants to be asked differently: RFC 9110, sections 15.6.3 to 15.6.5.
_NO_WAY_ON, _UNAUTHORIZED = (502, 503, 504), 407


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """Where to connect, and what to ask there. ``tunnel`` is what a proxy is asked before (None: nothing)."""

    host: str
    port: int
    secure: bool
    exchange: HttpExchange
    tunnel: HttpExchange | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """What is sent to a URL. ``fields`` are added to those that the request itself needs."""

    method: str = "GET"
    fields: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, the body as far as ``BODY_LIMIT``. ``proxied``: a proxy may have answered in a server's place."""

    head: Head
    body: bytes
    proxied: bool


async def probe_http(target: HttpTarget, network: Network) -> None:
    """GET ``target.url`` over a fresh connection and compare the answer. Raises ProbeFailure and OSError."""
    async with _asked(target.url, network, proxy=target.proxy, family=target.family, abroad=True) as (answer, proxied):
        await check_response(*answer, target, proxied=proxied)


async def get_head(url: str, network: Network) -> Head:
    """Status and fields of what a GET of ``url`` is answered with. Raises ProbeFailure and OSError.

    The environment's proxy is used where it names one; its own refusals are failures, as in a probe.
    """
    async with _asked(url, network) as (answer, proxied):
        head = await _read_head(*answer)
        if proxied and (head.status == _UNAUTHORIZED or head.status in _NO_WAY_ON):
            raise WrongAnswer(f"the proxy answered HTTP {head.status}", _judge_proxy(head.status, Failure.REFUSED))
        return head


async def send_request(url: str, network: Network, sending: Sending, *, proxy: str | None = None) -> Answer:
    """The answer to ``sending``, whatever its status. ``proxy`` as in ``HttpTarget``; no redirect is followed.

    Raises ProbeFailure and OSError.
    """
    async with _asked(url, network, proxy=proxy, sending=sending) as ((reader, exchange), proxied):
        head = await _read_head(reader, exchange)
        return Answer(head, await _read_beginning(reader, exchange), proxied)


@asynccontextmanager
async def _asked(
    url: str,
    network: Network,
    *,
    proxy: str | None = None,
    family: str | None = None,
    abroad: bool = False,
    sending: Sending | None = None,
) -> AsyncIterator[tuple[tuple[asyncio.StreamReader, HttpExchange], bool]]:
    """Where the answer to ``sending`` (None: a GET) can be read, and whether a proxy may answer in its place.

    ``abroad``: its host is to be on the internet, so that this machine is not meant.
    """
    request = build_request(url, sending=sending)
    way = choose_proxy(proxy, request.host, request.port, network.environment, secure=request.secure)
    if way is None:
        sock = await network.connect(request.host, request.port, family, abroad=abroad)
    else:
        network.proxy = str(way)
        request = build_request(url, way, sending=sending)
        sock = await network.connect(way.host, way.port, family)
    with naming_this_machine(network):
        async with _open_stream(sock, request, network) as (reader, writer):
            if request.tunnel is not None:
                await _open_tunnel(reader, writer, request, network)
            writer.write(request.exchange.request)
            yield (reader, request.exchange), way is not None and not request.secure


@contextmanager
def naming_this_machine(network: Network) -> Iterator[None]:
    """What this very machine answers, because a name leads to it, is never a portal's."""
    try:
        yield
    except (WrongAnswer, ssl.SSLError) as error:
        if network.own is None:
            raise
        reason = error.reason if isinstance(error, WrongAnswer) else explain_error(error)
        told = f"{reason}, sent by this machine: the name resolves to {network.own}"
        raise WrongAnswer(told, Failure.DECLINED) from None


@asynccontextmanager
async def _open_stream(
    sock: socket.socket, request: ProbeRequest, network: Network
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    secure = request.secure and request.tunnel is None
    try:
        reader, writer = await asyncio.open_connection(
            sock=sock,
            limit=HEAD_LIMIT,
            ssl=await network.load_trust() if secure else None,
            server_hostname=request.host if secure else None,
        )
    except BaseException:
        sock.close()
        raise
    try:
        yield reader, writer
    finally:
        network.bytes += count_connection(sock)
        # Closing in good order would wait for the other side, beyond the deadline.
        writer.transport.abort()


async def _open_tunnel(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: ProbeRequest, network: Network
) -> None:
    """Let the proxy connect, then speak TLS with who is behind it. Raises WrongAnswer and OSError."""
    assert request.tunnel is not None
    writer.write(request.tunnel.request)
    head = await _read_head(reader, request.tunnel)
    if not 200 <= head.status < 300:
        raise WrongAnswer(f"the proxy answered HTTP {head.status}", _judge_proxy(head.status, Failure.REFUSED))
    if request.tunnel.rest:  # a server that speaks TLS does not speak first
        raise _word_flaw(BadAnswer(Flaw.MALFORMED))
    await writer.start_tls(await network.load_trust(), server_hostname=request.host)


def _judge_proxy(status: int, otherwise: Failure) -> Failure:
    if status in _NO_WAY_ON:
        return Failure.UNREACHABLE
    return Failure.REFUSED if status == _UNAUTHORIZED else otherwise


def build_request(url: str, proxy: Proxy | None = None, *, sending: Sending | None = None) -> ProbeRequest:
    """The request for ``url``, to its host or to ``proxy``; ``sending`` None: a GET.

    Raises ProbeFailure where it is no http or https URL.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ProbeFailure(f'"{url}" is not a URL: {error}') from None
    if not host or parts.scheme not in _DEFAULT_PORTS:
        raise ProbeFailure(f'"{url}" is not an http or https URL')
    name = encode_host(host).decode("ascii")
    place = f"[{name}]" if ":" in name else name
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        place += f":{port}"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    secure, authorization, tunnel = parts.scheme == "https", None, None
    if proxy is not None and secure:
        tunnel = ask_for_tunnel(
            name, port or _DEFAULT_PORTS["https"], proxy.authorization, user_agent=_USER_AGENT, limit=HEAD_LIMIT
        )
    elif proxy is not None:
        path, authorization = f"http://{place}{path}", proxy.authorization
    query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?") if parts.query else ""
    fields = {
        "Host": place,
        "User-Agent": _USER_AGENT,
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Cache-Control": "no-cache",
        **({} if authorization is None else {"Proxy-Authorization": authorization}),
        "Connection": "close",
    }
    sending = sending or Sending()
    if sending.body:
        fields["Content-Length"] = str(len(sending.body))
    try:
        exchange = HttpExchange(
            sending.method, f"{path}{query}", [*fields.items(), *sending.fields.items()], sending.body
        )
    except ValueError:
        raise ProbeFailure(f'"{url}" is not a URL that can be asked for') from None
    return ProbeRequest(name, port or _DEFAULT_PORTS[parts.scheme], secure, exchange, tunnel)


async def check_response(
    reader: asyncio.StreamReader, exchange: HttpExchange, target: HttpTarget, *, proxied: bool = False
) -> None:
    """Read the answer as far as ``target`` asks and compare. ``proxied``: a proxy may answer in the target's place.

    Raises WrongAnswer, and OSError of the connection.
    """
    head = await _read_head(reader, exchange)
    if head.status != target.status:
        failure = judge_status(head, target)
        reason = f"answered HTTP {head.status}, expected {target.status}"
        raise WrongAnswer(reason, _judge_proxy(head.status, failure) if proxied else failure)
    if target.body is not None:
        _compare_body(await _read_body(reader, exchange, head), target.body.encode())


def judge_status(head: Head, target: HttpTarget) -> Failure:
    """What an unexpected status says: ``WRONG`` where a portal answers so, ``DECLINED`` where a web server itself does.

    A portal sends a page of its own (a success), to another host, or 511 (RFC 6585, section 6). Everything else is the
    server's own: a page that has moved within its site, a refusal, a limit, an error, a success without a page.
    """
    if 300 <= head.status < 400:
        return Failure.WRONG if _leads_away(head, target) else Failure.DECLINED
    page = 200 <= head.status < 300 and head.status not in _WITHOUT_PAGE
    return Failure.WRONG if page or head.status == _LOGIN_REQUIRED else Failure.DECLINED


def _leads_away(head: Head, target: HttpTarget) -> bool:
    """Whether a redirection names another host; with "www." or without, it is the same.

    A portal may also bear the very name or address that was asked. An address that is made for such checks has no other
    page, so that a portal is who sends there for the moment.
    """
    try:
        goal = urlsplit(head.fields.get("location", ""))
    except ValueError:
        return False
    asked, made_for_checks = urlsplit(target.url), target.status == _NO_CONTENT or target.body is not None
    if goal.hostname is None:
        return False
    if goal.hostname not in _names_of(asked.hostname or ""):
        return True
    return made_for_checks and head.status in _FOR_THE_MOMENT and (goal.path or "/") != (asked.path or "/")


def _names_of(host: str) -> tuple[str, str]:
    bare = host.removeprefix("www.")
    return bare, f"www.{bare}"


def _compare_body(body: bytes, expected: bytes) -> None:
    if body != expected:
        shown = ascii(body[:40].decode(errors="replace")) + ("..." if len(body) > 40 else "")
        raise WrongAnswer(f"answered with unexpected text: {shown}")


async def _read_head(reader: asyncio.StreamReader, exchange: HttpExchange) -> Head:
    try:
        while (head := exchange.read_head()) is None:
            exchange.feed(await reader.read(HEAD_LIMIT))
    except BadAnswer as bad:
        raise _word_flaw(bad) from None
    return head


async def _read_body(reader: asyncio.StreamReader, exchange: HttpExchange, head: Head) -> bytes:
    length = head.fields.get("content-length", "0")
    if head.status not in _WITHOUT_BODY and "transfer-encoding" not in head.fields and int(length) > BODY_LIMIT:
        raise _oversized()
    body = b""
    try:
        while (piece := exchange.read_body()) != b"":
            if piece is None:
                exchange.feed(await reader.read(HEAD_LIMIT))
                continue
            body += piece
            if len(body) > BODY_LIMIT:
                raise _oversized()
    except BadAnswer as bad:
        raise _word_flaw(bad) from None
    return body


async def _read_beginning(reader: asyncio.StreamReader, exchange: HttpExchange) -> bytes:
    """The body, or as much of it as ``BODY_LIMIT``: what is sent needs no more of the answer than that."""
    body = b""
    try:
        while len(body) < BODY_LIMIT and (piece := exchange.read_body()) != b"":
            if piece is None:
                exchange.feed(await reader.read(HEAD_LIMIT))
            else:
                body += piece
    except BadAnswer:
        return body
    return body[:BODY_LIMIT]


def _word_flaw(bad: BadAnswer) -> WrongAnswer:
    """A browser could show nobody such an answer, so that no portal gives it: the server is in trouble."""
    if bad.flaw is Flaw.CUT:
        return WrongAnswer(str(bad.flaw), Failure.REFUSED)
    if bad.flaw is Flaw.LONG_HEAD:
        return WrongAnswer(f"the answer's head is longer than {HEAD_LIMIT // 1024} KiB", Failure.DECLINED)
    return WrongAnswer(str(bad.flaw), Failure.DECLINED)


def _oversized() -> WrongAnswer:
    return WrongAnswer(f"the answer is longer than {BODY_LIMIT // 1024} KiB")
