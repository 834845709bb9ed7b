"""The server: what it answers, and that nobody can hold it up or make it read without end."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.virtual_time import run_unhurried

from connmon_agent import http_server as http
from connmon_agent.http_server import HttpRequest, HttpServer, Response, Rules, is_own_host

Ask = Callable[[bytes], Awaitable[bytes]]

LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)  # closing resets


async def echo(request: HttpRequest) -> Response:
    if request.path == "/broken":
        raise ValueError("a mistake")
    return Response(HTTPStatus.OK, f"{request.path} {dict(request.query)}")


def serve(story: Callable[[Ask, int], Awaitable[None]], *, own_host_only: bool = False) -> list[BaseException]:
    """Run ``story`` beside a server on loopback; returns what failed in it."""
    errors: list[BaseException] = []

    async def live() -> None:
        rules = Rules(admits=lambda host, local: is_own_host(host)) if own_host_only else Rules()
        server = HttpServer(echo, report=errors.append, rules=rules)
        port = server.listen("127.0.0.1", 0)

        async def ask(sent: bytes) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer

        try:
            await story(ask, port)
        finally:
            await server.close()

    run_unhurried(live())
    return errors


def get(path: str, host: str = "127.0.0.1", method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def test_a_get_is_answered_and_a_head_without_the_body() -> None:
    async def story(ask: Ask, port: int) -> None:
        head, _, body = (await ask(get("/metrics?verbose&exclude=a&exclude=b"))).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n") and f"Content-Length: {len(body)}".encode() in head
        assert body == b"/metrics {'verbose': [''], 'exclude': ['a', 'b']}"
        head, _, body = (await ask(get("/metrics", method="HEAD"))).partition(b"\r\n\r\n")
        assert (head.split(b"\r\n")[0], body) == (b"HTTP/1.1 200 OK", b"")

    assert serve(story) == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (get("/", method="POST"), 405),
        (get("/", method="DELETE"), 405),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\r\n\r\n", 400),  # TLS is not spoken here
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", 400),
        (b"GET http://[/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # RFC 9112, section 3.2: a Host is due
        (b"GET /?" + b"&".join(b"a=1" for _ in range(99)) + b" HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * (3 * http.LONGEST_HEAD) + b"\r\n\r\n", 431),
        (get("/broken"), 500),
    ],
)
def test_what_cannot_be_answered_is_refused_with_its_reason(sent: bytes, status: int) -> None:
    async def story(ask: Ask, port: int) -> None:
        answer = await ask(sent)
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())

    errors = serve(story)
    assert [type(error) for error in errors] == ([ValueError] if status == 500 else [])


def test_who_keeps_silent_or_breaks_off_costs_nobody_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PATIENCE", 0.05)

    async def story(ask: Ask, port: int) -> None:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        silent[0][1].write(b"GET / HT")
        silent[1][1].write_eof()
        assert (await ask(get("/a"))).startswith(b"HTTP/1.1 200")
        for reader, writer in silent:
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()

    assert serve(story) == []


def test_more_connections_than_may_be_are_refused() -> None:
    async def story(ask: Ask, port: int) -> None:
        open_ones = [await asyncio.open_connection("127.0.0.1", port) for _ in range(http.MOST_CONNECTIONS)]
        for _, writer in open_ones:
            writer.write(b"GET ")
        assert (await ask(get("/a"))).startswith(b"HTTP/1.1 503")
        for _, writer in open_ones:
            writer.close()
            await writer.wait_closed()
        while not (await ask(get("/a"))).startswith(b"HTTP/1.1 200"):
            await asyncio.sleep(0)

    assert serve(story) == []


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *(
            (name, True)
            for name in ("", "127.0.0.1", "127.0.0.1:9180", "[::1]:9180", "[::1]", "localhost", "LOCALHOST:9180")
        ),
        *((name, True) for name in ("192.0.2.1:9180", "[2001:db8::1]:80")),
        *(
            (name, False)
            for name in ("evil.example", "evil.example:9180", "127.0.0.1.evil.example:9180", "localhost.evil.example")
        ),
        *((name, False) for name in ("localhost@evil.example", "0x7f000001.evil:1", "[::1", ":9180", "a:b:c")),
        *((name, False) for name in ("[localhost]:9180", "[127.0.0.1]")),
    ],
)
def test_a_browser_on_a_foreign_page_cannot_ask(host: str, own: bool) -> None:
    """DNS rebinding makes any page of the same origin as loopback; only the Host header shows whose page it is."""
    assert is_own_host(host) is own

    async def story(ask: Ask, port: int) -> None:
        assert (await ask(get("/", host))).startswith(b"HTTP/1.1 200" if own else b"HTTP/1.1 421")

    serve(story, own_host_only=True)


@given(st.lists(st.binary(max_size=200) | st.sampled_from([get("/"), b"\r\n", b"GET / HTTP/1.1\r\n"]), max_size=4))
def test_no_bytes_are_too_odd_to_be_refused(pieces: list[bytes]) -> None:
    async def story(ask: Ask, port: int) -> None:
        sent = b"".join(pieces)
        answer = await ask(sent + b"\r\n\r\n")
        assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 4", b"HTTP/1.1 505")) or not sent.strip()

    assert serve(story) == []


@pytest.mark.parametrize("head", [get("/", "evil.example", "HEAD"), get("/broken", method="HEAD")])
def test_a_head_has_no_body_even_where_it_is_refused(head: bytes) -> None:
    async def story(ask: Ask, port: int) -> None:
        answer = await ask(head)
        assert answer.endswith(b"\r\n\r\n") and b"\r\n\r\n" not in answer[:-4]

    serve(story, own_host_only=True)


@pytest.mark.parametrize("reuse", [False, True])
def test_somebody_else_cannot_take_the_address_away(reuse: bool) -> None:
    """Windows allows that by SO_REUSEADDR, unless the first one has it to itself. Wine and Linux never do."""

    async def story(ask: Ask, port: int) -> None:
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
            with pytest.raises(OSError):
                other.bind(("127.0.0.1", port))
                other.listen()
        assert (await ask(get("/"))).startswith(b"HTTP/1.1 200")

    serve(story)


@pytest.mark.skipif(not hasattr(socket, "SO_EXCLUSIVEADDRUSE"), reason="an option of Windows' alone")
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_address_is_asked_for_exclusively(address: str) -> None:
    with http._listen(address, 0) as listener:
        assert listener.getsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE")) != 0  # noqa: B009
        assert listener.getsockname()[0] == address


def test_clients_that_hang_up_before_they_are_accepted_do_not_end_it() -> None:
    """On Windows they ended the listener of asyncio's own server."""

    async def story(ask: Ask, port: int) -> None:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
            await asyncio.sleep(0)
        assert (await ask(get("/"))).startswith(b"HTTP/1.1 200")

    assert serve(story) == []
