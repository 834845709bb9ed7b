"""While the agent's own thread computes no answer can be taken: that is neither silence nor slowness of the link."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.fakes.loopback import HOST, answer_with, open_port, serve_tcp, silent_port
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.observations import Failure, ProbeResult
from connmon_agent.probes.own_load import OwnLoad, limit_fairly
from connmon_agent.probes.prober import TargetProber
from connmon_agent.settings import HttpTarget, Target, TcpTarget

LIMIT = 0.05  # seconds; as much as the work takes several times over


def compute(seconds: float) -> None:
    """Keep this thread busy for so many seconds of processor time."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def probe_beside_work(target: Target, *, work: float) -> ProbeResult:
    """One round in a loop that is busy, once the question is on its way."""
    asking = asyncio.ensure_future(TargetProber([target], LIMIT).probe_all())
    for _ in range(4):  # turns of the loop until it is asked
        await asyncio.sleep(0)
    compute(work)
    (result,) = await asking
    return result


@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_an_answer_that_came_while_the_agent_was_busy_is_an_answer_whose_time_is_not_known(kind: str) -> None:
    async def story() -> None:
        web_server = serve_tcp(answer_with(b"HTTP/1.1 200 OK\r\n\r\n"))
        async with web_server if kind == "http" else open_port() as port:
            web, plain = HttpTarget(f"http://{HOST}:{port}/", "it"), TcpTarget(HOST, port, "it")
            target: Target = web if kind == "http" else plain
            result = await probe_beside_work(target, work=4 * LIMIT)
        assert (result.ok, result.latency_ms) == (True, None)

    asyncio.run(story())


def test_silence_is_silence_however_busy_the_agent_was() -> None:
    async def story() -> None:
        with silent_port() as port:
            result = await probe_beside_work(TcpTarget(HOST, port, "it"), work=4 * LIMIT)
        assert (result.ok, result.failure) == (False, Failure.SILENT)

    asyncio.run(story())


def test_work_that_ends_in_time_fails_in_time_or_never_ends() -> None:
    async def fail() -> None:
        raise ConnectionRefusedError

    async def story() -> None:
        await limit_fairly(asyncio.sleep(1.0), 2.0)
        with pytest.raises(ConnectionRefusedError):
            await limit_fairly(fail(), 2.0)
        clock = asyncio.get_running_loop().time
        began = clock()
        with pytest.raises(TimeoutError):
            await limit_fairly(asyncio.sleep(600.0), 2.0)
        assert clock() - began == pytest.approx(2.0, abs=0.1)
        assert len(asyncio.all_tasks()) == 1

    run_virtually(story())


def test_what_is_cancelled_takes_its_work_with_it() -> None:
    async def story() -> None:
        limited = asyncio.ensure_future(limit_fairly(asyncio.sleep(600.0), 600.0))
        await asyncio.sleep(1.0)
        limited.cancel()
        await asyncio.gather(limited, return_exceptions=True)
        assert limited.cancelled() and len(asyncio.all_tasks()) == 1

    run_virtually(story())


def test_a_little_work_spoils_nothing_and_much_of_it_does() -> None:
    load = OwnLoad()
    assert not load.spoils(0.0)
    compute(0.15)
    assert load.spoils(0.25) and not load.spoils(10.0)
    assert load.take() > 0.1
    assert load.take() < 0.1
