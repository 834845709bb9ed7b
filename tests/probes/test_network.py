from __future__ import annotations

import asyncio
import socket
import ssl
from functools import cache

import pytest
from tests.fakes.loopback import HOST, PATIENT, closed_port, serve_tcp, silent_port, tls_error
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.observations import Failure
from connmon_agent.platform_terms import HOSTS_FILE
from connmon_agent.probes.failures import WrongAnswer
from connmon_agent.probes.http import naming_this_machine
from connmon_agent.probes.lookups import Address, Lookup, is_name
from connmon_agent.probes.network import Network, find_own_address
from connmon_agent.probes.prober import TargetProber
from connmon_agent.settings import HttpTarget, IcmpTarget, Target, TcpTarget
from connmon_agent.staggered import connect_first, interleave_families

V4, V6 = socket.AF_INET, socket.AF_INET6
LONG = 600.0  # seconds; so long that a test which waits for it fails


async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


def at(port: int) -> Address:
    return V4, (HOST, port)


async def connect_to(*ports: int, delay: float) -> int:
    """The port of the connection that was made."""
    with await connect_first([at(port) for port in ports], delay=delay) as sock:
        return int(sock.getpeername()[1])


def test_a_refused_address_makes_way_for_the_next_at_once() -> None:
    async def run() -> bool:
        with closed_port() as closed:
            async with serve_tcp(hold) as good:
                return await connect_to(closed, good, delay=LONG) == good

    assert asyncio.run(run())


def test_a_silent_address_makes_way_for_the_next_after_the_delay() -> None:
    async def run() -> bool:
        with silent_port() as silent:
            async with serve_tcp(hold) as good:
                return await connect_to(silent, good, delay=0.01) == good

    assert asyncio.run(run())


def test_the_first_address_wins_when_it_accepts() -> None:
    async def run() -> bool:
        async with serve_tcp(hold) as first, serve_tcp(hold) as second:
            return await connect_to(first, second, delay=LONG) == first

    assert asyncio.run(run())


def test_when_every_address_refuses_so_does_the_connection() -> None:
    with closed_port() as one, closed_port() as two, pytest.raises(ConnectionRefusedError):
        asyncio.run(connect_to(one, two, delay=LONG))


def test_all_addresses_of_a_name_are_tried() -> None:
    async def run() -> bool:
        with closed_port() as closed:
            async with serve_tcp(hold) as good:
                found = [(V4, socket.SOCK_STREAM, 6, "", (HOST, port)) for port in (closed, good)]
                network = Network(ssl.create_default_context, Lookup(lambda host, port, type: found))
                with await network.connect("two.example", 443) as sock:
                    return bool(sock.getpeername() == (HOST, good))

    assert asyncio.run(run())


@pytest.mark.parametrize(
    ("silences", "answered"), [(0, True), (1, True), (2, True), (3, False)], ids=["none", "one", "two", "all"]
)
def test_one_address_is_asked_again_while_it_is_silent(silences: int, answered: bool) -> None:
    network = Network(ssl.create_default_context, Lookup(socket.getaddrinfo), timeout=3.0)
    begun = 0

    async def ask() -> str:
        nonlocal begun
        begun += 1
        await asyncio.sleep(LONG if begun <= silences else 0.0)
        return "answer"

    async def run() -> str | None:
        try:
            async with asyncio.timeout(network.timeout):
                return await network.ask_again(ask)
        except TimeoutError:
            return None

    assert run_virtually(run()) == ("answer" if answered else None)
    assert network.attempts == begun == min(silences + 1, 3)


def test_a_refusal_is_an_answer_and_not_asked_about_again() -> None:
    network = Network(ssl.create_default_context, Lookup(socket.getaddrinfo), timeout=LONG)
    with closed_port() as port, pytest.raises(ConnectionRefusedError):
        asyncio.run(network.connect(HOST, port))
    assert network.attempts == 1


