"""Registries that answer, refuse, hang and limit: which of them keep a node from pulling."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.loopback import (
    HOST,
    PATIENT,
    Handler,
    answer_and_hold,
    answer_with,
    closed_port,
    serve_tcp,
    silent_port,
)
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.observations import Failure, Reach, RegistryAnswer
from connmon_agent.http1 import Head
from connmon_agent.probes.failures import ProbeFailure
from connmon_agent.probes.network import Network
from connmon_agent.probes.registries import DEFAULT_LIMIT, KEPT, LONGEST_LIMIT, TIMEOUT, RegistryAsker, read_retry_after

GOOD = Path(__file__).parent / "certificates" / "good.pem"
LOGIN = b"HTTP/1.1 401 Unauthorized\r\nDocker-Distribution-Api-Version: registry/2.0\r\nContent-Length: 0\r\n\r\n"


def answer(status: str, *fields: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode()


def find_here(host: bytes, port: int, **_: Any) -> Iterable[Any]:
    """A resolver that knows every name: it is on this machine."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (HOST, port))]


def fail_with(error: OSError) -> Callable[..., Iterable[Any]]:
    def resolve(*_: object, **__: object) -> Iterable[Any]:
        raise error

    return resolve


def tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(GOOD)
    return context


async def ask(
    registry: str,
    *,
    timeout: float = PATIENT,
    resolve: Callable[..., Iterable[Any]] = find_here,
    endpoints: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> RegistryAnswer:
    asker = RegistryAsker(endpoints or {}, timeout=timeout, resolve=resolve, environment=environment or {})
    try:
        return await asker.ask(registry)
    finally:
        await asker.close()


def ask_server(handler: Handler, *, timeout: float = PATIENT, context: ssl.SSLContext | None = None) -> RegistryAnswer:
    async def scenario() -> RegistryAnswer:
        async with serve_tcp(handler, context=context) as port:
            return await ask(f"registry.example:{port}", timeout=timeout)

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("200 OK", RegistryAnswer(Reach.REACHABLE, "HTTP 200")),
        ("401 Unauthorized", RegistryAnswer(Reach.REACHABLE, "HTTP 401")),
        ("403 Forbidden", RegistryAnswer(Reach.REACHABLE, "HTTP 403")),
        ("404 Not Found", RegistryAnswer(Reach.REACHABLE, "HTTP 404")),
        ("301 Moved", RegistryAnswer(Reach.REACHABLE, "HTTP 301")),
        ("429 Too Many Requests", RegistryAnswer(Reach.LIMITED, "HTTP 429", DEFAULT_LIMIT)),
        ("500 Internal Server Error", RegistryAnswer(Reach.UNREACHABLE, "HTTP 500")),
        ("503 Service Unavailable", RegistryAnswer(Reach.UNREACHABLE, "HTTP 503")),
    ],
)
def test_what_a_registry_answers(status: str, expected: RegistryAnswer) -> None:
    assert ask_server(answer_with(answer(status, "Content-Length: 0")), context=tls_context()) == expected


def test_the_path_is_v2_and_nothing_is_logged_in_with() -> None:
    asked: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(LOGIN)

    assert ask_server(note, context=tls_context()).reach is Reach.REACHABLE
    [head] = asked
    assert head.startswith(b"GET /v2/ HTTP/1.1\r\n")
    assert b"authorization" not in head.lower()


def test_a_certificate_that_this_machine_does_not_trust_is_no_reason_to_wait() -> None:
    assert ask_server(answer_with(LOGIN), context=tls_context()).reach is Reach.REACHABLE


def test_a_registry_without_tls_is_asked_without() -> None:
    async def speak_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begin = await reader.readexactly(3)
        if begin != b"GET":
            writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")  # as Go's server does with a ClientHello
            return
        await reader.readuntil(b"\r\n\r\n")
        writer.write(LOGIN)

    assert ask_server(speak_http) == RegistryAnswer(Reach.REACHABLE, "HTTP 401")


def test_one_that_refuses_cannot_be_reached() -> None:
    async def scenario(port: int) -> RegistryAnswer:
        return await ask(f"registry.example:{port}")

    with closed_port() as port:
        assert asyncio.run(scenario(port)) == RegistryAnswer(Reach.UNREACHABLE, "connection refused")


def test_one_that_accepts_and_then_hangs_cannot_be_reached() -> None:
    found = ask_server(answer_and_hold(), timeout=1.0, context=tls_context())
    assert found == RegistryAnswer(Reach.UNREACHABLE, "no answer within 1 s")


