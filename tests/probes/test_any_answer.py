"""Whatever comes back over a real socket, a probe succeeds or raises ProbeFailure or OSError, in its time."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.loopback import HOST, PATIENT, serve_tcp, serve_udp

from connmon_agent.probes import PROBES
from connmon_agent.probes.failures import ProbeFailure
from connmon_agent.probes.lookups import Lookup
from connmon_agent.probes.network import Network
from connmon_agent.settings import ApiTarget, DnsTarget, HttpTarget, Target, TcpTarget

TRUST = ssl.create_default_context()

answers = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=20).map(lambda text: text + b"\r\n\r\n"),
    st.binary(max_size=200).map(b"HTTP/1.1 200 OK\r\n".__add__),
    st.binary(max_size=200).map(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".__add__),
    st.binary(max_size=60).map(lambda text: len(text).to_bytes(2) + text),
    st.integers(0, 90_000).map(bytes),
)


def targets_at(port: int) -> dict[str, Target | ApiTarget]:
    url, place = f"http://{HOST}:{port}/", f"http://{HOST}:{port}"
    return {
        "tcp": TcpTarget(HOST, port, "t"),
        "dns": DnsTarget(HOST, "example.com", "t", port),
        "dns over tcp": DnsTarget(HOST, "example.com", "t", port, transport="tcp"),
        "http": HttpTarget(url, "t", body="success"),
        "https": HttpTarget(url.replace("http", "https"), "t"),
        "http by proxy": HttpTarget("http://web.example/", "t", body="success", proxy=place),
        "https by proxy": HttpTarget("https://web.example/", "t", proxy=place),
        "api": ApiTarget(HOST, port, "t"),
    }


async def run_probe(kind: str, answer: bytes) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(answer)

    async with contextlib.AsyncExitStack() as stack:
        if kind == "dns":
            # the id and the question are right as often as not, so that the rest is looked at
            sent = answer[:60_000]  # more fits into no datagram, and would be no answer
            serving = serve_udp(lambda query: [query[:2] + sent if len(answer) % 2 else sent])
            port = await stack.enter_async_context(serving)
        else:
            port = await stack.enter_async_context(serve_tcp(reply))
        target = targets_at(port)[kind]
        with contextlib.suppress(ProbeFailure, OSError):
            async with asyncio.timeout(PATIENT):
                await PROBES[type(target)].run(target, Network(lambda: TRUST, Lookup(), timeout=PATIENT))


@pytest.mark.parametrize("kind", targets_at(0))
@given(answer=answers)
@settings(max_examples=25)
def test_no_answer_breaks_a_probe(kind: str, answer: bytes) -> None:
    asyncio.run(run_probe(kind, answer))
