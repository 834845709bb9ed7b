"""What answers behind the ports of pods."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from functools import partial

from .objects import Key, Manifest

HELD = 64 * 1024  # bytes that a connection to a pod holds each way on Windows while they are not read

Program = Callable[[StreamReader, StreamWriter], Awaitable[None]]
Connection = tuple[StreamReader, StreamWriter]
Dial = Callable[[], Awaitable[Connection]]


class Programs:
    """The control of what listens in the pods. Callable from any thread.

    Where nothing was set, every containerPort of a running container answers HTTP with the name of its pod, and every
    other port refuses. A pod none of whose containers runs refuses everything.
    """

    def __init__(
        self, workload_of: Callable[[Manifest], Key | None], invoke: Callable[[Callable[[], None]], None]
    ) -> None:
        """``workload_of`` a pod: what it belongs to, None for nothing; ``invoke`` runs an action on the API's loop."""
        self._workload_of = workload_of
        self._invoke = invoke
        self._set: dict[tuple[Key, int], Dial] = {}
        self._running: set[asyncio.Task[None]] = set()

    def serve(
        self, kind: str, namespace: str, name: str, port: int, *, target_port: int, host: str = "127.0.0.1"
    ) -> None:
        """Let a TCP server on ``host`` and ``target_port`` be behind ``port`` of the pods of a workload.

        ``kind`` is Deployment, StatefulSet, DaemonSet, or Pod for a single one.
        """
        self._put(Key(kind, namespace, name), port, lambda: asyncio.open_connection(host, target_port))

    def run(self, kind: str, namespace: str, name: str, port: int, program: Program) -> None:
        """Let ``program`` be behind ``port`` of the pods of a workload: it is run for each connection, on the API's
        loop, and the connection is closed when it returns.
        """
        self._put(Key(kind, namespace, name), port, partial(self._start, program))

    def refuse(self, kind: str, namespace: str, name: str, port: int) -> None:
        """Let nothing listen on ``port`` of the pods of a workload."""
        self._put(Key(kind, namespace, name), port, _refuse)

    def forget(self, kind: str, namespace: str, name: str, port: int) -> None:
        """Let be behind ``port`` what is there where nothing was set. Connections that are open stay."""
        self._invoke(lambda: self._drop((Key(kind, namespace, name), port)))

    async def dial(self, pod: Manifest, port: int) -> Connection:
        """Connect to a port of a pod, as its kubelet does. Raises OSError."""
        return await self._find(pod, port)()

    async def stop(self) -> None:
        """End every program that runs."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _drop(self, place: tuple[Key, int]) -> None:
        self._set.pop(place, None)

    def _put(self, key: Key, port: int, dial: Dial) -> None:
        self._invoke(lambda: self._set.update({(key, port): dial}))

    def _find(self, pod: Manifest, port: int) -> Dial:
        metadata, ports = pod["metadata"], _listening_ports(pod)
        if ports is None:
            return _refuse
        for key in (Key("Pod", metadata["namespace"], metadata["name"]), self._workload_of(pod)):
            if key is not None and (key, port) in self._set:
                return self._set[key, port]
        return partial(self._start, partial(_greet, metadata["name"])) if port in ports else _refuse

    async def _start(self, program: Program) -> Connection:
        ours, theirs = _connect()
        task = asyncio.get_running_loop().create_task(_run(program, theirs))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.open_connection(sock=ours)


def _connect() -> tuple[socket.socket, socket.socket]:
    """Two ends of a connection, which holds no more of what is not read than Linux' sockets of a pair do. Windows has
    no such pairs: Python connects by TCP, whose buffers grow to megabytes, so that no pod would ever be slow to read.
    """
    ours, theirs = socket.socketpair()
    if sys.platform == "win32":
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, HELD)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD)
    return ours, theirs


def _listening_ports(pod: Manifest) -> set[int] | None:
    """The container ports of the containers that run; None when none does."""
    states = {status["name"]: status["state"] for status in pod["status"].get("containerStatuses") or ()}
    running = [item for item in pod["spec"]["containers"] if "running" in states.get(item["name"], {})]
    if not running:
        return None
    return {port["containerPort"] for container in running for port in container.get("ports") or ()}


async def _run(program: Program, sock: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=sock)
    try:
        # its client has gone, or makes no sense
        with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
            await program(reader, writer)
            await writer.drain()
    except asyncio.CancelledError:
        writer.transport.abort()  # closing would wait for a client that does not read
        raise
    finally:
        writer.close()


async def _refuse() -> Connection:
    raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


async def _greet(pod: str, reader: StreamReader, writer: StreamWriter) -> None:
    """The program of every port where nothing else was set."""
    await reader.readuntil(b"\r\n\r\n")
    body = f"hello from pod {pod}\n".encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
