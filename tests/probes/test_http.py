from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.loopback import (
    HOST,
    IMPATIENT,
    PATIENT,
    Handler,
    answer_and_hold,
    answer_with,
    closed_port,
    has_ipv6,
    probe,
    serve_tcp,
    silent_port,
)
from tests.fakes.virtual_time import let_pass, run_held, run_virtually
from tests.fakes.wine import on_wine

from connmon_agent.core.observations import Failure, ProbeResult
from connmon_agent.http1 import Head
from connmon_agent.probes.failures import ProbeFailure, WrongAnswer
from connmon_agent.probes.http import build_request, check_response, judge_status
from connmon_agent.probes.prober import TargetProber
from connmon_agent.settings import HttpTarget

CERTIFICATES = Path(__file__).parent / "certificates"
TEXT = "success\n"
KIB = 1024


async def get(
    handle: Handler, *, status: int = 200, body: str | None = None, timeout: float = PATIENT, host: str = HOST
) -> ProbeResult:
    async with serve_tcp(handle, host=host) as port:
        place = f"[{host}]" if ":" in host else host
        return await probe(HttpTarget(f"http://{place}:{port}/check", "web", status, body), timeout)


def text_answer(*fields: str, body: bytes = TEXT.encode(), status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode() + body


GOOD = {
    "a length": text_answer("Content-Length: 8"),
    "the same length twice": text_answer("Content-Length: 8", "Content-Length: 8"),
    "bytes behind the length": text_answer("Content-Length: 8", body=b"success\nmore"),
    "up to the end": text_answer(),
    "one chunk": text_answer("Transfer-Encoding: chunked", body=b"8\r\nsuccess\n\r\n0\r\n\r\n"),
    "chunks with extensions and trailers": text_answer(
        "Transfer-Encoding: Chunked", body=b"3;a=b\r\nsuc\r\n05 \r\ncess\n\r\n0\r\nX: y\r\n\r\n"
    ),
    "chunked beats a length": text_answer(
        "Content-Length: 3", "Transfer-Encoding: chunked", body=b"8\r\nsuccess\n\r\n0\r\n\r\n"
    ),
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 8\n\nsuccess\n",
    "HTTP/1.0 without a phrase": b"HTTP/1.0 200\r\n\r\nsuccess\n",
    "fields in any case, continued": text_answer("CONTENT-length:8", "X-Long: a", " b"),
    "interim answers before it": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    + text_answer("Content-Length: 8"),
}


@pytest.mark.parametrize("answer", GOOD.values(), ids=GOOD)
def test_the_expected_text_is_good(answer: bytes) -> None:
    result = asyncio.run(get(answer_with(answer), body=TEXT))

    assert (result.kind, result.ok, result.reason) == ("http", True, None)
    assert result.latency_ms is not None


def test_another_protocol_is_known_by_its_first_line_while_it_waits() -> None:
    result = asyncio.run(get(answer_and_hold(b"SSH-2.0-OpenSSH_9.2\r\n")))

    assert (result.reason, result.failure) == ("the answer is not HTTP", Failure.DECLINED)


def test_an_answer_in_pieces_is_put_together() -> None:
    answer = text_answer("Transfer-Encoding: chunked", body=b"8\r\nsuccess\n\r\n0\r\n\r\n")

    assert asyncio.run(get(answer_with(*[answer[i : i + 1] for i in range(len(answer))]), body=TEXT)).ok


def test_the_status_alone_is_enough_and_nobody_waits_for_the_text() -> None:
    assert asyncio.run(get(answer_and_hold(text_answer("Content-Length: 8", body=b"")))).ok


def test_no_content_has_an_empty_text() -> None:
    handle = answer_and_hold(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n")

    assert asyncio.run(get(handle, status=204, body="")).ok


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_a_host_with_an_ipv6_address() -> None:
    assert asyncio.run(get(answer_with(text_answer()), host="::1")).ok


CUT = "closed the connection before the answer was complete"
MALFORMED = "the answer is malformed HTTP"
WRONG = {
    "a portal": (
        text_answer("Location: http://login.example/", "Content-Length: 0", body=b"", status="302 Found"),
        "answered HTTP 302, expected 200",
    ),
    "a portal that says so": (
        text_answer(status="511 Network Authentication Required"),
        "answered HTTP 511, expected 200",
    ),
    "another text": (text_answer(body=b"Please log in"), "answered with unexpected text: 'Please log in'"),
    "a longer text": (
        text_answer(body=TEXT.encode() + b"x" * 99),
        "answered with unexpected text: 'success\\n" + "x" * 32 + "'...",
    ),
    "a text that is no text": (text_answer(body=b"\xff"), "answered with unexpected text: '\\ufffd'"),
    "an empty text": (text_answer(body=b""), "answered with unexpected text: ''"),
    "nothing": (b"", CUT),
    "half a status line": (b"HTTP/1.1 20", CUT),
    "half a head": (b"HTTP/1.1 200 OK\r\nA: b\r\n", CUT),
    "half a text": (text_answer("Content-Length: 9"), CUT),
    "half a chunk": (text_answer("Transfer-Encoding: chunked", body=b"9\r\nsucc"), CUT),
    "no last chunk": (text_answer("Transfer-Encoding: chunked", body=b"1\r\ns\r\n"), CUT),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP"),
    "HTTP/2": (b"HTTP/2 200\r\n\r\n", "the answer is not HTTP"),
    "a status of two digits": (b"HTTP/1.1 20 OK\r\n\r\n", "the answer is not HTTP"),
    "an empty line first": (b"\r\nHTTP/1.1 200 OK\r\n\r\n", "the answer is not HTTP"),
    "a field without a colon": (text_answer("Content-Length 8"), MALFORMED),
    "a space before the colon": (text_answer("Content-Length : 8"), MALFORMED),
    "a field without a name": (text_answer(": 8"), MALFORMED),
    "a length in words": (text_answer("Content-Length: eight"), MALFORMED),
    "a negative length": (text_answer("Content-Length: -8"), MALFORMED),
    "an empty length": (text_answer("Content-Length:"), MALFORMED),
    "two lengths": (text_answer("Content-Length: 8", "Content-Length: 9"), MALFORMED),
    "a length of 4000 digits": (text_answer("Content-Length: " + "9" * 4000), MALFORMED),
    "a chunk size in words": (text_answer("Transfer-Encoding: chunked", body=b"eight\r\n"), MALFORMED),
    "a negative chunk": (text_answer("Transfer-Encoding: chunked", body=b"-1\r\n"), MALFORMED),
    "a chunk longer than it says": (text_answer("Transfer-Encoding: chunked", body=b"3\r\nsuccess\r\n"), MALFORMED),
    "another coding": (
        text_answer("Transfer-Encoding: gzip, chunked"),
        "the answer uses a transfer coding that was not requested",
    ),
    "a length beyond the limit": (text_answer("Content-Length: 65537"), "the answer is longer than 64 KiB"),
    "a chunk beyond the limit": (
        text_answer("Transfer-Encoding: chunked", body=b"ffffffff\r\n" + b"x" * 65 * KIB),
        "the answer is longer than 64 KiB",
    ),
    "chunks beyond the limit": (
        text_answer(
            "Transfer-Encoding: chunked", body=b"400\r\n" + b"x" * KIB + b"\r\n" + b"ffff\r\n" + b"x" * 65 * KIB
        ),
        "the answer is longer than 64 KiB",
    ),
    "a text beyond the limit": (text_answer(body=b"x" * 65 * KIB), "the answer is longer than 64 KiB"),
    "a line beyond the limit": (
        b"HTTP/1.1 200 " + b"x" * 20 * KIB + b"\r\n\r\n",
        "the answer's head is longer than 16 KiB",
    ),
    "a line without an end": (b"HTTP/1.1 " + b"x" * 20 * KIB, "the answer's head is longer than 16 KiB"),
    "no line of HTTP, without an end": (b"x" * 20 * KIB, "the answer is not HTTP"),
    "an upgrade that was not asked for": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", MALFORMED),
    "a head beyond the limit": (text_answer(*["X: " + "x" * 97] * 200), "the answer's head is longer than 16 KiB"),
    "interim answers without end": (
        b"HTTP/1.1 102 Processing\r\nX: yes\r\n\r\n" * 500,
        "the answer's head is longer than 16 KiB",
    ),
}


def judge_reason(reason: str) -> Failure:
    """A portal shows a page: what no browser could read comes from a server in trouble."""
    if reason == CUT:
        return Failure.REFUSED
    shown = ("answered HTTP", "answered with unexpected text", "the answer is longer")
    return Failure.WRONG if reason.startswith(shown) else Failure.DECLINED


@pytest.mark.parametrize(("answer", "reason"), WRONG.values(), ids=WRONG)
def test_a_wrong_answer_says_what_is_wrong(answer: bytes, reason: str) -> None:
    result = asyncio.run(get(answer_with(answer), body=TEXT))

    assert (result.ok, result.reason) == (False, reason)
    assert result.failure is judge_reason(reason)
    assert result.latency_ms is not None, "something answered, and that takes a time"


@pytest.mark.parametrize(
    ("status", "fields", "failure"),
    [
        pytest.param("404 Not Found", (), Failure.DECLINED, id="a web server without that page"),
        pytest.param("401 Unauthorized", (), Failure.DECLINED, id="one that wants a login"),
        pytest.param("503 Out", (), Failure.DECLINED, id="one that is out of order"),
        pytest.param("429 Slow", (), Failure.DECLINED, id="one that limits who asks too often"),
        pytest.param("503 Out", ("Location: http://away.example/",), Failure.DECLINED, id="an error is no redirection"),
        pytest.param("301 Moved", ("Location: https://127.0.0.1/",), Failure.DECLINED, id="a page that moved"),
        pytest.param("301 Moved", ("Location: https://www.127.0.0.1/",), Failure.DECLINED, id="to www."),
        pytest.param("302 Found", ("Location: /there",), Failure.DECLINED, id="on the same host"),
        pytest.param("302 Found", ("Location: http://login.example/",), Failure.WRONG, id="away, as a portal does"),
        pytest.param("302 Found", ("Location: http://[login/",), Failure.DECLINED, id="to what is no URL"),
        pytest.param("302 Found", (), Failure.DECLINED, id="to nowhere"),
        pytest.param("304 Not Modified", (), Failure.DECLINED, id="a cache in trouble"),
        pytest.param("201 Created", (), Failure.WRONG, id="another success"),
        pytest.param(
            "204 No Content", (), Failure.DECLINED, id="a success without a page that anybody could log in on"
        ),
        pytest.param("511 Log In", (), Failure.WRONG, id="a portal by its own word"),
    ],
)
def test_a_portal_is_told_from_a_web_server(status: str, fields: tuple[str, ...], failure: Failure) -> None:
    result = asyncio.run(get(answer_with(text_answer(*fields, status=status))))

    assert (result.ok, result.failure) == (False, failure)


@pytest.mark.parametrize(
    ("status", "location", "target", "failure"),
    [
        pytest.param(302, f"http://{HOST}/login", {"status": 204}, Failure.WRONG, id="sent to log in there"),
        pytest.param(307, f"https://{HOST}:8443/login", {"body": "yes"}, Failure.WRONG, id="or on another port"),
        pytest.param(302, f"https://{HOST}/check", {"status": 204}, Failure.DECLINED, id="the same page, by https"),
        pytest.param(
            301, f"http://{HOST}/login", {"status": 204}, Failure.DECLINED, id="a page that has moved for good"
        ),
        pytest.param(302, "/login", {"status": 204}, Failure.DECLINED, id="a server that knows its own pages"),
        pytest.param(302, f"http://{HOST}/closed", {}, Failure.DECLINED, id="a site that has pages"),
    ],
)
def test_a_portal_may_bear_the_name_that_was_asked(
    status: int, location: str, target: dict[str, Any], failure: Failure
) -> None:
    head = Head(status, {"location": location})
    assert judge_status(head, HttpTarget(f"http://{HOST}/check", "web", **target)) is failure


@pytest.mark.parametrize(
    "parts",
    [[], [b"HTTP/1.1 200 OK\r\n"], [text_answer("Content-Length: 8", body=b"succ")]],
    ids=["silent", "half a head", "half a text"],
)
def test_an_answer_that_does_not_end_costs_the_timeout_and_no_more(parts: list[bytes]) -> None:
    async def answer_and_let_the_timeout_pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer_with(*parts)(reader, writer)
        let_pass(IMPATIENT)
        await reader.read()

    result = run_held(get(answer_and_let_the_timeout_pass, body=TEXT, timeout=IMPATIENT))

    assert result == ProbeResult("web", "http", False, None, "no answer within 50 ms", "ipv4", Failure.SILENT)


def test_a_late_answer_is_no_answer() -> None:
    async def dawdle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        let_pass(IMPATIENT)
        await reader.read()  # until the probe has hung up
        writer.write(text_answer())

    assert run_held(get(dawdle, timeout=IMPATIENT)).reason == "no answer within 50 ms"


@pytest.mark.skipif(on_wine(), reason="Wine ends a connection in order before it resets it")
def test_a_connection_that_is_torn_down_is_reset() -> None:
    async def tear_down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lingering = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)  # closing resets
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
        writer.transport.abort()

    assert asyncio.run(get(tear_down)).reason == "connection reset"


def test_a_closed_port_is_refused() -> None:
    with closed_port() as port:
        result = asyncio.run(probe(HttpTarget(f"http://{HOST}:{port}/", "web")))

    assert result == ProbeResult("web", "http", False, None, "connection refused", "ipv4", Failure.REFUSED)


def test_a_black_hole_costs_the_timeout_and_no_more() -> None:
    with silent_port() as port:
        result = run_virtually(probe(HttpTarget(f"http://{HOST}:{port}/", "web"), IMPATIENT))

    assert result == ProbeResult("web", "http", False, None, "no answer within 50 ms", "ipv4", Failure.SILENT, 3)


def test_every_request_comes_over_a_connection_of_its_own() -> None:
    requests: list[bytes] = []
    clients: set[object] = set()

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.add(writer.get_extra_info("peername"))
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(text_answer())

    async def run() -> int:
        async with serve_tcp(note) as port:
            prober = TargetProber([HttpTarget(f"http://{HOST}:{port}/a b?c=d e", "web")], PATIENT)
            for _ in range(2):
                await prober.probe_all()
            return port

    port = asyncio.run(run())

    assert len(clients) == 2
    assert (
        requests[0]
        == requests[1]
        == (
            f"GET /a%20b?c=d%20e HTTP/1.1\r\nHost: {HOST}:{port}\r\nUser-Agent: connmon-agent\r\nAccept: */*\r\n"
            "Accept-Encoding: identity\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n"
        ).encode()
    )


@pytest.mark.parametrize(
    ("url", "host", "port", "line", "field"),
    [
        ("http://example.com", "example.com", 80, "GET / HTTP/1.1", "Host: example.com"),
        ("https://example.com:443/x%20y", "example.com", 443, "GET /x%20y HTTP/1.1", "Host: example.com"),
        ("https://EXAMPLE.com:8443?q", "example.com", 8443, "GET /?q HTTP/1.1", "Host: example.com:8443"),
        ("http://user:word@[2001:db8::1]/#here", "2001:db8::1", 80, "GET / HTTP/1.1", "Host: [2001:db8::1]"),
        ("http://bücher.example/ü", "xn--bcher-kva.example", 80, "GET /%C3%BC HTTP/1.1", "Host: xn--bcher-kva.example"),
    ],
)
def test_a_request_of_a_url(url: str, host: str, port: int, line: str, field: str) -> None:
    request = build_request(url)

    assert (request.host, request.port, request.secure) == (host, port, url.startswith("https"))
    assert request.exchange.request.decode().split("\r\n")[:2] == [line, field]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.com/", '"ftp://example.com/" is not an http or https URL'),
        ("http:///path", '"http:///path" is not an http or https URL'),
        ("example.com", '"example.com" is not an http or https URL'),
        ("http://example.com:99999/", '"http://example.com:99999/" is not a URL: Port out of range 0-65535'),
        ("http://[::1", '"http://[::1" is not a URL: Invalid IPv6 URL'),
    ],
)
def test_what_is_no_url_is_not_sent(url: str, reason: str) -> None:
    assert asyncio.run(probe(HttpTarget(url, "web"))).reason == reason