def test_a_private_address_that_has_never_answered_says_nothing_of_the_nodes() -> None:
    async def scenario(port: int) -> RegistryAnswer:
        return await ask(f"registry.example:{port}", timeout=2.0)

    with silent_port() as port:
        found = asyncio.run(scenario(port))
    assert found == RegistryAnswer(Reach.UNKNOWN, "no answer within 2 s; its private address has never answered")


def answers_of(*scripted: Head | Exception, resolve: Callable[..., Iterable[Any]] = find_here) -> RegistryAsker:
    """An asker whose registries answer one thing after another, in virtual time."""
    left = list(scripted)

    async def get(url: str, network: Network) -> Head:
        await asyncio.sleep(0.1)
        assert left, f"{url} is asked once too often"
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return RegistryAsker(environment={}, resolve=resolve, get=get)


SILENCE = ProbeFailure("no answer within 3 s", Failure.SILENT)


def test_a_private_address_that_has_once_answered_is_waited_for() -> None:
    async def story() -> None:
        asker = answers_of(Head(401, {}), SILENCE)
        assert (await asker.ask("registry.example")).reach is Reach.REACHABLE
        await asyncio.sleep(KEPT + 1)
        assert (await asker.ask("registry.example")).reach is Reach.UNREACHABLE

    run_virtually(story())


