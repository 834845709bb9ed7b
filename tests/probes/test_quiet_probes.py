"""One target asked alone, the others where it is no answer in time, and what all of it takes on the line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.fakes.loopback import HOST, PATIENT, answer_with, closed_port, open_port, serve_tcp, serve_udp, silent_port
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.observations import ProbeResult
from connmon_agent.probes.patience import UsualTimes
from connmon_agent.probes.prober import TargetProber
from connmon_agent.settings import DnsTarget, HttpTarget, Target, TcpTarget

IP, UDP, QUERY, RECORD = 20, 8, 29, 16  # bytes: the query is for example.com


HTTP_TEXT = b"HTTP/1.1 200 OK\r\n\r\n"


def echo_an_address(datagram: bytes) -> list[bytes]:
    """A DNS answer to ``datagram`` with one address."""
    head = datagram[:2] + b"\x81\x80\0\1\0\1\0\0\0\0"
    return [head + datagram[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\x05\0\4\x7f\0\0\1"]


async def ask_quietly(targets: list[Target], first: str, *, timeout: float = PATIENT) -> tuple[list[ProbeResult], int]:
    """The results, and how often it was doubted."""
    doubts: list[None] = []
    prober = TargetProber(targets, timeout)
    results = await prober.probe_quietly(first, doubt=lambda: doubts.append(None))
    await prober.close()
    return list(results), len(doubts)


def test_a_target_that_answers_is_asked_alone() -> None:
    async def story() -> None:
        async with (
            open_port() as plain,
            serve_tcp(answer_with(HTTP_TEXT)) as port,
            serve_udp(echo_an_address) as name_server,
        ):
            targets: list[Target] = [
                TcpTarget(HOST, plain, "tcp"),
                DnsTarget(HOST, "example.com", "dns", port=name_server),
                HttpTarget(f"http://{HOST}:{port}/", "http"),
            ]
            for target in targets:
                (result,), doubts = await ask_quietly(targets, target.name)
                assert (result.name, result.ok, doubts) == (target.name, True, 0)

    asyncio.run(story())


@pytest.mark.parametrize("first", ["refused", "no such target"])
def test_anything_but_an_answer_asks_all_of_them(first: str) -> None:
    async def story() -> None:
        async with open_port() as port:
            with closed_port() as closed:
                targets: list[Target] = [TcpTarget(HOST, port, "good"), TcpTarget(HOST, closed, "refused")]
                results, doubts = await ask_quietly(targets, first)
        assert [(result.name, result.ok) for result in results] == [("good", True), ("refused", False)]
        assert doubts == 1

    asyncio.run(story())


def test_a_silent_target_is_doubted_long_before_its_timeout_and_has_its_whole_timeout_all_the_same() -> None:
    async def story() -> None:
        with silent_port() as one, silent_port() as two:
            targets: list[Target] = [TcpTarget(HOST, one, "first"), TcpTarget(HOST, two, "second")]
            clock = asyncio.get_running_loop().time
            began, doubted = clock(), list[float]()
            prober = TargetProber(targets, 1.0)
            results = await prober.probe_quietly("first", doubt=lambda: doubted.append(clock() - began))
            assert doubted == [pytest.approx(0.25, abs=0.01)]
            assert clock() - began == pytest.approx(1.25, abs=0.01)  # the second has its whole time, too
            assert [result.reason for result in results] == ["no answer within 1 s"] * 2

    run_virtually(story())


def test_a_quiet_round_that_is_given_up_leaves_nothing_behind() -> None:
    async def story() -> None:
        with silent_port() as port:
            prober = TargetProber([TcpTarget(HOST, port, "one")], PATIENT)
            asking = asyncio.ensure_future(prober.probe_quietly("one", doubt=lambda: None))
            await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await prober.close()
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(story())


@pytest.mark.parametrize(
    ("answers", "late"),
    [
        pytest.param([], 0.25, id="nothing is known: a quarter of the timeout"),
        pytest.param([0.01] * 20, 0.25, id="a fast one: no sooner"),
        pytest.param([0.01, 0.3, 0.01], 0.45, id="half as much again as the slowest"),
        pytest.param([0.9], 1.0, id="never later than the timeout"),
        pytest.param([0.6, *[0.01] * 20], 0.25, id="what is long ago is forgotten"),
    ],
)
def test_when_a_target_is_late(answers: list[float], late: float) -> None:
    usual = UsualTimes()
    for seconds in answers:
        usual.note("web", seconds)
    assert usual.late_after("web", 1.0) == pytest.approx(late)
    assert usual.late_after("another", 1.0) == 0.25


def test_an_answer_that_comes_late_is_no_lost_packet_though_it_was_asked_for_again() -> None:
    """The way takes 400 ms; every 333 ms the probe asks again."""

    async def story() -> None:
        async with serve_udp(echo_an_address, delay=0.4) as port:
            target = DnsTarget(HOST, "example.com", "far away", port=port)
            (result,) = await TargetProber([target], 1.0).probe_all()
        assert (result.ok, result.attempts) == (True, 1)
        assert result.latency_ms == pytest.approx(400, abs=20)

    run_virtually(story())


def test_a_lost_packet_is_counted() -> None:
    seen: list[bytes] = []

    def lose_the_first(datagram: bytes) -> list[bytes]:
        seen.append(datagram)
        return echo_an_address(datagram) if len(seen) > 1 else []

    async def story() -> None:
        async with serve_udp(lose_the_first) as port:
            target = DnsTarget(HOST, "example.com", "lossy", port=port)
            (result,) = await TargetProber([target], 1.0).probe_all()
        assert (result.ok, result.attempts) == (True, 2)
        assert result.bytes == 2 * (IP + UDP + QUERY) + (IP + UDP + QUERY + RECORD)

    run_virtually(story())


@pytest.mark.linux_alone(reason="what the kernel counts of a connection")
@pytest.mark.parametrize(
    ("make", "least", "most"),
    [
        pytest.param(lambda port: TcpTarget(HOST, port, "tcp"), 160, 212, id="tcp: SYN, its answer, a reset"),
        pytest.param(
            lambda port: HttpTarget(f"http://{HOST}:{port}/", "http"), 500, 800, id="http: with what was said"
        ),
    ],
)
def test_what_a_connection_takes_on_the_line(make: Callable[[int], Target], least: int, most: int) -> None:
    async def story() -> None:
        async with open_port() if make(1).name == "tcp" else serve_tcp(answer_with(HTTP_TEXT)) as port:
            (result,) = await TargetProber([make(port)], PATIENT).probe_all()
        assert result.ok and least <= result.bytes <= most

    asyncio.run(story())


def test_what_is_not_answered_takes_its_questions() -> None:
    async def story() -> None:
        with silent_port() as port:
            (result,) = await TargetProber([TcpTarget(HOST, port, "silent")], 1.0).probe_all()
        assert (result.attempts, result.bytes) == (3, 3 * 60)

    run_virtually(story())
