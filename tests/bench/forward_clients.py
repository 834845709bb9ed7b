"""Clients of a local port, run as a command where the port is: ``python forward_clients.py ROLE ARGUMENT...``.

Each role writes one JSON document, the streams of ``poll`` and ``ready`` one a line until they are ended. Seconds are
those of ``time.monotonic``, which every process of the machine shares. What no service answers is null.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HOST = "127.0.0.1"
PATIENCE = 30.0  # seconds for one connection to do what is asked of it
CHUNK = 256 * 1024
NEVER_GIVEN_OUT = range(20_000, 30_000)  # ports that Linux does not use for outgoing connections
PAUSE = 0.05  # seconds between two looks
VISIT = 5.0  # seconds that a client of ``poll`` gives a connection


def ports(number: str) -> list[int]:
    """So many ports that nobody has."""
    free: list[int] = []
    for port in random.sample(NEVER_GIVEN_OUT, len(NEVER_GIVEN_OUT)):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if one.connect_ex((HOST, port)) != 0:
                free.append(port)
        if len(free) == int(number):
            break
    return free


def download(port: str, size: str) -> float:
    """MB/s from the first byte to the end of what the service sends."""
    buffer = bytearray(CHUNK)
    with socket.create_connection((HOST, int(port)), PATIENCE) as one:
        first = got = one.recv_into(buffer)
        began = time.monotonic()
        while count := one.recv_into(buffer):
            got += count
        taken = time.monotonic() - began
    if got != int(size):
        raise SystemExit(f"{got} of {size} bytes came")
    return (got - first) / taken / 1e6


def upload(port: str, size: str) -> float:
    """MB/s until the service has said that it has everything."""
    data = memoryview(bytes(CHUNK))
    with socket.create_connection((HOST, int(port)), PATIENCE) as one:
        began = time.monotonic()
        for start in range(0, int(size), CHUNK):
            one.sendall(data[: int(size) - start])
        if not one.recv(1):
            raise SystemExit("the service did not say that it has everything")
        return int(size) / (time.monotonic() - began) / 1e6


def connect(port: str, number: str, pause: str) -> list[float | None]:
    """Milliseconds of new connections, each until one byte has come back."""
    taken: list[float | None] = []
    for _ in range(int(number)):
        taken.append(_connect_once(int(port)))
        time.sleep(float(pause))
    return taken


def _connect_once(port: int) -> float | None:
    began = time.monotonic()
    try:
        with socket.create_connection((HOST, port), PATIENCE) as one:
            one.sendall(b"x")
            return (time.monotonic() - began) * 1e3 if one.recv(1) == b"x" else None
    except OSError:
        return None


def trip(port: str, number: str, size: str) -> list[float]:
    """Milliseconds of round trips of ``size`` bytes on one connection."""
    data, taken = bytes(int(size)), []
    with socket.create_connection((HOST, int(port)), PATIENCE) as one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(int(number) + 1):
            began = time.monotonic()
            one.sendall(data)
            if len(one.recv(len(data), socket.MSG_WAITALL)) != len(data):
                raise SystemExit("the connection ended")
            taken.append((time.monotonic() - began) * 1e3)
    return taken[1:]  # before the first one the connection may have had to be made


def page(port: str) -> bool:
    """Whether the service answers to HTTP."""
    connection = http.client.HTTPConnection(HOST, int(port), timeout=PATIENCE)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def hold(port: str, seconds: str) -> bool:
    """Read one byte of what a service sends as fast as it can, and nothing more for a while."""
    with socket.create_connection((HOST, int(port)), PATIENCE) as one:
        came = bool(one.recv(1))
        time.sleep(float(seconds))
    return came


def first(port: str, patience: str) -> float:
    """Seconds of a new connection until the first byte of what a service sends."""
    began = time.monotonic()
    with socket.create_connection((HOST, int(port)), float(patience)) as one:
        if not one.recv(1):
            raise SystemExit("nothing came")
    return time.monotonic() - began


def crowd(port: str, number: str) -> dict[str, float | None]:
    """How many of so many connections at once got a byte back while all of those were open, and seconds until then."""
    return asyncio.run(_crowd(int(port), int(number)))


async def _crowd(port: int, number: int) -> dict[str, float | None]:
    began = time.monotonic()
    opened = await asyncio.gather(*(_echo_first(port) for _ in range(number)))
    seconds = time.monotonic() - began
    answered = await asyncio.gather(*(_echo(*pair) for pair in opened if pair is not None))
    for pair in opened:
        if pair is not None:
            pair[1].transport.abort()
    return {"answered": sum(answered), "seconds": seconds}


Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _echo_first(port: int) -> Pair | None:
    try:
        async with asyncio.timeout(PATIENCE):
            pair = await asyncio.open_connection(HOST, port)
    except OSError:
        return None
    if await _echo(*pair):
        return pair
    pair[1].transport.abort()
    return None


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            writer.write(b"x")
            return await reader.read(1) == b"x"
    except OSError:
        return False


def poll(port: str) -> None:
    """A new connection every PAUSE, each with its own patience: [began, first byte, what came]."""
    asyncio.run(_poll(int(port)))


async def _poll(port: int) -> None:
    visits: set[asyncio.Task[None]] = set()
    while True:
        visit = asyncio.create_task(_visit(port))
        visits.add(visit)
        visit.add_done_callback(visits.discard)
        await asyncio.sleep(PAUSE)


async def _visit(port: int) -> None:
    began, came, writer = time.monotonic(), b"", None
    try:
        async with asyncio.timeout(VISIT):
            reader, writer = await asyncio.open_connection(HOST, port)
            came = await reader.read(CHUNK)
    except OSError:
        pass
    _tell([began, time.monotonic(), came.decode().strip() or None])
    if writer is not None:
        writer.transport.abort()


def ready(kubeconfig: str) -> None:
    """Ask the API server every PAUSE whether it is ready: [when it said so or not, whether]."""
    with _access(Path(kubeconfig)) as (address, context):
        while True:
            _tell([time.monotonic(), _is_ready(address, context)])
            time.sleep(PAUSE)


def _is_ready(address: str, context: ssl.SSLContext) -> bool:
    connection = http.client.HTTPSConnection(address, context=context, timeout=1.0)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def _access(kubeconfig: Path) -> Iterator[tuple[str, ssl.SSLContext]]:
    """Host and port of the API server, and how to speak to it: the kubeconfig's client certificate, if it has one."""
    from connmon_agent.kube.kubeconfig import Places, read_access

    access = read_access(kubeconfig, None, Places.of_this_machine())
    context = ssl.create_default_context(cadata=access.authority)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        if access.certificate and access.key:
            file.write(f"{access.certificate}\n{access.key}")
            file.flush()
            context.load_cert_chain(file.name)
        yield urlsplit(access.server).netloc, context


def _tell(document: Any) -> None:
    print(json.dumps(document), flush=True)


ROLES: dict[str, Callable[..., Any]] = {
    role.__name__: role for role in (ports, download, upload, connect, trip, page, hold, first, crowd, poll, ready)
}

if __name__ == "__main__":
    answer = ROLES[sys.argv[1]](*sys.argv[2:])
    _tell(answer)
