"""Accepting clients: the same on a loop that watches sockets and on one that does not, whatever the clients do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from tests.fakes.loopback import HOST, PATIENT

from connmon_agent.accepting import Acceptor, Server, serve_streams

CLIENTS = 300
LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)  # closing resets


class BlindLoop(asyncio.SelectorEventLoop):
    """A loop that watches no sockets for others, as Windows' own."""

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        raise NotImplementedError

    def remove_reader(self, fd: Any) -> bool:
        raise NotImplementedError


@pytest.fixture(params=[asyncio.new_event_loop, BlindLoop], ids=["own loop", "blind loop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    def run_in_time(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(main, PATIENT))

    return run_in_time


Run = Callable[[Callable[[], Awaitable[None]]], None]


def listen() -> socket.socket:
    return socket.create_server((HOST, 0), backlog=CLIENTS)


def connect(port: int) -> socket.socket:
    return socket.create_connection((HOST, port))


def hang_up_at_once(port: int) -> None:
    with connect(port) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)


def await_end(client: socket.socket) -> None:
    """Until the other end has hung up; by then nothing of it is left open."""
    with client, contextlib.suppress(ConnectionError):
        client.sendall(b"and I?")
        while client.recv(100):
            pass


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        writer.write(await reader.read(100))
        await writer.drain()
    writer.close()


def count_threads() -> int:
    return sum(thread.name == "await clients" for thread in threading.enumerate())


async def ask(port: int, words: bytes) -> bytes:
    def converse() -> bytes:
        with connect(port) as client:
            client.sendall(words)
            return client.recv(100)

    return await asyncio.to_thread(converse)


def test_clients_are_taken_in_the_order_of_their_coming(run: Run) -> None:
    async def story() -> None:
        with listen() as listening:
            acceptor, port = Acceptor(listening), listening.getsockname()[1]
            for _ in range(3):
                waiting = asyncio.create_task(acceptor.accept())
                await asyncio.sleep(0)
                with connect(port) as client, await waiting as accepted:
                    assert accepted.getpeername() == client.getsockname()
                    assert not accepted.getblocking()
            acceptor.stop()

    run(story())


def test_who_hangs_up_before_being_taken_ends_nothing_and_is_no_error(run: Run) -> None:
    reported: list[dict[str, Any]] = []

    async def story() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
        server = serve_streams(listen(), echo)
        for _ in range(50):
            hang_up_at_once(server.port)
            await asyncio.sleep(0)
            hang_up_at_once(server.port)
        assert await ask(server.port, b"still there?") == b"still there?"
        server.close()

    run(story())
    assert reported == []


@pytest.mark.alone
def test_hundreds_at_once_are_all_answered(run: Run) -> None:
    async def story() -> None:
        server = serve_streams(listen(), echo)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(connect(server.port)) for _ in range(CLIENTS)]
            for number, client in enumerate(clients):
                client.sendall(str(number).encode())
            answers = await asyncio.to_thread(lambda: [client.recv(100) for client in clients])
            assert answers == [str(number).encode() for number in range(CLIENTS)]
        server.close()

    run(story())


def test_a_closed_server_gives_the_port_back_and_leaves_no_thread(run: Run) -> None:
    before = count_threads()  # a loop that another test closed without its servers leaves one

    async def story() -> None:
        first, second = serve_streams(listen(), echo), serve_streams(listen(), echo)
        assert await ask(first.port, b"1") + await ask(second.port, b"2") == b"12"
        first.close()
        with pytest.raises(ConnectionRefusedError):
            await ask(first.port, b"gone")
        assert await ask(second.port, b"there") == b"there"
        second.close()
        while count_threads() > before:
            await asyncio.sleep(0)

    run(story())


def test_a_client_for_whom_no_protocol_can_be_made_is_closed_and_the_next_one_served(run: Run) -> None:
    failed: list[object] = []

    async def story() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context["exception"]))

        def make() -> asyncio.BaseProtocol:
            if not failed:
                raise ValueError("no room")
            return asyncio.StreamReaderProtocol(asyncio.StreamReader(), echo)

        server = Server(listen(), make)
        with contextlib.suppress(ConnectionError):  # reset, where it had said something
            assert await ask(server.port, b"first") == b""
        assert await ask(server.port, b"second") == b"second"
        server.close()

    run(story())
    assert [str(error) for error in failed] == ["no room"]


@pytest.mark.parametrize("turns", range(6))
def test_a_client_that_is_being_taken_when_the_server_closes_is_let_go(run: Run, turns: int) -> None:
    async def story() -> None:
        server = serve_streams(listen(), echo)
        clients = [connect(server.port) for _ in range(5)]
        for _ in range(turns):  # between accepting and the protocol lie some turns of the loop
            await asyncio.sleep(0)
        server.close()
        await asyncio.to_thread(lambda: [await_end(client) for client in clients])

    run(story())
