"""What a client sends, received so that none of it is lost when its connection goes to another backend."""

from __future__ import annotations

import asyncio
import socket

from .clients import has_hung_up, is_waiting
from .pod_frames import FRAME, HEADROOM

SMALL = 2048  # bytes of a buffer while little is sent: most connections never need more


class Intake:
    """What a client sends. One task receives at a time, and may be cancelled: the next one gets what came meanwhile.

    A receive of asyncio that is cancelled may have taken bytes from the socket, which then nobody gets: on every event
    loop until its task runs again, and on Windows' from the instant at which they arrive
    (https://github.com/python/cpython/pull/7498). So this one goes on, until ``close``.
    """

    def __init__(self, local: socket.socket) -> None:
        self._local = local
        self._loop = asyncio.get_running_loop()
        self._buffer = memoryview(bytearray(HEADROOM + SMALL))
        self._count = 0  # bytes that came last
        self._receiving: asyncio.Task[int] | None = None

    async def receive(self) -> memoryview:
        """HEADROOM bytes and what came next, good until the next call. Nothing after them: the client has ended its
        direction. Raises OSError.
        """
        if self._receiving is None:
            self._buffer = _resize(self._buffer, self._count)
            try:
                return self._cut(self._local.recv_into(self._buffer[HEADROOM:]))
            except BlockingIOError:
                waiting = self._loop.sock_recv_into(self._local, self._buffer[HEADROOM:])
                self._receiving = asyncio.create_task(waiting)
        count = await asyncio.shield(self._receiving)
        self._receiving = None
        return self._cut(count)

    def is_waiting(self) -> bool:
        """Whether there is still somebody to connect for."""
        if self._receiving is None:
            return is_waiting(self._local)
        if not self._receiving.done():  # a look at the socket could take the error that is meant for the receive
            return True
        if self._receiving.exception() is not None:
            return False
        return self._receiving.result() > 0 or not has_hung_up(self._local)

    async def close(self) -> None:
        """Receive no more. Before the socket is closed."""
        if self._receiving is not None:
            self._receiving.cancel()
            await asyncio.gather(self._receiving, return_exceptions=True)

    def _cut(self, count: int) -> memoryview:
        self._count = count
        return self._buffer[: HEADROOM + count]


def _resize(buffer: memoryview, count: int) -> memoryview:
    """A large buffer for a client that fills the small one, and the small one again when it is enough."""
    if count == len(buffer) - HEADROOM and len(buffer) < FRAME:
        return memoryview(bytearray(FRAME))
    if count <= SMALL // 2 and len(buffer) == FRAME:
        return memoryview(bytearray(HEADROOM + SMALL))
    return buffer
