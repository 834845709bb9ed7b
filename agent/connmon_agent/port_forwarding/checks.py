"""Is a local port's other end reached? The agent asks as a client would: by a connection to its own port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

from .. import __version__
from ..connection_failures import explain_failure
from ..http1 import BadAnswer, HttpExchange
from .clients import reset
from .forward import LocalPort
from .sessions import Session

GRACE = 0.4  # seconds in which a pod that refuses is heard of, after the way to it is open
PATIENCE = 15.0  # seconds for a whole check; a port that holds clients for long holds the check, too
ANSWER = 5.0  # seconds for the head of an HTTP answer
PIECE = 4096  # bytes that are read at once

Trouble = tuple[str, bool]  # in words, and whether it is lasting


async def check_forward(forward: LocalPort) -> Trouble | None:
    """Connect through the port of ``forward``, and see what ails it; None: nothing does."""
    if not forward.addresses:
        return "no listener on its port", False
    try:
        async with asyncio.timeout(PATIENCE):
            return await _check(forward)
    except TimeoutError:
        return f"no connection within {PATIENCE:g} s", False
    except OSError as error:
        return f"its own port cannot be reached: {explain_failure(error).words}", False


async def _check(forward: LocalPort) -> Trouble | None:
    loop = asyncio.get_running_loop()
    address = _reach(forward.addresses[0])
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        client.bind((address, 0))  # known before the connection is, so that it is never counted
        with forward.expect(client.getsockname()[:2]) as arrival:
            await loop.sock_connect(client, (address, forward.port))
            session = await arrival
        try:
            path = forward.destination.settings.check
            said = await (_listen(client, session) if path is None else _ask(client, session, path))
        finally:
            reset(client)  # a mere end could be that of its own direction alone, which only Linux tells apart
        return await _explain(session, said)


async def _listen(client: socket.socket, session: Session) -> str | None:
    """Wait until the way is open and nothing has gone wrong for a moment, or the pod has spoken."""
    first = asyncio.create_task(_first_bytes(client))
    opened = asyncio.create_task(session.connected.wait())
    try:
        await asyncio.wait({first, opened}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({first}, timeout=GRACE)
        if first.done() and not first.result():
            return "the connection was closed at once"
        return None if first.done() or session.trouble is None else "the pod refused the connection"
    finally:
        await _cancel(first, opened)


async def _ask(client: socket.socket, session: Session, path: str) -> str | None:
    """What is wrong with the answer to a GET of ``path``; None: nothing."""
    agent = f"connmon-agent/{__version__}"
    try:
        exchange = HttpExchange("GET", path, (("Host", "localhost"), ("User-Agent", agent), ("Connection", "close")))
    except ValueError as error:
        return f"GET {path} cannot be asked: {error}"
    await asyncio.get_running_loop().sock_sendall(client, exchange.request)
    reading = asyncio.create_task(_read_answer(client, exchange))
    opened = asyncio.create_task(session.connected.wait())
    try:
        await asyncio.wait({reading, opened}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({reading}, timeout=ANSWER)
        if not reading.done():
            return f"GET {path} was not answered within {ANSWER:g} s"
        return reading.result() and f"GET {path} {reading.result()}"
    finally:
        await _cancel(reading, opened)


async def _read_answer(client: socket.socket, exchange: HttpExchange) -> str | None:
    """What is wrong with the answer's head; None: nothing."""
    try:
        while (head := exchange.read_head()) is None:
            exchange.feed(await _first_bytes(client))
    except BadAnswer as bad:
        return "was not answered with HTTP" if bad.begins else "was not answered"
    return None if head.status < 400 else f"was answered with {head.status}"


async def _explain(session: Session, said: str | None) -> Trouble | None:
    """The session's own trouble where it has one: it knows why."""
    if said is None:
        return None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE):
            await session.ended.wait()
    return (said, False) if session.trouble is None else (str(session.trouble), session.trouble.lasting)


async def _first_bytes(client: socket.socket) -> bytes:
    """Empty at the end of the connection, however it comes."""
    try:
        return await asyncio.get_running_loop().sock_recv(client, PIECE)
    except OSError:
        return b""


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _reach(address: str) -> str:
    """The address under which this machine reaches itself."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
