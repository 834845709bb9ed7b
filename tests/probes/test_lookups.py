from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest
from tests.fakes.loopback import HOST, IMPATIENT, PATIENT
from tests.fakes.virtual_time import until

from connmon_agent.probes.failures import ProbeFailure
from connmon_agent.probes.lookups import Lookup, parse_address
from connmon_agent.probes.prober import TargetProber
from connmon_agent.settings import TcpTarget

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (HOST, 80))]


class StuckResolver:
    """A system's resolver that keeps silent until it is released."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.released = threading.Event()

    def __call__(self, host: bytes, port: int, *, type: int) -> list[Any]:
        self.asked.append(host)
        assert self.released.wait(PATIENT)
        return FOUND


def raise_error(code: int) -> Any:
    def resolve(host: bytes, port: int, *, type: int) -> list[Any]:
        raise socket.gaierror(code, "Words of the system")

    return resolve


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", (socket.AF_INET, ("192.0.2.1", 53))),
        ("2001:db8::1", (socket.AF_INET6, ("2001:db8::1", 53, 0, 0))),
        ("example.com", None),
        ("192.0.2.256", None),
    ],
)
def test_an_address_is_told_from_a_name(host: str, address: object) -> None:
    assert parse_address(host, 53) == address


@pytest.mark.parametrize("host", ["", "nul\0.example", "ü" * 80])
def test_what_cannot_be_a_name_is_not_looked_up(host: str) -> None:
    resolver = StuckResolver()

    with pytest.raises(ProbeFailure, match="is not a host name"):
        asyncio.run(Lookup(resolver).find_addresses(host, 80))

    assert resolver.asked == []


def test_an_address_is_not_looked_up() -> None:
    resolver = StuckResolver()

    assert asyncio.run(Lookup(resolver).find_addresses("192.0.2.1", 80)) == [(socket.AF_INET, ("192.0.2.1", 80))]
    assert resolver.asked == []


@pytest.mark.parametrize(
    ("host", "asked"), [("example.com", b"example.com"), ("bücher.example", b"xn--bcher-kva.example")]
)
def test_a_name_is_looked_up_by_the_system(host: str, asked: bytes) -> None:
    resolver = StuckResolver()
    resolver.released.set()

    assert asyncio.run(Lookup(resolver).find_addresses(host, 80)) == [(socket.AF_INET, (HOST, 80))]
    assert resolver.asked == [asked]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (socket.EAI_NONAME, 'the name "example.com" does not exist'),
        (socket.EAI_AGAIN, 'the name "example.com" cannot be looked up: no name server answers'),
        (socket.EAI_FAIL, 'the name "example.com" cannot be looked up: words of the system'),
    ],
    ids=["unknown", "temporary", "other"],
)
def test_a_failed_lookup_says_why(code: int, reason: str) -> None:
    with pytest.raises(ProbeFailure) as failure:
        asyncio.run(Lookup(raise_error(code)).find_addresses("example.com", 80))

    assert failure.value.reason == reason


def test_a_stuck_resolver_costs_one_thread_a_target_however_often_it_is_probed() -> None:
    resolver = StuckResolver()
    targets = (TcpTarget("one.example", 80, "one"), TcpTarget("two.example", 80, "two"))

    async def run() -> list[str | None]:
        prober = TargetProber(targets, IMPATIENT, resolve=resolver)
        reasons = [result.reason for _ in range(3) for result in await prober.probe_all()]
        await until(lambda: len(resolver.asked) >= 2)
        return reasons

    try:
        reasons = asyncio.run(run())  # ends although the threads do not
    finally:
        resolver.released.set()

    assert reasons == ["the system's resolver did not answer within 50 ms"] * 6
    assert sorted(resolver.asked) == [b"one.example", b"two.example"]


def test_once_the_stuck_lookup_has_ended_the_next_is_a_new_one() -> None:
    resolver = StuckResolver()
    lookup = Lookup(resolver)

    async def run() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(IMPATIENT):
                await lookup.find_addresses("example.com", 80)
        assert lookup.pending
        resolver.released.set()
        await lookup.find_addresses("example.com", 80)
        assert not lookup.pending
        await lookup.find_addresses("example.com", 80)

    asyncio.run(run())

    assert len(resolver.asked) == 2
