from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.fakes.loopback import HOST, PATIENT, Handler, answer_with, closed_port, probe, serve_tcp

from connmon_agent.core.observations import Failure, ProbeResult
from connmon_agent.probes.failures import ProbeFailure
from connmon_agent.probes.prober import TargetProber
from connmon_agent.probes.proxies import choose_proxy
from connmon_agent.settings import HttpTarget

CERTIFICATES = Path(__file__).parent / "certificates"
OK = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("socks5://proxy.example", "names a SOCKS proxy"),
        ("https://proxy.example", "names a proxy with the scheme https"),
        ("http://", "names no HTTP proxy"),
        ("socks5://ada:secret@proxy.example:80", "names a SOCKS proxy"),
    ],
)
def test_what_is_no_http_proxy_is_not_used(text: str, reason: str) -> None:
    with pytest.raises(ProbeFailure) as found:
        choose_proxy(None, "web.example", 80, {"http_proxy": text}, secure=False)

    assert found.value.reason == f"http_proxy {reason}; write it as http://host:port"
    assert found.value.failure is Failure.BROKEN


ONE, TWO = "http://one.example:1", "http://two.example:2"


@pytest.mark.parametrize(
    ("configured", "host", "secure", "environment", "chosen"),
    [
        (None, "web.example", False, {}, None),
        (None, "web.example", False, {"http_proxy": ONE, "https_proxy": TWO}, "one.example:1"),
        (None, "web.example", True, {"http_proxy": ONE, "https_proxy": TWO}, "two.example:2"),
        (None, "web.example", True, {"http_proxy": ONE}, None),
        (None, "web.example", True, {"HTTPS_PROXY": ONE}, "one.example:1"),
        (None, "web.example", True, {"https_proxy": ONE, "HTTPS_PROXY": TWO}, "one.example:1"),
        (None, "web.example", False, {"HTTP_PROXY": ONE}, "one.example:1"),
        (None, "web.example", False, {"ALL_PROXY": ONE}, "one.example:1"),
        (None, "web.example", False, {"http_proxy": ""}, None),
        (None, "web.example", False, {"http_proxy": ONE, "no_proxy": "example"}, None),
        (None, "web.example", False, {"http_proxy": ONE, "NO_PROXY": "*"}, None),
        (None, "localhost", False, {"http_proxy": ONE}, None),
        (None, "127.8.9.1", False, {"http_proxy": ONE}, None),
        (None, "::1", False, {"http_proxy": ONE}, None),
        ("none", "web.example", False, {"http_proxy": ONE}, None),
        (TWO, "web.example", False, {"http_proxy": ONE, "no_proxy": "*"}, "two.example:2"),
        (TWO, "127.0.0.1", False, {}, "two.example:2"),
    ],
)
def test_which_proxy_is_used(
    configured: str | None, host: str, secure: bool, environment: dict[str, str], chosen: str | None
) -> None:
    proxy = choose_proxy(configured, host, 443 if secure else 80, environment, secure=secure)

    assert (None if proxy is None else str(proxy)) == chosen


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_environment_breaks_the_choice(proxy: str, no_proxy: str) -> None:
    with contextlib.suppress(ProbeFailure):
        choose_proxy(None, "web.example", 80, {"http_proxy": proxy, "no_proxy": no_proxy}, secure=False)


def test_the_proxies_in_use_are_told_by_target() -> None:
    targets = [
        HttpTarget("http://web.example/", "by environment"),
        HttpTarget("http://web.example/", "direct", proxy="none"),
        HttpTarget("https://web.example/", "configured", proxy=TWO),
        HttpTarget("http://127.0.0.1/", "here"),
    ]
    prober = TargetProber(targets, PATIENT, environment={"http_proxy": ONE, "https_proxy": "socks5://x"})

    assert prober.proxies == {"by environment": "one.example:1", "configured": "two.example:2"}


async def get_through(handle: Handler, url: str, *, login: str = "", by_environment: bool = False) -> ProbeResult:
    """One probe of ``url``, with ``handle`` as the proxy; its port is cut from the reason."""
    async with serve_tcp(handle) as port:
        proxy = f"http://{login}{HOST}:{port}"
        environment = {"http_proxy": proxy, "https_proxy": proxy} if by_environment else {}
        target = HttpTarget(url, "web", proxy=None if by_environment else proxy)
        result = await probe(target, environment=environment)
        if result.reason is None:
            return result
        prefix = f"through the proxy {HOST}:{port}: "
        assert result.reason.startswith(prefix)
        return replace(result, reason=result.reason.removeprefix(prefix))


