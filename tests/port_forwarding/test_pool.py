from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest
from tests.fakes.kube_sites import PATIENT
from tests.fakes.virtual_time import let_pass, run_held
from tests.port_forwarding.places import Place, cluster, connect, echo, page, place, receive, run, send, until
from tests.port_forwarding.test_forwarder import roll

from connmon_agent.kube.backends import Backend
from connmon_agent.port_forwarding.connecting import Connected
from connmon_agent.port_forwarding.pool import DELAY, Pool
from connmon_agent.port_forwarding.resolver import Resolver
from connmon_lab.kubernetes import EmbeddedKubernetes, Timing

KEPT = {"spdy": 2, "websocket": 1}  # SPDY connections come back when their client has gone
WEB = ("Deployment", "default", "web")


def echoing(**options: int) -> EmbeddedKubernetes:
    api = cluster(**options)
    api.programs.run(*WEB, 8080, echo)
    return api


async def session(here: Place) -> None:
    """One client that comes and goes."""
    client = await connect(here.port)
    await send(client, b"x")
    assert await receive(client, 1) == b"x"
    client.close()
    await until(lambda: here.traffic.open == 0)


async def settle(here: Place, way: str) -> None:
    """After the first client: one was made for it, and another one for the next."""
    await until(lambda: here.opened() == 2 and here.open() == KEPT[way])


def test_there_is_none_before_somebody_came(tmp_path: Path, either_way: str) -> None:
    async def scenario() -> None:
        async with place(tmp_path, echoing()) as here:
            await session(here)
            await settle(here, either_way)

    run(scenario())


def test_the_next_client_gets_it_without_another_way_being_opened(tmp_path: Path, either_way: str) -> None:
    async def scenario() -> None:
        async with place(tmp_path, echoing()) as here:
            await session(here)
            await settle(here, either_way)
            here.api.access.deny("create", "pods/portforward")
            await session(here)
            assert here.opened() == 2

    run(scenario())


