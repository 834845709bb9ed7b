"""What is asked beside the rounds: no round waits for it, and each answer is told once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.fakes.loopback import HOST, PATIENT, closed_port, serve_tcp, silent_port
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.observations import Failure, ProbeResult
from connmon_agent.probes.companions import Companion
from connmon_agent.probes.prober import TargetProber
from connmon_agent.settings import ApiTarget, GatewayTarget, TcpTarget

FOUND = ProbeResult("api 192.0.2.1:6443", "api", True)


def answer_after(seconds: float, asked: list[float]) -> Callable[[], Awaitable[ProbeResult | None]]:
    async def ask() -> ProbeResult | None:
        asked.append(asyncio.get_running_loop().time())
        await asyncio.sleep(seconds)
        return FOUND

    return ask


def test_an_answer_is_told_once_and_nobody_waits_for_it() -> None:
    async def story() -> None:
        companion = Companion(answer_after(5.0, []))
        companion.begin()
        assert companion.take() == []
        await asyncio.sleep(6.0)
        assert (companion.take(), companion.take()) == ([FOUND], [])

    run_virtually(story())


def test_it_is_asked_once_at_a_time_and_not_too_often() -> None:
    async def story() -> None:
        asked: list[float] = []
        companion = Companion(answer_after(1.0, asked), pause=2.0)
        for _ in range(12):
            companion.begin()
            await asyncio.sleep(0.5)
            companion.take()
        assert asked == [0.0, 2.0, 4.0]

    run_virtually(story())


def test_an_answer_that_is_kept_is_told_again_for_a_while() -> None:
    async def story() -> None:
        companion = Companion(answer_after(0.1, []), keep=3.0)
        companion.begin()
        await companion.linger(1.0)
        found = [companion.take()]
        for _ in range(2):
            await asyncio.sleep(2.0)
            found.append(companion.take())
        assert found == [[FOUND], [FOUND], []]

    run_virtually(story())


def test_a_kept_answer_can_be_forgotten() -> None:
    async def story() -> None:
        companion = Companion(answer_after(0.1, []), keep=3.0)
        companion.begin()
        await companion.linger(1.0)
        assert companion.take() == [FOUND]
        companion.forget()
        assert companion.take() == []

    run_virtually(story())


def test_it_is_waited_for_only_as_long_as_said() -> None:
    async def story() -> None:
        companion = Companion(answer_after(5.0, []))
        companion.begin()
        await companion.linger(0.5)
        assert (asyncio.get_running_loop().time(), companion.take()) == (0.5, [])
        await companion.close()

    run_virtually(story())


def test_nothing_to_be_asked_is_nothing_to_be_told() -> None:
    async def ask() -> ProbeResult | None:
        return None

    async def story() -> None:
        companion = Companion(ask)
        companion.begin()
        await asyncio.sleep(0.1)
        assert companion.take() == []

    run_virtually(story())


def test_what_is_under_way_is_given_up_at_the_end() -> None:
    async def story() -> None:
        companion = Companion(answer_after(1e9, []))
        companion.begin()
        await asyncio.sleep(1.0)
        await companion.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtually(story())


# By the prober.


async def rounds_until(prober: TargetProber, kind: str) -> ProbeResult:
    """The first result of this kind."""
    async with asyncio.timeout(PATIENT):
        while True:
            for result in await prober.probe_all():
                if result.kind == kind:
                    return result
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("listens", [True, False])
def test_the_api_server_is_asked_with_the_rounds(listens: bool) -> None:
    async def story() -> ProbeResult:
        async with serve_tcp(hang_up) as port:
            with closed_port() as closed:
                target = ApiTarget(HOST, port if listens else closed, "api")
                prober = TargetProber((), PATIENT, find_api=lambda: target)
                try:
                    return await rounds_until(prober, "api")
                finally:
                    await prober.close()

    result = asyncio.run(story())
    assert (result.name, result.ok, result.failure) == ("api", listens, None if listens else Failure.REFUSED)


def test_no_round_waits_for_a_silent_api_server_or_gateway() -> None:
    async def story() -> list[str]:
        with silent_port() as silent, closed_port() as closed:
            target = ApiTarget(HOST, silent, "api")
            prober = TargetProber([TcpTarget(HOST, closed, "port")], PATIENT, find_api=lambda: target)
            prober.watch_gateway("127.0.0.1")
            results = await prober.probe_all()
            await prober.close()
            return [result.name for result in results if result.kind != "gateway"]

    assert asyncio.run(story()) == ["port"]


def test_a_gateway_is_asked_while_it_is_watched() -> None:
    async def story() -> ProbeResult:
        prober = TargetProber((), PATIENT)
        prober.watch_gateway("127.0.0.1")
        found = await rounds_until(prober, "gateway")
        prober.watch_gateway(None)
        await prober.probe_all()  # what was under way is still told
        prober.watch_gateway(None)
        assert await prober.probe_all() == ()
        await prober.close()
        return found

    found = asyncio.run(story())
    assert (found.name, found.ok, found.family) == ("gateway 127.0.0.1", True, "ipv4")


def test_a_gateway_that_is_a_target_already_is_not_asked_twice() -> None:
    async def story() -> set[str]:
        prober = TargetProber([GatewayTarget("of the default route", HOST)], PATIENT)
        prober.watch_gateway("127.0.0.1")
        names = {result.name for _ in range(3) for result in await prober.probe_all()}
        await prober.close()
        return names

    assert asyncio.run(story()) <= {"of the default route"}


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()
