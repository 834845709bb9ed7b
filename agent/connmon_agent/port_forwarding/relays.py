"""Copying both ways between a client's socket and a backend, with nothing more in memory than a buffer each way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from .clients import has_hung_up
from .intakes import Intake
from .pod_failures import PodBroke, PodRefused
from .pod_frames import HEADROOM
from .streams import Stream
from .traffic_counters import TrafficCounters

KEPT = 64 * 1024  # bytes that are kept, for another pod, of what went to one that has not answered yet
LAST_WORDS = 0.5  # seconds for what the backend has to say once nothing can be written any more
LINGER = 1.0  # seconds for the client to close, once everything has come
SILENCE = 15.0  # seconds without a byte that end a half-closed connection of which nobody tells whether it is closed
FIRST_LOOK, LONGEST_LOOK = 0.01, 5.0  # seconds between looks whether a client that ended its direction is there


class ClientLeft(Exception):
    """The client broke the connection off, or closed it before the end."""


@dataclass(slots=True)
class Upload:
    """What the client has sent that no pod has certainly received: it may still go to another one."""

    kept: list[bytes] = field(default_factory=list)
    size: int = 0
    complete: bool = True  # ``kept`` is all that the client has sent so far
    written: bool = False  # some of it was given to the present backend
    answered: bool = False  # a backend has answered: from here on there is no other one
    ended: bool = False  # the client has ended its direction

    def keep(self, data: memoryview) -> None:
        """Remember one more piece, while there is a use for it."""
        if self.answered or not self.complete:
            return
        self.size += len(data)
        if self.size > KEPT:
            self.complete = False
            self.kept.clear()
        else:
            self.kept.append(bytes(data))

    def settle(self) -> None:
        """A backend has answered."""
        self.answered = True
        self.kept.clear()

    def may_go_elsewhere(self, error: PodBroke) -> bool:
        """Whether, after ``error``, another backend can have the connection, and no byte twice."""
        untouched = not self.written or isinstance(error, PodRefused)
        return not self.answered and self.complete and untouched


class Relay:
    """One client's connection to one backend. ``answered`` is called at the backend's first byte."""

    def __init__(
        self,
        local: socket.socket,
        intake: Intake,
        stream: Stream,
        upload: Upload,
        counters: TrafficCounters,
        answered: Callable[[], None] = lambda: None,
    ) -> None:
        self._local = local
        self._intake = intake
        self._stream = stream
        self._upload = upload
        self._counters = counters
        self._answered = answered
        self._loop = asyncio.get_running_loop()
        self._heard_at = 0.0  # the loop's time of the last byte from the backend, once the client has ended

    async def run(self) -> None:
        """Copy until the backend ended the connection and everything has come, then tell the client that it has.

        Raises PodRefused or PodBroke, or ClientLeft. The stream is left as it is, to be closed or aborted.
        """
        up, down = asyncio.create_task(self._copy_up()), asyncio.create_task(self._copy_down())
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if not down.done():
                await self._outlive(up, down)
            else:
                down.result()
        finally:
            await _cancel(up, down)
        await self._finish_client()

    async def _outlive(self, up: asyncio.Task[None], down: asyncio.Task[None]) -> None:
        """The upload ended first. What came of it counts only if the backend has nothing more to say."""
        error = up.exception()
        if isinstance(error, PodBroke):  # the reason lies before us, unread
            await asyncio.wait({down}, timeout=LAST_WORDS)
            if not down.done():
                raise error
        elif error is not None:
            raise error
        await down

    async def _copy_up(self) -> None:
        """Raises ClientLeft, also for a client that has closed, once that is certain; PodBroke."""
        await self._send_kept()
        while not self._upload.ended:
            try:
                frame = await self._intake.receive()
            except OSError as error:
                raise ClientLeft(str(error)) from error
            if len(frame) == HEADROOM:
                self._upload.ended = True
            else:
                self._upload.keep(frame[HEADROOM:])
                await self._send(frame)
        if not self._stream.finish():
            await self._await_hanging_up()

    async def _send_kept(self) -> None:
        for piece in tuple(self._upload.kept):
            await self._send(memoryview(bytearray(HEADROOM) + piece))

    async def _send(self, frame: memoryview) -> None:
        self._upload.written = True
        try:
            await self._stream.write(frame)
        except PodRefused:
            self._upload.written = False
            raise
        self._counters.sent += len(frame) - HEADROOM

    async def _copy_down(self) -> None:
        """Raises PodRefused, PodBroke or ClientLeft."""
        read, send, local = self._stream.read, self._loop.sock_sendall, self._local
        while data := await read():
            if not self._upload.answered:
                self._upload.settle()
                self._answered()
            try:
                await send(local, data)
            except OSError as error:
                raise ClientLeft(str(error)) from error
            self._counters.received += len(data)
            if self._upload.ended:
                self._heard_at = self._loop.time()

    async def _await_hanging_up(self) -> None:
        """The client has ended its direction: wait until it is gone for certain."""
        pause, self._heard_at = FIRST_LOOK, max(self._heard_at, self._loop.time())
        while not (gone := has_hung_up(self._local)):
            if gone is None and self._loop.time() - self._heard_at > SILENCE:
                break
            await asyncio.sleep(pause)
            pause = min(3 * pause, LONGEST_LOOK)
        raise ClientLeft("the client has closed the connection")

    async def _finish_client(self) -> None:
        """End our direction, and let the client end its own: closing over unread data resets what it still reads."""
        with contextlib.suppress(OSError):
            self._local.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(LINGER):
                while not self._upload.ended:
                    self._upload.ended = len(await self._intake.receive()) == HEADROOM


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
