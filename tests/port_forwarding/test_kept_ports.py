"""Local ports whose sockets outlive the agent: no client is refused, and none is left waiting for ever."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from msgspec import structs
from tests.port_forwarding.places import (
    AT,
    BIND,
    cluster,
    connect,
    destination,
    echo,
    free_port,
    order,
    place,
    receive,
    run,
    send,
    until,
)
from tests.sockets.holders import free_ports

from connmon_agent.settings import ForwardingSettings
from connmon_agent.sockets.keeping import NothingKept, end_listening
from connmon_lab.kubernetes import EmbeddedKubernetes

WEB = ("Deployment", "default", "web")


@dataclass
class FakeStore(NothingKept):
    """The port ListenerStore: ``outside`` is what lives on when the agent is gone."""

    outside: dict[tuple[str, int], socket.socket] = field(default_factory=dict)
    left: dict[tuple[str, int], socket.socket] = field(default_factory=dict)

    def kept(self) -> frozenset[tuple[str, int]]:
        return frozenset(self.left)

    def find(self, address: str, port: int) -> socket.socket | None:
        return self.left.get((address, port))

    def keep(self, address: str, port: int, listener: socket.socket) -> None:
        if self.left.pop((address, port), None) is None:
            self.outside[address, port] = listener.dup()

    def remove(self, address: str, port: int, listener: socket.socket) -> None:
        end_listening(listener)
        self.outside.pop((address, port)).close()

    def release(self, wanted: object) -> None:
        assert isinstance(wanted, set | tuple)
        for there in [there for there in self.left if there not in wanted]:
            listener = self.left.pop(there)
            self.remove(*there, listener)
            listener.close()

    def next_process(self) -> FakeStore:
        return FakeStore(self.outside, {there: kept.dup() for there, kept in self.outside.items()})

    def end(self) -> None:
        for kept in (*self.outside.values(), *self.left.values()):
            kept.close()


def echoing() -> EmbeddedKubernetes:
    api = cluster()
    api.programs.run(*WEB, 8080, echo)
    return api


def test_who_connects_while_no_agent_runs_is_served_by_the_next_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = FakeStore()
        async with place(tmp_path, echoing(), store=store) as here:
            port = here.port
        waiting = await connect(port)
        await send(waiting, b"still here")
        later = store.next_process()
        async with place(tmp_path / "next", echoing(), store=later, listening=False, port=port) as here:
            assert (await here.forwarder.listen(order(port), AT)).refusal is None
            assert await receive(waiting, 10) == b"still here"
            waiting.close()
        later.end()

    run(scenario())


def test_a_connection_that_was_just_accepted_is_served_before_the_agent_ends(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = FakeStore()
        async with place(tmp_path, echoing(), store=store) as here:
            with await connect(here.port) as client:
                await send(client, b"quick")
                await until(lambda: here.traffic.open == 1)
                ending = asyncio.create_task(here.forwarder.close())
                assert await receive(client, 5) == b"quick"
                client.close()
                await ending
        store.end()

    run(scenario())


@pytest.mark.linux_alone(reason="listening sockets that a service manager keeps")
@pytest.mark.parametrize("alternatives", [(), (1,)])
def test_a_port_that_no_service_can_use_is_let_go_of(tmp_path: Path, alternatives: tuple[int, ...]) -> None:
    """Its clients see an end, and others may have it: after a change of the configuration."""

    async def scenario() -> None:
        store, (old, new) = FakeStore(), free_ports(2)
        async with place(tmp_path, cluster(), store=store, listening=False, port=old) as here:
            assert (await here.forwarder.listen(order(old), AT)).refusal is None
        waiting = await connect(old)
        later = store.next_process()
        settings = {"port": new, "alternatives": alternatives}
        async with place(tmp_path / "next", cluster(), store=later, listening=False, **settings):
            assert later.kept() == frozenset() == later.outside.keys()
            with pytest.raises(ConnectionResetError), waiting:
                await asyncio.get_running_loop().sock_recv(waiting, 1)
        later.end()

    run(scenario())


def test_the_ports_of_a_service_without_one_are_kept_until_it_has_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        store, (alternative, primary) = FakeStore(), free_ports(2)
        settings = {"port": primary, "alternatives": (alternative,)}
        async with place(tmp_path, cluster(), store=store, listening=False, **settings) as here:
            assert (await here.forwarder.listen(order(alternative), AT)).refusal is None
        later = store.next_process()
        async with place(tmp_path / "next", cluster(), store=later, listening=False, **settings) as here:
            assert later.kept() == {(BIND[0], alternative)}
            assert (await here.forwarder.listen(order(primary), AT)).refusal is None
            assert later.kept() == frozenset()
            assert later.outside.keys() == {(BIND[0], primary)}
        later.end()

    run(scenario())


def test_a_reload_lets_go_of_what_it_takes_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = FakeStore()
        async with place(tmp_path, cluster(), store=store) as here:
            before = here.port
            settings = structs.replace(destination().settings, port=free_port())
            changed = replace(destination(), settings=settings)
            await here.forwarder.configure({"web": changed}, ForwardingSettings(bind=BIND))
            here.forwarder.retain(())
            assert store.outside == {}
            with pytest.raises(ConnectionRefusedError):
                await connect(before)

    run(scenario())
