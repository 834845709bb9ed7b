from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.fakes.loopback import HOST, IMPATIENT, PATIENT, Handler, closed_port, has_ipv6, probe, serve_tcp, serve_udp
from tests.fakes.virtual_time import let_pass, run_held, run_virtually
from tests.fakes.wine import on_wine

from connmon_agent.core.observations import Failure, ProbeResult
from connmon_agent.probes.dns import build_query, check_header, check_records, is_truncated
from connmon_agent.probes.failures import ProbeFailure, WrongAnswer
from connmon_agent.settings import DnsTarget

NAME = b"\x07example\x03com\x00"
ALIAS = b"\x04edge\x03net\x00"
HEADER = 12
ASKED = b"\xc0\x0c"  # a pointer to the question's name
QUERY = build_query("example.com", 0x1234)
A, NS, CNAME, AAAA = 1, 2, 5, 28

Answer = Callable[[bytes], bytes]


def record(owner: bytes, kind: int, data: bytes, *, group: int = 1, length: int | None = None) -> bytes:
    return owner + struct.pack("!2HLH", kind, group, 300, len(data) if length is None else length) + data


ADDRESS = record(ASKED, A, bytes((192, 0, 2, 1)))


def reply(
    *records: bytes, flags: int = 0x8180, question: bytes | None = None, questions: int = 1, count: int | None = None
) -> Answer:
    """What answers a query with ``records``; ``count`` is how many it claims to have."""

    def answer(query: bytes) -> bytes:
        header = query[:2] + struct.pack("!5H", flags, questions, len(records) if count is None else count, 0, 0)
        return header + (query[HEADER:] if question is None else question) + b"".join(records)

    return answer


def with_other_id(query: bytes) -> bytes:
    return bytes((query[0] ^ 1, query[1])) + reply(ADDRESS)(query)[2:]


async def ask(answer: Answer, timeout: float = PATIENT, *, host: str = HOST, delay: float = 0.0) -> ProbeResult:
    async with serve_udp(lambda query: [answer(query)], host=host, delay=delay) as port:
        return await probe(DnsTarget(host, "example.com", "dns", port), timeout)


GOOD = {
    "an address": reply(ADDRESS),
    "several addresses": reply(ADDRESS, ADDRESS, ADDRESS),
    "the name in capitals": reply(ADDRESS, question=b"\x07EXAMPLE\x03COM\x00\x00\x01\x00\x01"),
    "the name spelt out again": reply(record(NAME, A, bytes(4))),
    "an alias and its address": reply(record(ASKED, CNAME, ALIAS), record(ALIAS, A, bytes(4))),
    "the alias behind its address": reply(record(ALIAS, A, bytes(4)), record(ASKED, CNAME, ALIAS)),
    "more than RFC 1035 lets a datagram hold": reply(*[ADDRESS] * 100),
    "authoritative": reply(ADDRESS, flags=0x8580),
}


@pytest.mark.parametrize("answer", GOOD.values(), ids=GOOD)
def test_a_good_answer(answer: Answer) -> None:
    result = asyncio.run(ask(answer))

    assert (result.kind, result.ok, result.reason) == ("dns", True, None)
    assert result.latency_ms is not None


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_a_server_with_an_ipv6_address() -> None:
    result = asyncio.run(ask(reply(ADDRESS), host="::1"))

    assert (result.ok, result.family) == (True, "ipv6")


