"""Orders over a named pipe, which only the agent's user, administrators and SYSTEM may open, on this machine alone.

The Proactor loop serves it: each instance of the pipe is one client, and the next instance is there before a client is
served, so that the name never vanishes between two. asyncio's own ``start_serving_pipe`` takes no access list.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ...supervision import Tasks, cancel, supervise
from .interface import LONGEST_REQUEST, Serve
from .pipe_names import CLIENT_RIGHTS, describe_access, name_pipe

assert sys.platform == "win32"  # tells the type checker; nobody else imports this module

import _winapi  # noqa: E402
from asyncio.windows_utils import PipeHandle  # noqa: E402

from ...windows_api.pipes import MOST_INSTANCES, await_instance, create_pipe, find_client  # noqa: E402
from ...windows_api.security import current_user  # noqa: E402

NOUN = "control pipe"
BUFFER = 4096  # bytes
FAREWELL = 5.0  # seconds for a client to close its end
_CHUNK = 4096
# Windows: fileapi.h, winbase.h. The server may know who we are, and not act as us: it might be somebody else's.
_OPEN_EXISTING, _OVERLAPPED, _QUALITY_PRESENT, _IDENTIFICATION = 3, 0x4000_0000, 0x0010_0000, 0x0001_0000
_PIPE_BUSY, _IO_PENDING, _MORE_DATA = 231, 997, 234
_ENDED = (109, 232, 233)  # ERROR_BROKEN_PIPE, ERROR_NO_DATA, ERROR_PIPE_NOT_CONNECTED


class _Instance:
    """The port Conversation over one connected instance of the pipe."""

    def __init__(self, proactor: Any, pipe: PipeHandle) -> None:
        self._proactor = proactor
        self._pipe = pipe

    async def read_line(self) -> bytes:
        line = bytearray()
        while not line.endswith(b"\n"):
            chunk = await self._proactor.recv(self._pipe, _CHUNK)
            if not chunk:
                break
            line += chunk
            if len(line) > LONGEST_REQUEST:
                raise ValueError(f"the request has more than {LONGEST_REQUEST} bytes")
        return bytes(line)

    async def write(self, answer: bytes) -> None:
        while answer:
            answer = answer[await self._proactor.send(self._pipe, answer) :]
        # The client closes once it has its answer; this end waits for that, so that nothing of it can get lost.
        with suppress(OSError):
            async with asyncio.timeout(FAREWELL):
                await self._proactor.recv(self._pipe, 1)

    async def name_peer(self) -> str:
        try:
            pid = find_client(self._pipe.handle)
        except OSError:
            return "an operator"
        return await asyncio.to_thread(_name_process, pid)


class _PipeListener:
    """The port Listener. ``first`` is the instance that took the name."""

    def __init__(self, name: str, access: str, first: PipeHandle, serve: Serve) -> None:
        self._name = name
        self._access = access
        self._waiting: PipeHandle | None = first
        self._serve = serve
        self._proactor: Any = asyncio.get_running_loop()._proactor  # type: ignore[attr-defined]
        self._room = asyncio.Semaphore(MOST_INSTANCES - 1)
        self._conversations: Tasks = set()
        self._tasks: Tasks = set()
        supervise("serve the control pipe", self._accept_all, tasks=self._tasks)

    async def close(self) -> None:
        await cancel(self._tasks)
        if self._waiting is not None:
            self._waiting.close()
            self._waiting = None

    async def _accept_all(self) -> None:
        while True:
            await self._room.acquire()
            try:
                connected = await self._accept()
            except BaseException:
                self._room.release()
                raise
            # It begins when this task waits the next time, and by then there is an instance for the next client.
            supervise("answer an order", partial(self._converse, connected), tasks=self._conversations, again=False)

    async def _accept(self) -> PipeHandle:
        """The instance that the next client has opened. Raises OSError where no instance can be made."""
        while True:
            if self._waiting is None:
                self._waiting = _open_instance(self._name, self._access, first=False)
            try:
                await self._proactor.accept_pipe(self._waiting)
            except OSError:  # a client that came and went
                self._waiting.close()
                self._waiting = None
            else:
                connected, self._waiting = self._waiting, None
                return connected

    async def _converse(self, connected: PipeHandle) -> None:
        try:
            await self._serve(_Instance(self._proactor, connected))
        finally:
            connected.close()
            self._room.release()


async def listen(folder: Path, serve: Serve) -> _PipeListener:
    """Listen. Raises OSError: PermissionError where another process has the pipe's name."""
    name, access = name_channel(folder), describe_access(current_user())
    return _PipeListener(name, access, _open_instance(name, access, first=True), serve)


def exchange(folder: Path, line: bytes, patience: float) -> bytes:
    """Say ``line`` to the running agent and return its answer; ``patience`` is in seconds.

    Raises FileNotFoundError where none listens, TimeoutError, and OSError.
    """
    until = time.monotonic() + patience
    with PipeHandle(_connect(name_channel(folder), until)) as pipe:
        while line:
            line = line[_await(_winapi.WriteFile(pipe.handle, line, overlapped=True), until)[0] :]
        answer = bytearray()
        while not answer.endswith(b"\n") and len(answer) < LONGEST_REQUEST:
            count, chunk = _await(_winapi.ReadFile(pipe.handle, _CHUNK, overlapped=True), until)
            if not count:
                break
            answer += chunk[:count]
        return bytes(answer)


def name_sender() -> str:
    """Who runs this process, as the running agent would name it."""
    return _name_process(os.getpid())


def name_channel(folder: Path) -> str:
    """The name of the pipe for the state directory ``folder``."""
    try:
        path = os.path.realpath(folder)
    except OSError:  # some drives of memory, and Wine for a path of more than 260 characters
        path = os.path.abspath(folder)
    return name_pipe(path)


def _open_instance(name: str, access: str, *, first: bool) -> PipeHandle:
    return PipeHandle(create_pipe(name, access, first=first, buffer=BUFFER))


def _connect(name: str, until: float) -> int:
    flags = _OVERLAPPED | _QUALITY_PRESENT | _IDENTIFICATION
    while True:
        try:
            return _winapi.CreateFile(name, CLIENT_RIGHTS, 0, 0, _OPEN_EXISTING, flags, 0)
        except OSError as error:
            if error.winerror != _PIPE_BUSY:
                raise
        await_instance(name, _left(until))


def _await(begun: Any, until: float) -> tuple[int, bytes]:
    """How many bytes an overlapped operation has moved, and what it has read (nothing at the end)."""
    overlapped, _ = begun
    if _winapi.WaitForMultipleObjects([overlapped.event], False, _left(until)) != _winapi.WAIT_OBJECT_0:
        overlapped.cancel()
        with suppress(OSError):
            overlapped.GetOverlappedResult(True)  # the buffer is not to be freed before the kernel lets go of it
        raise TimeoutError
    try:
        count, _ = overlapped.GetOverlappedResult(True)
    except OSError as error:
        if error.winerror in _ENDED:
            return 0, b""
        raise
    return count, bytes(overlapped.getbuffer() or b"")


def _left(until: float) -> int:
    """Milliseconds until then. Raises TimeoutError when there are none left."""
    left = int((until - time.monotonic()) * 1000)
    if left <= 0:
        raise TimeoutError
    return left


def _name_process(pid: int) -> str:
    import psutil  # costs memory, and orders are rare

    try:
        return f"{psutil.Process(pid).username()} (pid {pid})"
    except (psutil.Error, OSError, ValueError, LookupError):  # it has ended, or is another user's
        return f"a user (pid {pid})"