def serve_with(certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / f"{certificate}.pem")
    return context


def trust_authority() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CERTIFICATES / "authority.pem"))


async def get_securely(certificate: str, *, timeout: float = PATIENT) -> ProbeResult:
    async with serve_tcp(answer_and_hold(text_answer()), context=serve_with(certificate)) as port:
        prober = TargetProber([HttpTarget(f"https://{HOST}:{port}/", "web")], timeout, trust=trust_authority)
        return (await prober.probe_all())[0]


def test_https_with_a_trusted_certificate_is_good() -> None:
    result = asyncio.run(get_securely("good"))

    assert (result.ok, result.reason) == (True, None)


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        ("expired", "the certificate is not trusted: certificate has expired"),
        (
            "misnamed",
            "the certificate is not trusted: IP address mismatch, certificate is not valid for '127.0.0.1'.",
        ),
    ],
)
def test_https_with_another_certificate_is_not(certificate: str, reason: str) -> None:
    result = asyncio.run(get_securely(certificate))

    # The right server, in trouble, or somebody else in its place.
    assert (result.reason, result.failure) == (reason, Failure.DECLINED if certificate == "expired" else Failure.WRONG)


def test_https_does_not_trust_an_unknown_authority() -> None:
    async def run() -> ProbeResult:
        async with serve_tcp(answer_with(text_answer()), context=serve_with("good")) as port:
            return await probe(HttpTarget(f"https://{HOST}:{port}/", "web"))

    reason = asyncio.run(run()).reason
    assert reason is not None and reason.startswith("the certificate is not trusted: ")


