"""Orders over a Unix socket in the state directory, which belongs to the agent's user alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from .interface import LONGEST_REQUEST, Serve

NOUN = "control socket"
FILE_NAME = "control.sock"


@contextlib.contextmanager
def short_path(folder: Path) -> Iterator[str]:
    """A path to the socket that fits the 108 bytes of a Unix address, however deep the state directory lies."""
    path = str(folder / FILE_NAME)
    if len(os.fsencode(path)) < 100 or not Path("/proc/self/fd").is_dir():
        yield path
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{descriptor}/{FILE_NAME}"
    finally:
        os.close(descriptor)


class _Streams:
    """The port Conversation over asyncio's streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read_line(self) -> bytes:
        return await self._reader.readline()

    async def write(self, answer: bytes) -> None:
        self._writer.write(answer)
        await self._writer.drain()

    async def name_peer(self) -> str:
        peer = self._writer.get_extra_info("socket")
        if not hasattr(socket, "SO_PEERCRED"):
            return "an operator"
        pid, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        return await asyncio.to_thread(name_operator, uid, pid)  # a directory of users may be asked over the network


class _SocketListener:
    """The port Listener."""

    def __init__(self, server: asyncio.Server, path: Path) -> None:
        self._server = server
        self._path = path
        self._own = os.stat(path)

    async def close(self) -> None:
        """Take the socket away, unless it is another agent's, in a directory that was replaced."""
        self._server.close()
        with contextlib.suppress(OSError):
            if os.path.samestat(self._own, os.stat(self._path)):
                self._path.unlink()


async def listen(folder: Path, serve: Serve) -> _SocketListener:
    """Listen; a socket left behind by a killed agent is replaced. Raises OSError."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(_Streams(reader, writer))
        writer.close()

    (folder / FILE_NAME).unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        with short_path(folder) as path:
            server = await asyncio.start_unix_server(take, path, limit=LONGEST_REQUEST)
        return _SocketListener(server, folder / FILE_NAME)
    finally:
        os.umask(before)


def exchange(folder: Path, line: bytes, patience: float) -> bytes:
    """Say ``line`` to the running agent and return its answer; ``patience`` is in seconds.

    Raises FileNotFoundError or ConnectionRefusedError where none listens, TimeoutError, and OSError.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, short_path(folder) as path:
        connection.settimeout(patience)
        connection.connect(path)
        connection.sendall(line)
        with connection.makefile("rb") as answer:
            return answer.readline(LONGEST_REQUEST)


def name_sender() -> str:
    """Who runs this process, as the running agent would name it."""
    return name_operator(os.getuid(), os.getpid())


def name_operator(uid: int, pid: int) -> str:
    """Who gave an order: ``root (pid 4711)``."""
    try:
        import pwd  # not on every system

        return f"{pwd.getpwuid(uid).pw_name} (pid {pid})"
    except (ImportError, KeyError):
        return f"user {uid} (pid {pid})"