@pytest.mark.parametrize("by_environment", [False, True], ids=["configured", "from the environment"])
def test_a_proxy_is_asked_for_the_whole_url(by_environment: bool) -> None:
    requests: list[list[str]] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append((await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n"))
        writer.write(OK)

    url = "http://web.example:81/x?y"
    result = asyncio.run(get_through(note, url, login="ada:secret@", by_environment=by_environment))

    assert (result.ok, result.family) == (True, None)
    ((line, host, *fields),) = requests
    assert (line, host) == ("GET http://web.example:81/x?y HTTP/1.1", "Host: web.example:81")
    assert "Proxy-Authorization: Basic YWRhOnNlY3JldA==" in fields


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (502, Failure.UNREACHABLE),
        (503, Failure.UNREACHABLE),
        (504, Failure.UNREACHABLE),
        (407, Failure.REFUSED),
        (302, Failure.DECLINED),
        (403, Failure.DECLINED),
    ],
)
def test_a_proxy_that_cannot_get_through_is_no_portal(status: int, failure: Failure) -> None:
    answer = f"HTTP/1.1 {status} No\r\n\r\n".encode()
    result = asyncio.run(get_through(answer_with(answer), "http://web.example/"))

    assert (result.reason, result.failure) == (f"answered HTTP {status}, expected 200", failure)


@pytest.mark.parametrize(
    ("answer", "reason", "failure"),
    [
        (b"HTTP/1.1 503 No\r\n\r\n", "the proxy answered HTTP 503", Failure.UNREACHABLE),
        (b"HTTP/1.1 407 Log in\r\n\r\n", "the proxy answered HTTP 407", Failure.REFUSED),
        (b"HTTP/1.1 403 No\r\n\r\n", "the proxy answered HTTP 403", Failure.REFUSED),
        (b"HTTP/1.1 2", "closed the connection before the answer was complete", Failure.REFUSED),
        (b"", "closed the connection before the answer was complete", Failure.REFUSED),
        (b"SSH-2.0\r\n", "the answer is not HTTP", Failure.DECLINED),
        (b"HTTP/1.1 200 " + b"x" * 20_000 + b"\r\n\r\n", "the answer's head is longer than 16 KiB", Failure.DECLINED),
    ],
    ids=[
        "no way",
        "wants a login",
        "forbids",
        "half an answer",
        "no answer",
        "no HTTP",
        "oversized",
    ],
)
def test_a_tunnel_that_does_not_open_says_why(answer: bytes, reason: str, failure: Failure) -> None:
    result = asyncio.run(get_through(answer_with(answer), "https://web.example/"))

    assert (result.reason, result.failure) == (reason, failure)


def test_a_tunnel_without_tls_at_its_end() -> None:
    async def speak_in_clear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    result = asyncio.run(get_through(speak_in_clear, "https://web.example/"))

    assert (result.reason, result.failure) == ("TLS failed: wrong version number", Failure.WRONG)


def test_a_proxy_that_is_not_there() -> None:
    with closed_port() as port:
        result = asyncio.run(probe(HttpTarget("http://web.example/", "web", proxy=f"http://{HOST}:{port}")))

    reason = f"through the proxy {HOST}:{port}: connection refused"
    assert result == ProbeResult("web", "http", False, None, reason, None, Failure.REFUSED, proxy=f"{HOST}:{port}")


@pytest.mark.parametrize(
    ("certificate", "failure"), [("good", None), ("misnamed", Failure.WRONG)], ids=["trusted", "not trusted"]
)
def test_https_goes_through_a_tunnel_to_the_server_whose_certificate_is_checked(
    certificate: str, failure: Failure | None
) -> None:
    tunnels: list[bytes] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / f"{certificate}.pem")

    def trust() -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(CERTIFICATES / "authority.pem"))

    async def pass_on(source: asyncio.StreamReader, drain: asyncio.StreamWriter) -> None:
        while part := await source.read(4096):
            drain.write(part)
        drain.close()

    async def run() -> tuple[ProbeResult, int]:
        async with serve_tcp(answer_with(OK), context=context) as server:

            async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                tunnels.append(await reader.readuntil(b"\r\n\r\n"))
                there, back = await asyncio.open_connection(HOST, server)
                try:
                    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    await asyncio.gather(pass_on(reader, back), pass_on(there, writer), return_exceptions=True)
                finally:
                    back.transport.abort()

            async with serve_tcp(connect) as proxy:
                target = HttpTarget(f"https://{HOST}:{server}/", "web", proxy=f"http://{HOST}:{proxy}")
                (result,) = await TargetProber([target], PATIENT, trust=trust, environment={}).probe_all()
                return result, server

    result, server = asyncio.run(run())

    assert (result.ok, result.failure) == (failure is None, failure)
    assert [tunnel.splitlines()[0] for tunnel in tunnels] == [f"CONNECT {HOST}:{server} HTTP/1.1".encode()]
