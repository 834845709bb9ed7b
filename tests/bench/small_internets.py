"""A small internet, run as a command inside a network namespace: ``python small_internets.py ADDRESS...``.

On every address: HTTP on port 80 (204), a TCP listener on port 443, DNS on UDP port 53, where every name has the first
address. On port 8080 of all addresses of the namespace: a captive portal (302).
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

PATIENCE = 10.0  # seconds a connection may stay silent
OPEN = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
PORTAL = b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _serve(reply: bytes) -> Handler:
    """Wait for a request's head, unless there is nothing to ``reply``, and hang up."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n") if reply else reader.read(1), PATIENCE)
            writer.write(reply)
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            pass  # a client that went away, or was cut off
        finally:
            writer.close()

    return handle


class NameServer(asyncio.DatagramProtocol):
    """Answers questions of type A with one address, of type NS (monit's) with the root, and others with no record."""

    def __init__(self, address: str) -> None:
        self._records = {b"\0\1": b"\0\4" + socket.inet_aton(address), b"\0\2": b"\0\1\0"}  # by type: length, data
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        end = data.find(b"\0", 12) + 5
        if self._transport is None or end < 17 or len(data) < end:
            return
        kind = data[end - 4 : end - 2]
        record = self._records.get(kind)
        reply = data[:2] + b"\x81\x80\0\1" + (b"\0\1" if record else b"\0\0") + b"\0\0\0\0" + data[12:end]
        if record:
            reply += b"\xc0\x0c" + kind + b"\0\1\0\0\0\x05" + record
        self._transport.sendto(reply, addr)


async def main(addresses: list[str]) -> None:
    """Serve until the process is ended; says ``ready`` once everything listens."""
    await asyncio.start_server(_serve(PORTAL), "0.0.0.0", 8080)  # what is redirected arrives at the cable's own address
    for address in addresses:
        for port, reply in ((80, OPEN), (443, b"")):
            await asyncio.start_server(_serve(reply), address, port)
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: NameServer(addresses[0]), local_addr=(address, 53)
        )
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1:]))
