from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.loopback import IMPATIENT, PATIENT
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.observations import Failure
from connmon_agent.probes.echoes import build_echo, check_echo, exchange_echo, send_by_function
from connmon_agent.probes.failures import WrongAnswer, classify_error
from connmon_agent.probes.lookups import Address, Lookup
from connmon_agent.probes.network import Network
from connmon_agent.windows_api.icmp_replies import check_status

V4, V6 = socket.AF_INET, socket.AF_INET6
PAYLOAD = b"abcdefgh"
ping_sockets = pytest.mark.linux_alone(reason="Windows has a function for echoes instead of ping sockets")
GOOD = struct.pack("!BBHHH", 0, 0, 0xBEEF, 7, 513) + PAYLOAD
GOOD_V6 = b"\x81" + GOOD[1:]
IP_HEADER = b"\x45" + bytes(19)
LONGER_IP_HEADER = b"\x46" + bytes(23)

Router = Callable[[bytes], list[bytes]]


def turn_round(request: bytes) -> bytes:
    """The reply to an echo, as RFC 792 wants it."""
    return bytes((129 if request[0] == 128 else 0,)) + request[1:]


@pytest.mark.parametrize(("family", "kind"), [(V4, b"\x08\x00"), (V6, b"\x80\x00")], ids=["IPv4", "IPv6"])
def test_a_request(family: int, kind: bytes) -> None:
    assert build_echo(family, 513, PAYLOAD) == kind + b"\0\0" + b"\0\0" + b"\x02\x01" + PAYLOAD


@pytest.mark.parametrize(
    ("family", "answer"),
    [(V4, GOOD), (V4, IP_HEADER + GOOD), (V4, LONGER_IP_HEADER + GOOD), (V6, GOOD_V6)],
    ids=["IPv4", "IPv4 with its header", "IPv4 with a header that has options", "IPv6"],
)
def test_an_echo_of_what_was_sent_is_good(family: int, answer: bytes) -> None:
    check_echo(answer, family, 513, PAYLOAD)


OTHER = "the echo does not match the request"
WRONG = {
    "nothing": (V4, b"", "the answer is malformed"),
    "half a header": (V4, GOOD[:7], "the answer is malformed"),
    "an IP header alone": (V4, IP_HEADER, "the answer is malformed"),
    "an IP header longer than all": (V4, b"\x4f" + bytes(20), "the answer is malformed"),
    "half a payload": (V4, GOOD[:-1], OTHER),
    "no payload": (V4, GOOD[:8], OTHER),
    "a longer payload": (V4, GOOD + b"x", OTHER),
    "64 KiB": (V4, GOOD + bytes(65_000), OTHER),
    "another payload": (V4, GOOD[:-1] + b"x", OTHER),
    "another sequence": (V4, GOOD[:7] + b"\x02" + PAYLOAD, OTHER),
    "the request itself": (V4, b"\x08" + GOOD[1:], "answered ICMP type 8, code 0, not an echo"),
    "a code": (V4, b"\x00\x01" + GOOD[2:], "answered ICMP type 0, code 1, not an echo"),
    "IPv6's reply over IPv4": (V4, GOOD_V6, "answered ICMP type 129, code 0, not an echo"),
    "IPv4's reply over IPv6": (V6, GOOD, "answered ICMP type 0, code 0, not an echo"),
    "a router that is not there": (V4, b"\x03\x01" + GOOD[2:], "answered ICMP type 3, code 1, not an echo"),
}


@pytest.mark.parametrize(("family", "answer", "reason"), WRONG.values(), ids=WRONG)
def test_anything_else_says_what_is_wrong(family: int, answer: bytes, reason: str) -> None:
    with pytest.raises(WrongAnswer) as failure:
        check_echo(answer, family, 513, PAYLOAD)

    assert failure.value.reason == reason


async def exchange(router: Router, *, times: int = 1, delay: float = 0.0, timeout: float = PATIENT) -> None:
    """Echoes over a pair of sockets, of which the other one is the network."""
    loop = asyncio.get_running_loop()
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with here, there:
        here.setblocking(False)
        there.setblocking(False)

        def receive() -> None:
            for answer in router(there.recv(65_535)):
                loop.call_later(delay, send, answer)

        def send(answer: bytes) -> None:
            with contextlib.suppress(OSError):  # too late for anybody
                there.send(answer)

        loop.add_reader(there, receive)
        try:
            async with asyncio.timeout(timeout):
                for _ in range(times):
                    await exchange_echo(here, V4)
        finally:
            loop.remove_reader(there)