def test_https_to_a_server_without_tls() -> None:
    async def run() -> ProbeResult:
        async with serve_tcp(reply_in_clear) as port:
            return await probe(HttpTarget(f"https://{HOST}:{port}/", "web"))

    async def reply_in_clear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(text_answer())
        await reader.read()

    result = asyncio.run(run())
    assert (result.reason, result.failure) == ("TLS failed: wrong version number", Failure.WRONG)


def test_https_to_a_silent_server_costs_the_timeout_and_no_more() -> None:
    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        let_pass(IMPATIENT)
        await reader.read()

    async def run() -> ProbeResult:
        async with serve_tcp(keep_silent) as port:
            return await probe(HttpTarget(f"https://{HOST}:{port}/", "web"), IMPATIENT)

    assert run_held(run()).reason == "no answer within 50 ms"


def read_answer(answer: bytes) -> None:
    """All that is done with an answer, without the sockets."""

    async def read() -> None:
        reader = asyncio.StreamReader(limit=16 * KIB)
        reader.feed_data(answer)
        reader.feed_eof()
        with contextlib.suppress(WrongAnswer):
            exchange = build_request("http://example.com/").exchange
            await check_response(reader, exchange, HttpTarget("http://example.com/", "web", body=TEXT))

    asyncio.run(read())


@given(st.binary(max_size=500))
def test_no_answer_breaks_the_parser(answer: bytes) -> None:
    read_answer(answer)


FRAGMENTS = [b"HTTP/1.1 200 OK", b"HTTP/1.1 100", b"Content-Length: ", b"Transfer-Encoding: chunked", b"8", b"0", b":"]
FRAGMENTS += [b"\r\n", b"\r\n", b"\n", b"\r", b" ", b",", b"success\n", b"\x00", b"\xff", b"-1", b"7fffffff"]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=20).map(b"".join))
def test_no_fields_break_the_parser(rest: bytes) -> None:
    read_answer(b"HTTP/1.1 200 OK\r\n" + rest)


@given(st.text(max_size=60).map("http://".__add__) | st.text(max_size=60))
def test_no_url_breaks_the_request(url: str) -> None:
    with contextlib.suppress(ProbeFailure):
        request = build_request(url)
        text = request.exchange.request
        assert text.count(b"\r\n\r\n") == 1 and text.count(b"\n") == 8
