"""What runs in pods' ports, and how it ends."""

from __future__ import annotations

import asyncio
import socket

from connmon_lab.kubernetes.programs import _run


def test_a_program_whose_client_does_not_read_leaves_no_socket_behind() -> None:
    async def scenario() -> None:
        client, served = socket.socketpair()
        stuck = asyncio.Event()

        async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(bytes(10_000_000))
            stuck.set()
            await writer.drain()

        with client:
            running = asyncio.create_task(_run(pour, served))
            await stuck.wait()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await asyncio.sleep(0)  # asyncio closes the socket after this
            assert served.fileno() == -1

    asyncio.run(scenario())