def test_a_public_address_that_is_silent_cannot_be_reached() -> None:
    def find_there(host: bytes, port: int, **_: Any) -> Iterable[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", port))]

    async def story() -> None:
        found = await answers_of(SILENCE, resolve=find_there).ask("ghcr.io")
        assert found == RegistryAnswer(Reach.UNREACHABLE, "no answer within 3 s")

    asyncio.run(story())


def test_many_who_ask_at_once_or_soon_after_are_answered_by_one_request() -> None:
    async def story() -> None:
        asker = answers_of(Head(200, {}), Head(503, {}))
        found = await asyncio.gather(*(asker.ask("ghcr.io") for _ in range(40)))
        assert {one.reach for one in found} == {Reach.REACHABLE}
        await asyncio.sleep(KEPT - 1)
        assert (await asker.ask("ghcr.io")).reach is Reach.REACHABLE
        await asyncio.sleep(1.0)
        assert (await asker.ask("ghcr.io")).reach is Reach.UNREACHABLE

    run_virtually(story())


def test_a_limit_is_respected_for_as_long_as_it_says_and_asked_about_again_then() -> None:
    async def story() -> None:
        asker = answers_of(Head(429, {"retry-after": "120"}), Head(200, {}))
        assert await asker.ask("docker.io") == RegistryAnswer(Reach.LIMITED, "HTTP 429", 120.0)
        await asyncio.sleep(100)
        assert await asker.ask("docker.io") == RegistryAnswer(Reach.LIMITED, "HTTP 429", 20.0)
        await asyncio.sleep(20)
        assert (await asker.ask("docker.io")).reach is Reach.REACHABLE

    run_virtually(story())


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, None),
        ({"retry-after": "30"}, 30.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "\u0663"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "Fri, 31 Dec 2027 23:59:59 GMT"}, None),
        ({"retry-after": "Fri, 31 Dec 2027 23:59:59 GMT", "date": "Fri, 31 Dec 2027 23:58:59 GMT"}, 60.0),
        ({"retry-after": "Fri, 31 Dec 2027 23:58:00 GMT", "date": "Fri, 31 Dec 2027 23:58:59 GMT"}, 0.0),
    ],
)
def test_a_date_is_held_against_the_answers_own(fields: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(Head(429, fields)) == seconds


def test_a_limit_without_end_is_asked_about_again() -> None:
    async def story() -> None:
        found = await answers_of(Head(429, {"retry-after": "999999999"})).ask("docker.io")
        assert found.retry_after == LONGEST_LIMIT

    run_virtually(story())


@pytest.mark.parametrize(
    ("registry", "error", "reach"),
    [
        ("registry.example", socket.EAI_NONAME, Reach.UNKNOWN),
        ("registry.example", socket.EAI_AGAIN, Reach.UNREACHABLE),
        ("registry.kube-system.svc.cluster.local:5000", socket.EAI_AGAIN, Reach.UNKNOWN),
        ("registry.lan", socket.EAI_AGAIN, Reach.UNKNOWN),
        ("registry:5000", socket.EAI_AGAIN, Reach.UNKNOWN),
    ],
)
def test_a_name_that_only_nodes_may_know_is_no_reason_to_wait(registry: str, error: int, reach: Reach) -> None:
    found = asyncio.run(ask(registry, resolve=fail_with(socket.gaierror(error, "no"))))
    assert found.reach is reach


@pytest.mark.parametrize("registry", ["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "a.localhost"])
def test_a_name_for_each_node_itself_is_not_asked(registry: str) -> None:
    assert asyncio.run(ask(registry)) == RegistryAnswer(Reach.UNKNOWN, "its name resolves to each node itself")


@pytest.mark.parametrize(
    "registry", ["a@b.example", "a.example#x", "a.example?", "[::1", "a b.example", "", "-a.b", "a/b"]
)
def test_what_is_no_host_is_not_asked(registry: str) -> None:
    assert asyncio.run(ask(registry)) == RegistryAnswer(Reach.UNKNOWN, "it is not a host name")


@pytest.mark.parametrize(
    ("registry", "url"),
    [
        ("docker.io", "https://registry-1.docker.io/v2/"),
        ("ghcr.io", "https://ghcr.io/v2/"),
        ("registry.example:5000", "https://registry.example:5000/v2/"),
        ("[2001:db8::1]:5000", "https://[2001:db8::1]:5000/v2/"),
        ("quay.io", "http://mirror.example:5000/v2/"),
    ],
)
def test_where_a_registry_is_asked(registry: str, url: str) -> None:
    asked: list[str] = []

    async def get(url: str, network: Network) -> Head:
        asked.append(url)
        return Head(200, {})

    asyncio.run(RegistryAsker({"quay.io": "http://mirror.example:5000/"}, environment={}, get=get).ask(registry))
    assert asked == [url]


def test_one_that_is_not_to_be_asked_is_not() -> None:
    found = asyncio.run(ask("registry.example", endpoints={"registry.example": "none"}))
    assert found == RegistryAnswer(Reach.UNKNOWN, "disabled in the configuration")


def test_a_mirror_on_this_machine_is_asked_where_it_is_named() -> None:
    async def scenario() -> RegistryAnswer:
        async with serve_tcp(answer_with(LOGIN)) as port:
            return await ask("docker.io", endpoints={"docker.io": f"http://{HOST}:{port}"})

    assert asyncio.run(scenario()).reach is Reach.REACHABLE


def test_other_endpoints_hold_at_once() -> None:
    async def story() -> None:
        asker = answers_of(Head(503, {}), Head(200, {}))
        assert (await asker.ask("ghcr.io")).reach is Reach.UNREACHABLE
        asker.follow({"ghcr.io": "https://mirror.example"})
        assert (await asker.ask("ghcr.io")).reach is Reach.REACHABLE

    run_virtually(story())


@pytest.mark.parametrize(
    ("status", "reach"),
    [
        ("502 Bad Gateway", Reach.UNREACHABLE),
        ("504 Gateway Timeout", Reach.UNREACHABLE),
        ("407 Proxy Authentication Required", Reach.UNKNOWN),
        ("403 Forbidden", Reach.UNKNOWN),
    ],
)
def test_what_this_machines_proxy_says_is_told_from_what_the_registry_says(status: str, reach: Reach) -> None:
    async def scenario() -> RegistryAnswer:
        async with serve_tcp(answer_with(answer(status, "Content-Length: 0"))) as port:
            return await ask("registry.example", environment={"https_proxy": f"http://{HOST}:{port}"})

    found = asyncio.run(scenario())
    assert found.reach is reach
    assert found.reason.startswith(f"through the proxy {HOST}:")


def test_a_proxy_that_is_away_says_nothing_of_the_nodes() -> None:
    async def scenario(port: int) -> RegistryAnswer:
        return await ask("registry.example", environment={"https_proxy": f"http://{HOST}:{port}"})

    with closed_port() as port:
        assert asyncio.run(scenario(port)).reach is Reach.UNKNOWN


def test_an_answer_of_any_size_is_read_no_further_than_its_head() -> None:
    giant = answer("200 OK", "Content-Length: 999999999999") + b"x" * 1_000_000
    assert ask_server(answer_with(giant), context=tls_context()).reach is Reach.REACHABLE
    endless = b"HTTP/1.1 200 OK\r\n" + b"X-Pad: y\r\n" * 100_000
    assert ask_server(answer_with(endless), context=tls_context()).reach is Reach.UNKNOWN


def test_the_end_ends_what_is_under_way() -> None:
    async def scenario() -> None:
        async with serve_tcp(answer_and_hold(), context=tls_context()) as port:
            asker = RegistryAsker({}, timeout=PATIENT, resolve=find_here, environment={})
            asking = asyncio.ensure_future(asker.ask(f"registry.example:{port}"))
            await asyncio.sleep(0)
            await asker.close()
            with pytest.raises(asyncio.CancelledError):
                await asking

    asyncio.run(scenario())


def test_the_default_time_is_shorter_than_what_an_outage_takes() -> None:
    """No answer from before an outage is given after it, which takes at least the default hold of 10 s."""
    assert TIMEOUT + KEPT < 10.0