@pytest.mark.parametrize(
    ("found", "order"),
    [
        ([], []),
        ([(V4, "a")], [(V4, "a")]),
        ([(V6, "a"), (V6, "b"), (V4, "c")], [(V6, "a"), (V4, "c"), (V6, "b")]),
        ([(V4, "a"), (V4, "b"), (V4, "c"), (V6, "d")], [(V4, "a"), (V6, "d"), (V4, "b"), (V4, "c")]),
    ],
    ids=["none", "one", "IPv6 preferred", "IPv4 preferred"],
)
def test_families_take_turns(found: list[Address], order: list[Address]) -> None:
    assert interleave_families(found) == order


def resolved_to(*addresses: str) -> TargetProber:
    found = [
        (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))
        for address in addresses
    ]
    targets: list[Target] = [
        TcpTarget("blocked.example", 80, "tcp"),
        HttpTarget("http://blocked.example/", "http"),
        IcmpTarget("blocked.example", "icmp"),
    ]
    return TargetProber(targets, PATIENT, resolve=lambda host, port, type: found)


@pytest.mark.parametrize("blocked", ["0.0.0.0", "127.0.0.1", "127.0.1.1", "::", "::1", "::ffff:127.0.0.1"])
def test_a_name_that_a_filter_leads_to_this_machine_is_not_asked(blocked: str) -> None:
    results = asyncio.run(resolved_to(blocked).probe_all())

    told = f"resolves to {blocked}, which is this machine; check for a DNS filter or {HOSTS_FILE}"
    reason = f'the name "blocked.example" {told}'
    assert {result.kind for result in results} >= {"tcp", "http"}  # and icmp, where this user may ping
    assert {(result.ok, result.failure, result.reason) for result in results} == {(False, Failure.NAME, reason)}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "::1", "[::1]"])
def test_what_is_this_machine_by_its_own_name_may_be_a_target(host: str) -> None:
    assert not is_name(host.strip("[]"))


def test_a_connection_to_this_machine_is_told_by_its_two_ends() -> None:
    async def run() -> str | None:
        async with serve_tcp(hold) as port:
            with await connect_first([at(port)]) as sock:
                return find_own_address(sock)

    assert asyncio.run(run()) == HOST
    with socket.socket() as lone:
        assert find_own_address(lone) is None, "nobody is at its other end"


ELSEWHERE = "answered HTTP 200, expected 204"


@pytest.mark.parametrize(
    ("own", "error", "reason", "failure"),
    [
        pytest.param(None, WrongAnswer(ELSEWHERE), ELSEWHERE, Failure.WRONG, id="another machine's page"),
        pytest.param(
            "192.0.2.7",
            WrongAnswer(ELSEWHERE),
            f"{ELSEWHERE}, sent by this machine: the name resolves to 192.0.2.7",
            Failure.DECLINED,
            id="the default page of its own ingress",
        ),
        pytest.param(
            "192.0.2.7",
            tls_error(ssl.SSLCertVerificationError, verify_message="Hostname mismatch"),
            "the certificate is not trusted: Hostname mismatch, sent by this machine: the name resolves to 192.0.2.7",
            Failure.DECLINED,
            id="the certificate of its own ingress",
        ),
    ],
)
def test_an_answer_of_this_very_machine_is_never_a_portals(
    own: str | None, error: Exception, reason: str, failure: Failure
) -> None:
    seen = Network(ssl.create_default_context, Lookup())
    seen.own = own
    with pytest.raises(WrongAnswer) as caught, naming_this_machine(seen):
        raise error
    assert (caught.value.reason, caught.value.failure) == (reason, failure)


def test_certificate_authorities_are_read_beside_the_loop_and_once() -> None:
    readers: list[str] = []

    def read() -> ssl.SSLContext:
        readers.append("the loop" if asyncio._get_running_loop() is not None else "a thread")
        return ssl.create_default_context()

    async def story() -> None:
        trust = cache(read)
        for _ in range(3):
            assert await Network(trust, Lookup()).load_trust() is trust()

    asyncio.run(story())
    assert readers == ["a thread"]
