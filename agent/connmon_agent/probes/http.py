"""A GET of http or https, answered with exactly what was agreed: RFC 9112, as much of it as a probe needs.

aiohttp would do the same for 12 MB of memory more, in an agent that is idle nearly all of its life.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from ..core.sightings import Failure
from ..settings import HttpTarget
from .costs import count_connection
from .failures import ProbeFailure, WrongAnswer, explain_error
from .lookups import encode_host
from .network import Network
from .proxies import Proxy, choose_proxy

HEAD_LIMIT = 16 * 1024  # bytes of status line and fields, interim answers included
BODY_LIMIT = 64 * 1024  # bytes

_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([1-9][0-9]{2})(?: .*)?")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_WITHOUT_BODY = (204, 304)
_LOGIN_REQUIRED, _NO_CONTENT = 511, 204
_WITHOUT_PAGE = (204, 205)
_FOR_THE_MOMENT = (302, 303, 307)  # RFC 9110, section 15.4
# What a proxy says that cannot get through, or wants to be asked differently: RFC 9110, sections 15.6.3 to 15.6.5.
_NO_WAY_ON, _UNAUTHORIZED = (502, 503, 504), 407


@dataclass(frozen=True, slots=True)
class Request:
    """Where to connect, and the bytes to send there.

    ``tunnel`` is what a proxy is sent before them (None: nothing).
    """

    host: str
    port: int
    secure: bool
    text: bytes
    tunnel: bytes | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Status and fields of an answer; the fields' names in lower case, values of the same name joined by commas."""

    status: int
    fields: dict[bytes, bytes]


async def probe_http(target: HttpTarget, network: Network) -> None:
    """GET ``target.url`` over a fresh connection and compare the answer. Raises ProbeFailure and OSError."""
    async with _asked(target.url, network, proxy=target.proxy, family=target.family, abroad=True) as (reader, proxied):
        await check_response(reader, target, proxied=proxied)


async def get_head(url: str, network: Network) -> Head:
    """Status and fields of what a GET of ``url`` is answered with. Raises ProbeFailure and OSError.

    The environment's proxy is used where it names one; its own refusals are failures, as in a probe.
    """
    async with _asked(url, network) as (reader, proxied):
        with _wording_breaks():
            head = await _read_final_head(reader)
        if proxied and (head.status == _UNAUTHORIZED or head.status in _NO_WAY_ON):
            raise WrongAnswer(f"the proxy answered HTTP {head.status}", _judge_proxy(head.status, Failure.REFUSED))
        return head


@asynccontextmanager
async def _asked(
    url: str, network: Network, *, proxy: str | None = None, family: str | None = None, abroad: bool = False
) -> AsyncIterator[tuple[asyncio.StreamReader, bool]]:
    """Where the answer to a GET of ``url`` can be read, and whether a proxy may answer in its place.

    ``abroad``: its host is to be on the internet, so that this machine is not meant.
    """
    request = build_request(url)
    way = choose_proxy(proxy, request.host, request.port, network.environment, secure=request.secure)
    if way is None:
        sock = await network.connect(request.host, request.port, family, abroad=abroad)
    else:
        network.proxy = str(way)
        request = build_request(url, way)
        sock = await network.connect(way.host, way.port, family)
    with naming_this_machine(network):
        async with _open_stream(sock, request, network) as (reader, writer):
            if request.tunnel is not None:
                await _open_tunnel(reader, writer, request, network)
            writer.write(request.text)
            yield reader, way is not None and not request.secure


@contextmanager
def naming_this_machine(network: Network) -> Iterator[None]:
    """What this very machine answers, because a name leads to it, is never a portal's."""
    try:
        yield
    except (WrongAnswer, ssl.SSLError) as error:
        if network.own is None:
            raise
        reason = error.reason if isinstance(error, WrongAnswer) else explain_error(error)
        told = f"{reason}: by this machine, as the name resolves to {network.own}"
        raise WrongAnswer(told, Failure.DECLINED) from None


@asynccontextmanager
async def _open_stream(
    sock: socket.socket, request: Request, network: Network
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
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request, network: Network
) -> None:
    """Let the proxy connect, then speak TLS with who is behind it. Raises WrongAnswer and OSError."""
    writer.write(request.tunnel or b"")
    with _wording_breaks():
        head = await _read_final_head(reader)
    if not 200 <= head.status < 300:
        raise WrongAnswer(f"the proxy answered HTTP {head.status}", _judge_proxy(head.status, Failure.REFUSED))
    await writer.start_tls(await network.load_trust(), server_hostname=request.host)


def _judge_proxy(status: int, otherwise: Failure) -> Failure:
    if status in _NO_WAY_ON:
        return Failure.UNREACHABLE
    return Failure.REFUSED if status == _UNAUTHORIZED else otherwise


def build_request(url: str, proxy: Proxy | None = None) -> Request:
    """The request for ``url``, to its host or to ``proxy``. Raises ProbeFailure where it is no http or https URL."""
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
    secure, authorization, tunnel = parts.scheme == "https", "", None
    if proxy is not None and proxy.authorization is not None:
        authorization = f"Proxy-Authorization: {proxy.authorization}\r\n"
    if proxy is not None and secure:
        tunnel = _build_connect(name, port or _DEFAULT_PORTS["https"], authorization)
    elif proxy is not None:
        path = f"http://{place}{path}"
    query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?") if parts.query else ""
    text = (
        f"GET {path}{query} HTTP/1.1\r\nHost: {place}\r\nUser-Agent: connmon-agent\r\n"
        "Accept: */*\r\nAccept-Encoding: identity\r\nCache-Control: no-cache\r\n"
        f"{'' if secure else authorization}Connection: close\r\n\r\n"
    )
    return Request(name, port or _DEFAULT_PORTS[parts.scheme], secure, text.encode("ascii"), tunnel)


