"""What a client sends reaches a backend, whenever the one before it is given up."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from tests.port_forwarding.places import RESET, run, until

from connmon_agent.port_forwarding.intakes import SMALL, Intake
from connmon_agent.port_forwarding.pod_failures import PodBroke, PodRefused
from connmon_agent.port_forwarding.pod_frames import HEADROOM
from connmon_agent.port_forwarding.relays import Relay, Upload
from connmon_agent.port_forwarding.traffic_counters import TrafficCounters

STEPS = range(8)  # of the event loop: more than a receive takes from the bytes' arrival to its end


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[tuple[socket.socket, socket.socket, Intake]]:
    """The client's own end of a connection, ours, and what receives from it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
    with theirs, ours:
        theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ours.setblocking(False)
        intake = Intake(ours)
        try:
            yield theirs, ours, intake
        finally:
            await intake.close()


async def step(count: int) -> None:
    """Let the event loop make so many steps."""
    for _ in range(count):
        await asyncio.sleep(0)


async def give_up(task: asyncio.Task[memoryview]) -> bytes:
    """What it had received where it was too late for that."""
    task.cancel()
    await asyncio.wait({task})
    return b"" if task.cancelled() else bytes(task.result()[HEADROOM:])


class Backend:
    """A backend's stream. It breaks when the test says so, and else ends once it has got ``enough``."""

    cheap = renewable = False

    def __init__(self, enough: int = 0) -> None:
        self.got = b""
        self.broken: PodBroke | None = None
        self._enough = enough
        self._news = asyncio.Event()

    def fail(self, broken: PodBroke) -> None:
        self.broken = broken
        self._news.set()

    async def read(self) -> bytes:
        await self._news.wait()
        if self.broken is not None:
            raise self.broken
        return b""

    async def write(self, frame: memoryview) -> None:
        if self.broken is not None:
            raise self.broken
        self.got += frame[HEADROOM:]
        if len(self.got) >= self._enough > 0:
            self._news.set()

    def finish(self) -> bool:
        return True

    async def attend(self) -> None:
        raise NotImplementedError

    async def ping(self, timeout: float) -> bool:
        raise NotImplementedError

    async def renew(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def abort(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("steps", STEPS)
def test_what_came_when_receiving_was_given_up_is_received_next(steps: int) -> None:
    async def scenario() -> None:
        async with client() as (theirs, _, intake):
            receiving = asyncio.create_task(intake.receive())
            await step(3)
            theirs.send(b"first")
            await step(steps)
            got = await give_up(receiving)
            theirs.send(b"next")
            while len(got) < len(b"firstnext"):
                got += (await intake.receive())[HEADROOM:]
            assert got == b"firstnext"

    run(scenario())


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("known_before", [False, True])
def test_what_came_when_a_pod_refused_goes_to_the_next_one(steps: int, known_before: bool) -> None:
    """``known_before``: what is written then is refused, too."""

    async def scenario() -> None:
        async with client() as (theirs, ours, intake):
            upload, counters, refusing = Upload(), TrafficCounters(), Backend()
            refused = PodRefused("unreachable", "it refuses")
            relaying = asyncio.create_task(Relay(ours, intake, refusing, upload, counters).run())
            await step(4)
            if known_before:
                refusing.broken = refused
            theirs.send(b"hello")
            await step(steps)
            refusing.fail(refused)
            with pytest.raises(PodRefused) as caught:
                await relaying
            assert upload.may_go_elsewhere(caught.value)
            theirs.send(b" there")
            accepting = Backend(len(b"hello there"))
            upload.written = False
            theirs.shutdown(socket.SHUT_WR)
            await Relay(ours, intake, accepting, upload, counters).run()
            assert accepting.got == b"hello there"

    run(scenario())


def test_a_way_that_ended_before_anything_was_written_can_be_replaced() -> None:
    """Also where its end is read as one that breaks a connection in use."""

    async def scenario() -> None:
        async with client() as (theirs, ours, intake):
            upload, gone = Upload(), Backend()
            gone.broken = PodRefused("unreachable", "the way is gone")
            theirs.send(b"hello")
            relaying = asyncio.create_task(Relay(ours, intake, gone, upload, TrafficCounters()).run())
            await until(lambda: bool(upload.kept))
            gone.fail(PodBroke("unreachable", "it broke"))
            with pytest.raises(PodBroke) as caught:
                await relaying
            assert upload.may_go_elsewhere(caught.value)

    run(scenario())


def test_a_large_buffer_is_for_who_fills_the_small_one() -> None:
    async def scenario() -> None:
        async with client() as (theirs, _, intake):
            theirs.send(bytes(3 * SMALL))
            assert len(await intake.receive()) == HEADROOM + SMALL
            assert len(await intake.receive()) == HEADROOM + 2 * SMALL
            theirs.send(b"x")
            assert len(await intake.receive()) == HEADROOM + 1
            theirs.send(bytes(2 * SMALL))
            assert len(await intake.receive()) == HEADROOM + SMALL

    run(scenario())


def reset(theirs: socket.socket) -> None:
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    theirs.close()


@pytest.mark.parametrize(
    ("act", "waits"),
    [
        (lambda theirs: None, True),
        (lambda theirs: theirs.send(b"x"), True),
        (lambda theirs: theirs.shutdown(socket.SHUT_WR), True),
        (reset, False),
    ],
    ids=["nothing", "bytes", "half-close", "reset"],
)
def test_whether_a_client_waits_is_known_while_nobody_takes_what_it_sends(
    act: Callable[[socket.socket], object], waits: bool
) -> None:
    """Also where what tells it was received already, so that its socket does not tell it any more."""

    async def scenario() -> None:
        async with client() as (theirs, _, intake):
            receiving = asyncio.create_task(intake.receive())
            await step(3)
            assert await give_up(receiving) == b""
            act(theirs)
            if not waits:
                await until(lambda: not intake.is_waiting())
            await step(8)
            assert intake.is_waiting() is waits

    run(scenario())