LOOP_IN_PLACE = b"\xc0" + bytes((HEADER + len(NAME) + 4,))
WRONG = {
    "another id": (with_other_id, "the id of the answer does not match the query"),
    "a query": (reply(ADDRESS, flags=0x0180), "the answer is not flagged as a response"),
    "a notification": (reply(ADDRESS, flags=0xA180), "the answer is not flagged as a response"),
    "FORMERR": (reply(flags=0x8181), "answered FORMERR: the server does not understand the query"),
    "SERVFAIL": (reply(flags=0x8182), "answered SERVFAIL: the server could not resolve the name"),
    "NXDOMAIN": (reply(flags=0x8183), "answered NXDOMAIN: the name does not exist"),
    "REFUSED without the question": (
        reply(flags=0x8185, question=b"", questions=0),
        "answered REFUSED: the server refuses queries from this machine",
    ),
    "an rcode of the future": (reply(flags=0x818F), "answered error 15"),
    "another name": (
        reply(ADDRESS, question=b"\x07example\x03net\x00\x00\x01\x00\x01"),
        "the question in the answer does not match the query",
    ),
    "another type": (
        reply(ADDRESS, question=NAME + b"\x00\x1c\x00\x01"),
        "the question in the answer does not match the query",
    ),
    "no question": (reply(ADDRESS, questions=0, question=b""), "the question in the answer does not match the query"),
    "no record": (reply(), "answered without an address"),
    "an IPv6 address": (reply(record(ASKED, AAAA, bytes(16))), "answered without an address"),
    "an address of another class": (reply(record(ASKED, A, bytes(4), group=3)), "answered without an address"),
    "an address of three bytes": (reply(record(ASKED, A, bytes(3))), "answered without an address"),
    "an alias alone": (reply(record(ASKED, CNAME, ALIAS)), "answered without an address"),
    "somebody else's address": (reply(record(ALIAS, A, bytes(4))), "answered without an address"),
    "nothing": (lambda query: b"", "the answer is malformed"),
    "half a header": (lambda query: query[:6], "the answer is malformed"),
    "half a question": (lambda query: reply()(query)[:20], "the answer is malformed"),
    "a question cut before its class": (lambda query: reply()(query)[:-2], "the answer is malformed"),
    "half a record": (lambda query: reply(ADDRESS)(query)[:-1], "the answer is malformed"),
    "fewer records than claimed": (reply(ADDRESS, count=2), "the answer is malformed"),
    "65535 records claimed": (reply(ADDRESS, count=0xFFFF), "the answer is malformed"),
    "data beyond the end": (reply(record(ASKED, A, bytes(4), length=400)), "the answer is malformed"),
    "a pointer to itself": (reply(record(LOOP_IN_PLACE, A, bytes(4))), "the answer is malformed"),
    "a pointer forward": (reply(record(b"\xc0\x50", A, bytes(4)), bytes(100)), "the answer is malformed"),
    "two pointers in a ring": (
        reply(record(ASKED, NS, b"\xc0\x2b"), record(b"\xc0\x29", A, bytes(4))),
        "the answer is malformed",
    ),
    "a label of 64 bytes": (reply(record(b"\x40" + bytes(64) + b"\0", A, bytes(4))), "the answer is malformed"),
    "a name of 320 bytes": (reply(record((b"\x3f" + b"a" * 63) * 5 + b"\0", A, bytes(4))), "the answer is malformed"),
}


FAILURES = {"SERVFAIL": Failure.SERVFAIL, "NXDOMAIN": Failure.NXDOMAIN, "REFUSED": Failure.REFUSED}


@pytest.mark.parametrize(("answer", "reason"), WRONG.values(), ids=WRONG)
def test_a_wrong_answer_says_what_is_wrong(answer: Answer, reason: str) -> None:
    result = asyncio.run(ask(answer))

    assert (result.ok, result.reason) == (False, reason)
    assert result.failure is FAILURES.get(reason.split()[1].rstrip(":"), Failure.WRONG)
    assert result.latency_ms is not None, "something answered, and that takes a time"


def test_no_answer() -> None:
    async def run() -> ProbeResult:
        async with serve_udp(lambda query: []) as port:
            return await probe(DnsTarget(HOST, "example.com", "dns", port), IMPATIENT)

    assert run_virtually(run()) == ProbeResult(
        "dns", "dns", False, None, "no answer within 50 ms", "ipv4", Failure.SILENT, 3
    )


def test_a_late_answer_is_no_answer() -> None:
    late = ask(reply(ADDRESS), IMPATIENT, delay=2 * IMPATIENT)
    assert run_virtually(late).reason == "no answer within 50 ms"


@pytest.mark.skipif(on_wine(), reason="Wine tells nobody that a UDP port is closed")
def test_a_closed_port_is_refused() -> None:
    with closed_port(socket.SOCK_DGRAM) as port:
        result = asyncio.run(probe(DnsTarget(HOST, "example.com", "dns", port)))

    assert result == ProbeResult("dns", "dns", False, None, "connection refused", "ipv4", Failure.REFUSED)


def test_every_query_has_a_socket_and_an_id_of_its_own() -> None:
    queries: list[bytes] = []

    def answer(query: bytes) -> list[bytes]:
        queries.append(query)
        return [reply(ADDRESS)(query)]

    async def run() -> None:
        async with serve_udp(answer) as port:
            for _ in range(8):
                await probe(DnsTarget(HOST, "example.com", "dns", port))

    asyncio.run(run())

    assert len({query[:2] for query in queries}) > 1
    assert {query[2:] for query in queries} == {QUERY[2:]}


async def ask_again_over_tcp(over_tcp: Answer | None, timeout: float = PATIENT) -> tuple[ProbeResult, list[bytes]]:
    """Over UDP the answer is truncated; over TCP it is ``over_tcp``, or with None the port is closed."""
    queries: list[bytes] = []

    def truncate(query: bytes) -> list[bytes]:
        queries.append(query)
        return [reply(flags=0x8380)(query)]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        query = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        queries.append(query)
        assert over_tcp is not None
        writer.write(over_tcp(query))

    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(serve_both(truncate, None if over_tcp is None else answer))
        return await probe(DnsTarget(HOST, "example.com", "dns", port), timeout), queries