def _build_connect(host: str, port: int, authorization: str) -> bytes:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    text = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\nUser-Agent: connmon-agent\r\n{authorization}\r\n"
    return text.encode("ascii")


async def check_response(reader: asyncio.StreamReader, target: HttpTarget, *, proxied: bool = False) -> None:
    """Read the answer as far as ``target`` asks and compare. ``proxied``: a proxy may answer in the target's place.

    Raises WrongAnswer, and OSError of the connection.
    """
    with _wording_breaks():
        head = await _read_final_head(reader)
        if head.status != target.status:
            failure = judge_status(head, target)
            reason = f"answered HTTP {head.status}, expected {target.status}"
            raise WrongAnswer(reason, _judge_proxy(head.status, failure) if proxied else failure)
        if target.body is not None:
            _compare_body(await _read_body(reader, head), target.body.encode())


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
        goal = urlsplit(head.fields.get(b"location", b"").decode("ascii", errors="replace"))
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


@contextmanager
def _wording_breaks() -> Iterator[None]:
    try:
        yield
    except asyncio.IncompleteReadError:
        raise WrongAnswer("hung up before the answer was complete", Failure.REFUSED) from None
    except asyncio.LimitOverrunError:
        raise _malformed(f"the answer has a line longer than {HEAD_LIMIT // 1024} KiB") from None


def _compare_body(body: bytes, expected: bytes) -> None:
    if body != expected:
        shown = ascii(body[:40].decode(errors="replace")) + ("..." if len(body) > 40 else "")
        raise WrongAnswer(f"answered another text than expected: {shown}")


async def _read_final_head(reader: asyncio.StreamReader) -> Head:
    room = HEAD_LIMIT
    while True:
        head, used = await _read_head(reader, room)
        room -= used
        if head.status >= 200 or head.status == 101:
            return head


async def _read_head(reader: asyncio.StreamReader, room: int) -> tuple[Head, int]:
    """The next head, at most ``room`` bytes of it, and how many it had."""
    line = await reader.readuntil(b"\n")
    match = _STATUS_LINE.fullmatch(_strip_line(line))
    if match is None:
        raise _malformed("the answer is not HTTP")
    fields: dict[bytes, bytes] = {}
    used = len(line)
    while used <= room:
        line = await reader.readuntil(b"\n")
        used += len(line)
        text = _strip_line(line)
        if not text:
            return Head(int(match[1]), fields), used
        if not text.startswith((b" ", b"\t")):  # an obsolete continuation, never of a field that matters here
            _add_field(fields, text)
    raise _malformed(f"the answer's head is longer than {HEAD_LIMIT // 1024} KiB")


def _add_field(fields: dict[bytes, bytes], line: bytes) -> None:
    name, colon, value = line.partition(b":")
    if not colon or not name or name != name.strip():
        raise _malformed("the answer is malformed HTTP")
    name, value = name.lower(), value.strip()
    fields[name] = fields[name] + b"," + value if name in fields else value


def _strip_line(line: bytes) -> bytes:
    # A bare line feed ends a line too: RFC 9112, section 2.2.
    return line[:-1].removesuffix(b"\r")


async def _read_body(reader: asyncio.StreamReader, head: Head) -> bytes:
    """The body, framed as RFC 9112, section 6.3, says."""
    if head.status in _WITHOUT_BODY:
        return b""
    encoding = head.fields.get(b"transfer-encoding")
    if encoding is not None:
        if encoding.lower() != b"chunked":
            raise _malformed("the answer comes in a transfer coding that was not asked for")
        return await _read_chunks(reader)
    if b"content-length" in head.fields:
        return await _read_exactly(reader, _parse_length(head.fields[b"content-length"]), b"")
    return await _read_to_end(reader)


def _parse_length(field: bytes) -> int:
    lengths = {part.strip() for part in field.split(b",")}
    length = lengths.pop()
    if lengths or not length.isdigit() or len(length) > 18:
        raise _malformed("the answer is malformed HTTP")
    return int(length)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        match = _CHUNK_SIZE.fullmatch(_strip_line(await reader.readuntil(b"\n")))
        if match is None:
            raise _malformed("the answer is malformed HTTP")
        size = int(match[1], 16)
        if size == 0:
            return body
        body = await _read_exactly(reader, size, body)
        if _strip_line(await reader.readuntil(b"\n")):
            raise _malformed("the answer is malformed HTTP")


async def _read_exactly(reader: asyncio.StreamReader, count: int, body: bytes) -> bytes:
    if len(body) + count > BODY_LIMIT:
        raise _oversized()
    return body + await reader.readexactly(count)


async def _read_to_end(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while part := await reader.read(BODY_LIMIT + 1 - len(body)):
        body += part
        if len(body) > BODY_LIMIT:
            raise _oversized()
    return body


def _malformed(reason: str) -> WrongAnswer:
    """A browser could show nobody such an answer, so that no portal gives it: the server is in trouble."""
    return WrongAnswer(reason, Failure.DECLINED)


def _oversized() -> WrongAnswer:
    return WrongAnswer(f"the answer is longer than {BODY_LIMIT // 1024} KiB")