def test_one_that_is_not_fresh_must_answer(tmp_path: Path, either_way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connmon_agent.port_forwarding.pool.FRESH", -1.0)

    async def scenario() -> None:
        async with place(tmp_path, echoing()) as here:
            await session(here)
            await settle(here, either_way)
            here.api.access.deny("create", "pods/portforward")
            await session(here)
            assert here.opened() == 2

    run(scenario())


def test_one_whose_pod_was_replaced_is_let_go(tmp_path: Path, either_way: str) -> None:
    async def scenario() -> None:
        api = cluster()
        async with place(tmp_path, api) as here:
            old = await page(here.port)
            await settle(here, either_way)
            roll(api)
            await until(lambda: old not in here.pods())
            assert await page(here.port) == here.pods()[0]

    run(scenario())


def test_one_whose_pod_is_no_longer_ready_is_let_go(tmp_path: Path, either_way: str) -> None:
    async def scenario() -> None:
        async with place(tmp_path, echoing()) as here:
            await session(here)
            await settle(here, either_way)
            here.api.workloads.become_unready(*WEB)
            await until(lambda: here.open() == 0)

    run(scenario())


def test_one_that_the_other_side_ended_is_not_made_again_unasked(tmp_path: Path, either_way: str) -> None:
    async def scenario() -> None:
        async with place(tmp_path, echoing()) as here:
            await session(here)
            await settle(here, either_way)
            here.api.forwards.kill("default", here.pods()[0])
            await until(lambda: here.open() == 0)
            assert here.opened() == 2
            await session(here)
            await until(lambda: here.opened() >= 4 and here.open() >= 2)  # two, for the client had to wait

    run(scenario())


def test_a_way_goes_from_client_to_client(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with place(tmp_path, echoing()) as here:
            await session(here)
            await settle(here, "spdy")
            here.api.access.deny("create", "pods/portforward")
            for _ in range(20):
                await session(here)
            assert (here.opened(), here.traffic.served, here.traffic.failed) == (2, 21, 0)

    run(scenario())


def test_no_client_has_to_get_past_what_another_did_not_read(tmp_path: Path) -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(bytes(65536))
            await writer.drain()

    async def scenario() -> None:
        api = cluster()
        api.programs.run(*WEB, 8080, pour)
        async with place(tmp_path, api) as here:
            client = await connect(here.port)
            await receive(client, 1)
            await until(lambda: here.opened() == 2 and here.open() == 2)
            client.close()
            await until(lambda: here.open() == 1)
            assert here.traffic.failed == 0

    run(scenario())


def test_no_client_has_to_get_past_what_a_pod_did_not_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connmon_agent.port_forwarding.spdy_connections.FAREWELL", 0.1)
    came: list[bytes] = []

    async def hold_the_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.readexactly(1))
        if len(came) == 1:
            await asyncio.Event().wait()
        writer.write(came[-1])

    async def scenario() -> None:
        api = cluster(pace=Timing(ready_after=0.0, linger=PATIENT))
        api.programs.run(*WEB, 8080, hold_the_first)
        async with place(tmp_path, api) as here:
            client = await connect(here.port)
            await send(client, bytes(1 << 20))
            await until(lambda: here.opened() == 2 and here.traffic.sent == 1 << 20)
            client.close()
            await until(lambda: here.open() == 1)
            for _ in range(5):
                await session(here)

    run(scenario())


class Way:
    """A stream that the next client may have; ``comes_back`` is set by the test (None: at once)."""

    cheap, renewable = False, True

    def __init__(self, comes_back: asyncio.Event | None = None) -> None:
        self._comes_back = comes_back

    async def read(self) -> bytes:
        return b""

    async def write(self, frame: memoryview) -> None:
        return None

    def finish(self) -> bool:
        return True

    async def attend(self) -> None:
        await asyncio.Event().wait()

    async def ping(self, timeout: float) -> bool:
        return True

    async def renew(self) -> Way:
        if self._comes_back is not None:
            await self._comes_back.wait()
        return self

    async def close(self) -> None:
        return None

    async def abort(self) -> None:
        return None


class EveryWay:
    """The part of a Resolver that a Pool needs: whatever there is leads to a backend."""

    def leads_to(self, uid: str) -> bool:
        return True

    async def changed(self) -> None:
        await asyncio.Event().wait()

    def nudge(self) -> None:
        return None


class Ways:
    """A pool whose connections are made at once, and how many were."""

    def __init__(self) -> None:
        self.made = 0
        self.pool = Pool(self._make, cast(Resolver, EveryWay()))

    async def _make(self) -> Connected:
        self.made += 1
        return Connected(Way(), Backend(8080))

    async def fill(self) -> None:
        """Let the time come at which some are made, and each be made."""
        let_pass(DELAY)
        await turn(20)


async def turn(times: int) -> None:
    """Let what is ready be done, and what becomes ready by it."""
    for _ in range(times):
        await asyncio.sleep(0)


def test_one_that_comes_back_when_others_are_made_counts_once() -> None:
    async def scenario() -> None:
        ways, comes_back = Ways(), asyncio.Event()
        ways.pool.note_use()
        assert ways.pool.take_back(Connected(Way(comes_back), Backend(8080)))
        await turn(3)

        def come_back() -> None:
            comes_back.set()
            let_pass(DELAY)  # so that both are due in the same turn of the loop

        asyncio.get_running_loop().call_soon(come_back)
        await turn(20)
        assert ways.made == 1
        await ways.pool.close()

    run_held(scenario())


def test_as_many_are_made_as_are_wanted() -> None:
    async def scenario() -> None:
        ways = Ways()
        ways.pool.note_use()
        for _ in range(2):
            assert await ways.pool.take() is None  # somebody has to wait: twice as many
        await ways.fill()
        assert ways.made == 4
        await ways.pool.close()

    run_held(scenario())
