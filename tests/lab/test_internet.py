from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.fakes.loopback import IMPATIENT, PATIENT, probe
from tests.fakes.wine import on_wine

from connmon_agent.probes.dns import build_query, check_header, check_records
from connmon_agent.probes.failures import WrongAnswer
from connmon_agent.probes.prober import TargetProber
from connmon_agent.settings import DnsTarget, HttpTarget, TcpTarget
from connmon_lab.internet import HOST, Cut, LoopbackInternet, answer_query

SILENT = "no answer within 50 ms"
REFUSED = "connection refused"
REDIRECTED = "answered HTTP 302, expected 204"
HOW_IT_LOOKS = {  # to tcp, dns and http
    None: (None, None, None),
    Cut.DROP: (SILENT, SILENT, SILENT),
    # Wine tells nobody that a UDP port is closed.
    Cut.REFUSE: (REFUSED, SILENT if on_wine() else REFUSED, REFUSED),
    Cut.PORTAL: (None, None, REDIRECTED),
    Cut.PORTAL_PAGE: (None, None, "answered HTTP 200, expected 204"),
    Cut.DNS_DEAD: (None, SILENT, None),
    Cut.DNS_FAILING: (None, "answered SERVFAIL: the server could not resolve the name", None),
}


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[LoopbackInternet]:
    internet = LoopbackInternet()
    await internet.start()
    try:
        yield internet
    finally:
        await internet.stop()


async def look(internet: LoopbackInternet) -> tuple[str | None, ...]:
    """The reasons of the three probes; only those that are to wait in vain are impatient."""
    expected = zip(internet.targets(), HOW_IT_LOOKS[internet.broken], strict=True)
    looks = [probe(target, IMPATIENT if reason == SILENT else PATIENT) for target, reason in expected]
    return tuple(result.reason for result in await asyncio.gather(*looks))


def with_internet(scenario: Callable[[LoopbackInternet], Awaitable[None]]) -> None:
    async def run() -> None:
        async with running() as internet:
            await scenario(internet)

    asyncio.run(run())


def test_a_target_of_each_kind_on_ports_of_its_own() -> None:
    async def scenario(internet: LoopbackInternet) -> None:
        tcp, dns, http = internet.targets()
        assert isinstance(tcp, TcpTarget) and isinstance(dns, DnsTarget) and isinstance(http, HttpTarget)
        assert (tcp.host, dns.server) == (HOST, HOST)
        assert http.url.endswith("/generate_204") and http.status == 204
        assert len({target.name for target in internet.targets()}) == 3

    with_internet(scenario)


@pytest.mark.parametrize("mode", Cut)
def test_cut_and_mended(mode: Cut) -> None:
    async def scenario(internet: LoopbackInternet) -> None:
        targets = internet.targets()
        assert await look(internet) == HOW_IT_LOOKS[None]

        await internet.cut(mode)
        assert internet.broken is mode
        assert await look(internet) == HOW_IT_LOOKS[mode]

        await internet.restore()
        assert internet.broken is None
        assert await look(internet) == HOW_IT_LOOKS[None]
        assert internet.targets() == targets

    with_internet(scenario)


def test_one_cut_takes_the_place_of_another() -> None:
    async def scenario(internet: LoopbackInternet) -> None:
        for mode in [Cut.DROP, Cut.REFUSE, Cut.PORTAL, Cut.DROP, Cut.DNS_DEAD, Cut.REFUSE, Cut.REFUSE]:
            await internet.cut(mode)
            assert await look(internet) == HOW_IT_LOOKS[mode]

    with_internet(scenario)


@pytest.mark.parametrize("mode", Cut)
def test_a_cut_breaks_open_connections(mode: Cut) -> None:
    async def scenario(internet: LoopbackInternet) -> None:
        tcp = internet.targets()[0]
        assert isinstance(tcp, TcpTarget)
        reader, writer = await asyncio.open_connection(tcp.host, tcp.port)
        await look(internet)  # by now the server has accepted
        await internet.cut(mode)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.transport.abort()

    with_internet(scenario)


@pytest.mark.parametrize("mode", [None, *Cut])
def test_stopping_gives_the_ports_back(mode: Cut | None) -> None:
    async def run() -> TcpTarget:
        async with running() as internet:
            if mode is not None:
                await internet.cut(mode)
            tcp = internet.targets()[0]
        assert isinstance(tcp, TcpTarget)
        return tcp

    # Somebody else may take one of them in between, but not every time.
    assert any(is_free(asyncio.run(run())) for _ in range(10))


def is_free(target: TcpTarget) -> bool:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind((target.host, target.port))
        except OSError:
            return False
    return True


def test_stopping_what_never_started_is_no_error() -> None:
    asyncio.run(LoopbackInternet().stop())


def test_only_the_agreed_path_has_no_content() -> None:
    async def scenario(internet: LoopbackInternet) -> None:
        http = internet.targets()[2]
        assert isinstance(http, HttpTarget)
        other = HttpTarget(http.url.replace("generate_204", "other"), "other", 204)
        (result,) = await TargetProber([other], PATIENT).probe_all()
        assert result.reason == "answered HTTP 404, expected 204"

    with_internet(scenario)


@pytest.mark.parametrize("record", ["A", "AAAA"])
def test_it_knows_the_addresses_of_every_name(record: str) -> None:
    query = build_query("anything.example", 7, record)
    answer = answer_query(query)

    assert answer is not None
    check_header(query, answer)
    check_records(query, answer)


def test_it_knows_nothing_but_addresses() -> None:
    question = build_query("anything.example", 7)
    mail = question[:-4] + b"\0\x0f\0\x01"
    answer = answer_query(mail)

    assert answer is not None and answer[12:] == mail[12:]
    with pytest.raises(WrongAnswer, match="without an address"):
        check_records(question, answer[:-4] + question[-4:])


@pytest.mark.parametrize("datagram", [b"", b"\0" * 12, b"\0" * 16, build_query("example.com", 7)[:-1], b"x" * 40])
def test_what_is_no_query_gets_no_answer(datagram: bytes) -> None:
    assert answer_query(datagram) is None