@contextlib.asynccontextmanager
async def serve_both(over_udp: Callable[[bytes], list[bytes]], over_tcp: Handler | None) -> AsyncIterator[int]:
    """A server on the same port of UDP and of TCP (None: which is closed there)."""
    async with contextlib.AsyncExitStack() as stack:
        while True:  # until a free port of TCP is one of UDP as well
            if over_tcp is None:
                port = stack.enter_context(closed_port())
            else:
                port = await stack.enter_async_context(serve_tcp(over_tcp))
            with contextlib.suppress(OSError):
                await stack.enter_async_context(serve_udp(over_udp, port=port))
                break
        yield port


def framed(answer: Answer) -> Answer:
    return lambda query: struct.pack("!H", len(answer(query))) + answer(query)


def test_a_truncated_answer_makes_it_ask_the_same_over_tcp() -> None:
    result, queries = asyncio.run(ask_again_over_tcp(framed(reply(*[ADDRESS] * 100))))

    assert result.ok
    assert len(queries) == 2 and queries[0][2:] == queries[1][2:]


HUNG_UP = "closed the connection before the answer was complete"


@pytest.mark.parametrize(
    ("over_tcp", "reason", "failure"),
    [
        (None, "the answer is truncated, and over TCP: connection refused", Failure.REFUSED),
        (lambda query: b"", HUNG_UP, Failure.REFUSED),
        (lambda query: b"\x00\x40" + reply(ADDRESS)(query), HUNG_UP, Failure.REFUSED),
        (framed(lambda query: b""), "the answer is malformed", Failure.WRONG),
        (framed(with_other_id), "the id of the answer does not match the query", Failure.WRONG),
        (framed(reply(flags=0x8182)), "answered SERVFAIL: the server could not resolve the name", Failure.SERVFAIL),
        (framed(reply()), "answered without an address", Failure.WRONG),
    ],
    ids=["refused", "hung up", "cut short", "empty", "another id", "SERVFAIL", "no record"],
)
def test_a_wrong_answer_over_tcp_says_what_is_wrong(over_tcp: Answer | None, reason: str, failure: Failure) -> None:
    result, _ = asyncio.run(ask_again_over_tcp(over_tcp))

    assert (result.reason, result.failure) == (reason, failure)


@pytest.mark.parametrize("size", [1, 2, 100], ids=["a byte at a time", "two", "at once"])
def test_a_server_asked_over_tcp_alone(size: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        text = framed(reply(ADDRESS))(await reader.readexactly(int.from_bytes(await reader.readexactly(2))))
        for start in range(0, len(text), size):
            writer.write(text[start : start + size])
            await writer.drain()

    async def run() -> ProbeResult:
        async with serve_tcp(answer) as port:
            return await probe(DnsTarget(HOST, "example.com", "dns", port, transport="tcp"))

    result = asyncio.run(run())
    assert (result.ok, result.reason, result.family) == (True, None, "ipv4")


def test_a_server_asked_over_tcp_alone_that_is_not_there_is_refused() -> None:
    with closed_port() as port:
        result = asyncio.run(probe(DnsTarget(HOST, "example.com", "dns", port, transport="tcp")))

    assert (result.reason, result.failure) == ("connection refused", Failure.REFUSED)


IPV6_ADDRESS = record(ASKED, AAAA, bytes(16))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply(IPV6_ADDRESS), None),
        (reply(record(ASKED, CNAME, ALIAS), record(ALIAS, AAAA, bytes(16))), None),
        (reply(ADDRESS), "answered without an IPv6 address"),
        (reply(record(ASKED, AAAA, bytes(4))), "answered without an IPv6 address"),
        (reply(IPV6_ADDRESS, question=NAME + b"\0\1\0\1"), "the question in the answer does not match the query"),
    ],
    ids=["an address", "of an alias", "an IPv4 address", "an address of four bytes", "the other question"],
)
def test_an_ipv6_address_is_asked_for_and_nothing_else_will_do(answer: Answer, reason: str | None) -> None:
    async def run() -> ProbeResult:
        async with serve_udp(lambda query: [answer(query)]) as port:
            return await probe(DnsTarget(HOST, "example.com", "dns", port, record="AAAA"))

    assert asyncio.run(run()).reason == reason


TIMEOUT = 3.0  # seconds of a held clock; a third of it is each query's
MORE_THAN_A_SHARE, HALF_A_SHARE = 1.1, 0.5


