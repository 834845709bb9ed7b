"""Servers on loopback that misbehave as told, and one round of real probes against them."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

from connmon_agent.accepting import serve_streams
from connmon_agent.core.observations import ProbeResult
from connmon_agent.probes.prober import TargetProber
from connmon_agent.settings import Target

HOST = "127.0.0.1"
PATIENT = 60.0  # seconds; for what answers at once, on whatever machine
IMPATIENT = 0.05  # seconds; for what never answers, or of a clock that the test holds

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def probe(
    target: Target, timeout: float = PATIENT, *, environment: Mapping[str, str] | None = None
) -> ProbeResult:
    """One round of one target. ``environment`` is where proxies are named."""
    (result,) = await TargetProber((target,), timeout, environment=environment or {}).probe_all()
    return result


@contextlib.asynccontextmanager
async def serve_tcp(handle: Handler, *, host: str = HOST, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A TCP server for as long as the block runs; gives its port. A client that breaks off is no error."""
    writers: list[asyncio.StreamWriter] = []
    handlers: list[asyncio.Task[None]] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if (task := asyncio.current_task()) is not None:
            handlers.append(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await handle(reader, writer)
            await writer.drain()
        writer.close()

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = serve_streams(socket.create_server((host, 0), family=family), hold, context=context)
    try:
        yield server.port
    finally:
        server.close()
        for handler in handlers:
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)  # what they opened is theirs to close
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # the transports close their sockets in the loop's next turn


def answer_with(*parts: bytes) -> Handler:
    """A handler that reads a request, sends ``parts`` and hangs up."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()

    return handle


def answer_and_hold(*parts: bytes) -> Handler:
    """A handler that reads a request, sends ``parts`` and then keeps silent without hanging up."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer_with(*parts)(reader, writer)
        await reader.read()

    return handle


@contextlib.asynccontextmanager
async def serve_udp(
    answer: Callable[[bytes], list[bytes]], *, host: str = HOST, port: int = 0, delay: float = 0.0
) -> AsyncIterator[int]:
    """A UDP server that sends ``answer(datagram)``, ``delay`` seconds later; gives its port."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind((host, port))

        async def receive() -> None:
            while True:
                datagram, client = await loop.sock_recvfrom(sock, 65_535)
                for reply in answer(datagram):
                    loop.call_later(delay, send, reply, client)

        def send(reply: bytes, client: tuple[str, int]) -> None:
            with contextlib.suppress(OSError):  # the block has ended, or the client has
                sock.sendto(reply, client)

        receiving = asyncio.create_task(receive())
        try:
            yield sock.getsockname()[1]
        finally:
            receiving.cancel()
            await asyncio.wait([receiving])


@contextlib.contextmanager
def closed_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> Iterator[int]:
    """A port that is nobody else's and refuses."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((HOST, 0))
        port = sock.getsockname()[1]
        if kind == socket.SOCK_DGRAM:
            sock.connect((HOST, port))  # to itself: a stranger's datagrams find no socket
        yield port


@contextlib.asynccontextmanager
async def open_port() -> AsyncIterator[int]:
    """A port whose connections the kernel accepts, and nobody else: enough for who only connects."""
    with socket.create_server((HOST, 0)) as listening:
        yield listening.getsockname()[1]


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """A port whose listener has a full queue, so that connecting to it gets no answer."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        assert select.select([listener], [], [], PATIENT)[0], "its queue is not full"
        yield listener.getsockname()[1]


def has_ipv6() -> bool:
    """Whether this machine has ::1."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def tls_error(kind: type[ssl.SSLError], **says: object) -> ssl.SSLError:
    """An error with the attributes that OpenSSL's own have."""
    error = kind(1, "it fails")
    for name, value in says.items():
        setattr(error, name, value)
    return error
