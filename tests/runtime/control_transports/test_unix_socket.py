"""The Unix socket: whose it is, where it lies, and what a killed agent left there."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from connmon_agent.runtime.control_transports.interface import Conversation
from connmon_agent.runtime.control_transports.unix_socket import FILE_NAME, exchange, listen, name_operator

pytestmark = pytest.mark.linux_alone(reason="Windows' Python has no Unix sockets: test_named_pipe.py")


def serve(folder: Path, client: Callable[[], Awaitable[object]]) -> None:
    """Run ``client`` beside a listener that says each line back."""

    async def echo(conversation: Conversation) -> None:
        await conversation.write(await conversation.read_line())

    async def run() -> None:
        listener = await listen(folder, echo)
        try:
            await client()
        finally:
            await listener.close()

    asyncio.run(run())


def say(folder: Path, answers: list[bytes]) -> Callable[[], Awaitable[object]]:
    async def client() -> None:
        answers.append(await asyncio.to_thread(exchange, folder, b"hello\n", 30.0))

    return client


def test_the_socket_belongs_to_the_agents_user_alone_and_goes_with_the_agent(tmp_path: Path) -> None:
    modes: list[int] = []

    async def client() -> None:
        modes.append(stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode))

    serve(tmp_path, client)
    assert modes == [0o600]
    assert not (tmp_path / FILE_NAME).exists()


def test_a_state_directory_may_lie_deeper_than_a_unix_address_is_long(tmp_path: Path) -> None:
    deep, answers = tmp_path / ("d" * 100) / ("e" * 100), list[bytes]()
    deep.mkdir(parents=True)
    serve(deep, say(deep, answers))
    assert answers == [b"hello\n"]


def test_a_socket_that_a_killed_agent_left_behind_is_replaced(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("")
    answers = list[bytes]()
    serve(tmp_path, say(tmp_path, answers))
    assert answers == [b"hello\n"]


def test_an_operator_without_a_name_is_told_by_number() -> None:
    assert name_operator(4_000_000_000, 7) == "user 4000000000 (pid 7)"
