from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from tests.fakes.loopback import HOST, PATIENT, closed_port, has_ipv6, probe

from connmon_agent.core.observations import Failure
from connmon_agent.probes.echoes import find_obstacle
from connmon_agent.probes.prober import TargetProber
from connmon_agent.settings import IcmpTarget, InterfaceTarget, TcpTarget

allowed = pytest.mark.skipif(find_obstacle(None) is not None, reason="this user may not open ping sockets")
forbidden = pytest.mark.skipif(find_obstacle(None) is None, reason="this user may open ping sockets")


@allowed
@pytest.mark.parametrize(
    ("host", "family"),
    [
        (HOST, "ipv4"),
        pytest.param(
            "::1",
            "ipv6",
            marks=pytest.mark.skipif(not has_ipv6() or find_obstacle("ipv6") is not None, reason="no echoes to ::1"),
        ),
    ],
)
def test_an_echo_that_comes_back_is_good(host: str, family: str) -> None:
    result = asyncio.run(probe(IcmpTarget(host, "echo")))

    assert (result.kind, result.ok, result.reason, result.family) == ("icmp", True, None, family)
    assert result.latency_ms is not None and result.latency_ms > 0


@allowed
def test_a_name_is_looked_up_and_held_to_its_family() -> None:
    found = [(socket.AF_INET6, 0, 0, "", ("::1", 0, 0, 0)), (socket.AF_INET, 0, 0, "", (HOST, 0))]
    target = IcmpTarget("localhost", "echo", "ipv4")
    prober = TargetProber([target], PATIENT, resolve=lambda host, port, type: found)
    (result,) = asyncio.run(prober.probe_all())

    assert (result.ok, result.family) == (True, "ipv4")


@allowed
def test_of_several_addresses_one_that_answers_is_enough() -> None:
    # Nobody can be reached at the broadcast address without asking for it: the socket refuses at once.
    found = [(socket.AF_INET, 0, 0, "", (address, 0)) for address in ("255.255.255.255", HOST)]
    prober = TargetProber([IcmpTarget("localhost", "echo")], PATIENT, resolve=lambda host, port, type: found)

    assert asyncio.run(prober.probe_all())[0].ok


def test_a_name_that_is_not_known_is_a_failure_of_the_name() -> None:
    def know_nothing(host: bytes, port: int, *, type: int) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    prober = TargetProber([IcmpTarget("no.example", "echo")], PATIENT, resolve=know_nothing)
    results = asyncio.run(prober.probe_all())

    assert [result.failure for result in results] == [Failure.BROKEN if prober.left_out else Failure.NAME]


@forbidden
def test_where_the_kernel_forbids_it_the_target_is_left_out_and_the_others_are_not() -> None:
    with closed_port() as port:
        prober = TargetProber([IcmpTarget(HOST, "echo"), TcpTarget(HOST, port, "port")], PATIENT)
        assert [result.name for result in asyncio.run(prober.probe_all())] == ["port"]
    assert list(prober.left_out) == ["echo"]
    assert prober.left_out["echo"].startswith("the kernel does not allow this user ping sockets; widen")


@forbidden
def test_where_no_target_is_left_to_count_a_round_says_why() -> None:
    prober = TargetProber([IcmpTarget(HOST, "echo"), InterfaceTarget("no-such0", "link")], PATIENT)
    echo, link = asyncio.run(prober.probe_all())

    assert (echo.name, echo.ok, echo.failure, link.name) == ("echo", False, Failure.BROKEN, "link")
    assert echo.reason == prober.left_out["echo"]
