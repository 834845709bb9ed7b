"""Clients of local ports, inside the machine: one connects every so often, to one port after another.

A command is carried out meanwhile:

    clients.py CONNECTS INTERVAL PORT... -- COMMAND...

Prints JSON: when the command began and ended, and of each connection when it began, was connected and was answered, all
in seconds of CLOCK_MONOTONIC, which is the clock of systemd's timestamps. Standard library alone.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import Any

REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
BEFORE = 0.25  # the part of the connections after which the command is begun
PATIENCE = 120.0  # seconds for an answer


async def ask(port: int) -> dict[str, Any]:
    """One connection with one request."""
    found: dict[str, Any] = {"port": port, "began": time.monotonic()}
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            found["connected"] = time.monotonic()
            writer.write(REQUEST)
            answer = await reader.readuntil(b"\r\n\r\n")  # how long the pod then keeps the connection is its affair
            found["answered"] = time.monotonic()
            writer.close()
            if b" 200 " not in answer[:20]:
                found["error"] = f"answered {answer[:60]!r}"
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        found["error"] = type(error).__name__
    return found


async def main(connects: int, interval: float, ports: list[int], command: list[str]) -> dict[str, Any]:
    """All connections, and the command beside them."""
    loop = asyncio.get_running_loop()
    asking, running, began = [], None, loop.time()
    times: dict[str, float] = {}

    def carry_out() -> None:
        times["command_began"] = time.monotonic()
        subprocess.run(command, check=True, stdout=sys.stderr)
        times["command_ended"] = time.monotonic()

    for turn in range(connects):
        asking.append(asyncio.create_task(ask(ports[turn % len(ports)])))
        if turn == int(connects * BEFORE):
            running = loop.run_in_executor(None, carry_out)
        await asyncio.sleep(max(0.0, began + (turn + 1) * interval - loop.time()))
    connections = await asyncio.gather(*asking)
    if running is not None:
        await running
    return {**times, "connections": connections}


if __name__ == "__main__":
    split = sys.argv.index("--")
    numbers = sys.argv[1:split]
    arguments = (int(numbers[0]), float(numbers[1]), [int(port) for port in numbers[2:]], sys.argv[split + 1 :])
    print(json.dumps(asyncio.run(main(*arguments))))
