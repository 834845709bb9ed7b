from __future__ import annotations

import asyncio

import pytest
from tests.fakes.loopback import HOST, IMPATIENT, closed_port, has_ipv6, probe, serve_tcp, silent_port
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.observations import Failure, ProbeResult
from connmon_agent.settings import TcpTarget


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize(
    "host",
    [
        HOST,
        pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")),
        "localhost",
    ],
)
def test_an_accepted_connection_is_good(host: str) -> None:
    async def run() -> ProbeResult:
        async with serve_tcp(hang_up, host=host if ":" in host else HOST) as port:
            return await probe(TcpTarget(host, port, "web"))

    result = asyncio.run(run())

    assert (result.name, result.kind, result.ok, result.reason) == ("web", "tcp", True, None)
    assert result.latency_ms is not None and result.latency_ms > 0


def test_a_closed_port_is_refused() -> None:
    with closed_port() as port:
        result = asyncio.run(probe(TcpTarget(HOST, port, "web")))

    assert result == ProbeResult("web", "tcp", False, None, "connection refused", "ipv4", Failure.REFUSED)


def test_a_black_hole_costs_the_timeout_and_no_more() -> None:
    with silent_port() as port:
        result = run_virtually(probe(TcpTarget(HOST, port, "web"), IMPATIENT))

    assert result == ProbeResult("web", "tcp", False, None, "no answer within 50 ms", "ipv4", Failure.SILENT, 3)


def test_a_host_that_cannot_be_a_name_is_a_failure_not_an_error() -> None:
    result = asyncio.run(probe(TcpTarget("a" * 64 + "é.example", 80, "web")))

    assert result.reason == f'"{"a" * 64}é.example" is not a host name'