@ping_sockets
def test_every_echo_has_a_sequence_and_a_payload_of_its_own() -> None:
    requests: list[bytes] = []

    def answer(request: bytes) -> list[bytes]:
        requests.append(request)
        return [turn_round(request)]

    asyncio.run(exchange(answer, times=8))

    assert len({request[6:8] for request in requests}) > 1
    assert len({request[8:] for request in requests}) == 8


@ping_sockets
def test_somebody_elses_echo_is_a_wrong_answer() -> None:
    with pytest.raises(WrongAnswer, match=OTHER):
        asyncio.run(exchange(lambda request: [turn_round(request)[:-1] + b"\xff\xff"]))


@ping_sockets
@pytest.mark.parametrize(
    ("router", "delay"),
    [(lambda request: [], 0.0), (lambda request: [turn_round(request)], 2 * IMPATIENT)],
    ids=["silent", "late"],
)
def test_no_answer_in_time_is_waited_for_no_longer(router: Router, delay: float) -> None:
    with pytest.raises(TimeoutError):
        run_virtually(exchange(router, delay=delay, timeout=IMPATIENT))


@given(st.binary(max_size=80), st.sampled_from([V4, V6]))
def test_no_answer_breaks_the_parser(answer: bytes, family: int) -> None:
    with pytest.raises(WrongAnswer):
        check_echo(answer, family, 513, bytes(64) + b"not in eighty bytes")


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_flipped_byte_goes_unnoticed_but_in_checksum_and_identifier(place: int, mask: int) -> None:
    damaged = GOOD[:place] + bytes((GOOD[place] ^ mask,)) + GOOD[place + 1 :]
    if 2 <= place < 6:  # the kernel has looked at these
        check_echo(damaged, V4, 513, PAYLOAD)
    else:
        with pytest.raises(WrongAnswer):
            check_echo(damaged, V4, 513, PAYLOAD)


def by_function(
    send: Callable[[str, bytes, float], bytes], address: Address = (V4, ("192.0.2.1", 0))
) -> tuple[Network, BaseException | None]:
    """Send an echo by a function that waits, as Windows has it; returns what the network saw, and the failure."""
    network = Network(ssl.create_default_context, Lookup(), timeout=0.7)

    async def attempt() -> BaseException | None:
        try:
            await send_by_function(address, network, send)
        except (OSError, WrongAnswer) as failure:
            return failure
        return None

    return network, asyncio.run(attempt())


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ((V4, ("192.0.2.1", 0)), "192.0.2.1"),
        ((V6, ("2001:db8::1", 0, 0, 0)), "2001:db8::1"),
        ((V6, ("fe80::1", 0, 0, 12)), "fe80::1%12"),
        ((V6, ("fe80::1%12", 0, 0, 12)), "fe80::1%12"),
    ],
)
def test_a_function_is_asked_for_the_address_within_the_probes_time(address: Address, asked: str) -> None:
    calls: list[tuple[str, int, float]] = []

    def answer(host: str, payload: bytes, timeout: float) -> bytes:
        calls.append((host, len(payload), timeout))
        return payload

    network, failure = by_function(answer, address)
    assert (calls, failure) == ([(asked, 32, 0.7)], None)
    assert network.bytes > 2 * 32


def test_a_function_that_brings_back_something_else_has_not_proved_anything() -> None:
    _, failure = by_function(lambda host, payload, timeout: payload[:-1])
    assert isinstance(failure, WrongAnswer)


def test_what_a_function_fails_with_is_the_failure() -> None:
    def fail(host: str, payload: bytes, timeout: float) -> bytes:
        check_status(11003)
        return payload

    network, failure = by_function(fail)
    assert isinstance(failure, OSError)
    assert classify_error(failure) is Failure.UNREACHABLE
    assert 0 < network.bytes < 2 * 60, "only the request was sent"