class Forgetful:
    """A name server that leaves the first ``lost`` queries without an answer, until it is time for the next one."""

    def __init__(self, lost: int) -> None:
        self.lost = lost
        self.queries: list[bytes] = []

    def __call__(self, query: bytes) -> list[bytes]:
        self.queries.append(query)
        if len(self.queries) > self.lost:
            return [reply(ADDRESS)(query)]
        let_pass(MORE_THAN_A_SHARE)
        return []


@pytest.mark.parametrize(
    ("lost", "answered"), [(0, True), (1, True), (2, True), (3, False)], ids=["none", "one", "two", "all"]
)
def test_lost_packets_are_made_good_by_further_queries(lost: int, answered: bool) -> None:
    server = Forgetful(lost)

    async def run() -> ProbeResult:
        async with serve_udp(server) as port:
            return await probe(DnsTarget(HOST, "example.com", "dns", port), TIMEOUT)

    result = run_held(run())
    assert result.ok is answered
    assert result.attempts == len(server.queries) == min(lost + 1, 3)
    assert len({query[2:] for query in server.queries}) == 1


def test_the_first_query_may_still_be_answered_after_the_second() -> None:
    queries: list[bytes] = []

    def answer_the_first(query: bytes) -> list[bytes]:
        queries.append(query)
        if len(queries) > 1:
            let_pass(HALF_A_SHARE)
            return []
        let_pass(MORE_THAN_A_SHARE)
        return [reply(ADDRESS)(query)]

    async def run() -> ProbeResult:
        async with serve_udp(answer_the_first, delay=HALF_A_SHARE) as port:
            return await probe(DnsTarget(HOST, "example.com", "dns", port), TIMEOUT)

    assert run_held(run()).ok
    assert len(queries) == 2


def test_an_error_is_an_answer_and_is_not_asked_for_twice() -> None:
    queries: list[bytes] = []

    def refuse(query: bytes) -> list[bytes]:
        queries.append(query)
        return [reply(flags=0x8185)(query)]

    async def run() -> ProbeResult:
        async with serve_udp(refuse) as port:
            return await probe(DnsTarget(HOST, "example.com", "dns", port))

    assert asyncio.run(run()).failure is Failure.REFUSED
    assert len(queries) == 1


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("example.com", NAME),
        ("example.com.", NAME),
        ("bücher.example", b"\x0dxn--bcher-kva\x07example\x00"),
        ("a" * 63 + ".x", b"\x3f" + b"a" * 63 + b"\x01x\x00"),
    ],
    ids=["plain", "with the root", "international", "longest label"],
)
def test_a_query_names_the_domain(name: str, encoded: bytes) -> None:
    assert build_query(name, 0x1234) == b"\x12\x34\x01\x00\x00\x01" + bytes(6) + encoded + b"\x00\x01\x00\x01"


@pytest.mark.parametrize("name", ["", ".", "a..b", "a" * 64 + ".com", ".".join(["a" * 60] * 5), "ü" * 80])
def test_what_is_no_domain_name_is_not_sent(name: str) -> None:
    result = asyncio.run(probe(DnsTarget(HOST, name, "dns", 9)))

    assert result.reason == f'"{name}" is not a domain name'


def test_a_server_must_be_an_address() -> None:
    result = asyncio.run(probe(DnsTarget("dns.example", "example.com", "dns")))

    assert (result.reason, result.failure) == ('"dns.example" is not an IP address', Failure.BROKEN)


def judge(answer: bytes) -> None:
    """All that is done with an answer, without the sockets."""
    with contextlib.suppress(WrongAnswer):
        check_header(QUERY, answer)
        is_truncated(answer)
        check_records(QUERY, answer)


@given(st.binary(max_size=600))
def test_no_answer_breaks_the_parser(answer: bytes) -> None:
    judge(answer)


@given(st.binary(max_size=300), st.integers(0, 0xFFFF))
@example(b"\xc0\x1d" * 100, 100)
def test_no_records_break_the_parser(records: bytes, count: int) -> None:
    judge(reply(records, count=count)(QUERY))


@given(st.data())
def test_no_damage_breaks_the_parser(data: st.DataObject) -> None:
    answer = bytearray(reply(record(ASKED, CNAME, ALIAS), record(ALIAS, A, bytes(4)))(QUERY))
    for _ in range(data.draw(st.integers(1, 4))):
        answer[data.draw(st.integers(HEADER, len(answer) - 1))] = data.draw(st.integers(0, 255))
    judge(bytes(answer[: data.draw(st.integers(0, len(answer)))]))


@given(st.text(max_size=300))
def test_no_name_breaks_the_query(name: str) -> None:
    with contextlib.suppress(ProbeFailure):
        query = build_query(name, 1)
        check_header(query, reply()(query))
