"""Windows' control pipe: what is not the same as with every transport (tests/runtime/test_control.py)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("named pipes are Windows'", allow_module_level=True)

from tests.fakes.wine import on_wine

from connmon_agent.runtime.control_transports.interface import Conversation
from connmon_agent.runtime.control_transports.named_pipe import exchange, listen, name_channel


async def echo(conversation: Conversation) -> None:
    await conversation.write(await conversation.read_line())


def serve(folder: Path, client: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        listener = await listen(folder, echo)
        try:
            await client()
        finally:
            await listener.close()

    asyncio.run(run())


@pytest.mark.skipif(on_wine(), reason="Wine passes FILE_FLAG_FIRST_PIPE_INSTANCE over")
def test_the_name_can_be_had_by_one_process_alone(tmp_path: Path) -> None:
    async def client() -> None:
        with pytest.raises(PermissionError):
            await listen(tmp_path, echo)

    serve(tmp_path, client)


def test_the_name_is_free_again_once_the_agent_has_ended(tmp_path: Path) -> None:
    answers: list[bytes] = []

    async def client() -> None:
        answers.append(await asyncio.to_thread(exchange, tmp_path, b"hello\n", 30.0))

    serve(tmp_path, client)
    serve(tmp_path, client)
    assert answers == [b"hello\n", b"hello\n"]
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path, b"hello\n", 30.0)


def test_the_folder_may_be_spelled_otherwise(tmp_path: Path) -> None:
    answers: list[bytes] = []

    async def client() -> None:
        answers.append(await asyncio.to_thread(exchange, Path(str(tmp_path).upper()), b"hello\n", 30.0))

    serve(tmp_path, client)
    assert answers == [b"hello\n"]


def test_a_client_that_opens_it_as_a_file_is_served_too(tmp_path: Path) -> None:
    answers: list[bytes] = []

    def talk() -> None:
        with open(name_channel(tmp_path), "r+b", buffering=0) as pipe:
            pipe.write(b"hello\n")
            answers.append(pipe.read(6))

    async def client() -> None:
        await asyncio.to_thread(talk)

    serve(tmp_path, client)
    assert answers == [b"hello\n"]


def test_a_long_line_comes_whole(tmp_path: Path) -> None:
    line, answers = b"x" * 60_000 + b"\n", list[bytes]()

    async def client() -> None:
        answers.append(await asyncio.to_thread(exchange, tmp_path, line, 30.0))

    serve(tmp_path, client)
    assert answers == [line]


def test_a_directory_with_a_long_path_has_one_name(tmp_path: Path) -> None:
    """Longer than the 260 characters of old: not everything that resolves links takes it."""
    folder = tmp_path.joinpath(*["x" * 40] * 8)
    folder.mkdir(parents=True)
    answers: list[bytes] = []

    async def client() -> None:
        answers.append(await asyncio.to_thread(exchange, folder, b"hello\n", 30.0))

    serve(folder, client)
    assert answers == [b"hello\n"] and len(str(folder)) > 320
