"""A connection to a backend, whatever way it takes, and the way that takes none but this machine's own network."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Protocol

from ..connection_failures import explain_failure
from ..errors import ClusterError
from ..kube.client import list_socket_options
from ..staggered import connect_address
from .pod_failures import PodBroke, PodRefused
from .pod_frames import HEADROOM

CHUNK = 64 * 1024  # bytes read at once


class Stream(Protocol):
    """A connection to a backend. One task reads at a time, and one writes."""

    cheap: bool  # a new one is had as fast as one that was opened before
    renewable: bool  # another client may have the same way, when the connection has ended in order

    async def read(self) -> memoryview | bytes:
        """What came next; empty once everything came. Raises PodRefused or PodBroke."""

    async def write(self, frame: memoryview) -> None:
        """Send what ``frame`` holds after its first HEADROOM bytes, which may be written over. Raises PodRefused or
        PodBroke.
        """

    def finish(self) -> bool:
        """Tell the backend that no more will be written; False: this way cannot tell it."""

    async def attend(self) -> None:
        """Read while nobody uses the stream, until it ends. May be cancelled."""

    async def ping(self, timeout: float) -> bool:
        """Whether the way is still there; within ``timeout`` seconds."""

    async def renew(self) -> Stream | None:
        """End it in order, and return an unused one that goes the same way. None: there is none, and this one is still
        to be ended.
        """

    async def close(self) -> None:
        """End it in order: what was written still arrives."""

    async def abort(self) -> None:
        """End it at once."""


class DirectStream:
    """A plain TCP connection. It alone can end one direction and keep the other."""

    cheap = True
    renewable = False

    def __init__(self, connected: socket.socket, name: str) -> None:
        self._socket = connected
        self._name = name
        self._loop = asyncio.get_running_loop()

    async def read(self) -> bytes:
        """See ``Stream``."""
        try:
            return await self._loop.sock_recv(self._socket, CHUNK)
        except OSError as error:
            raise self._broke(error) from error

    async def write(self, frame: memoryview) -> None:
        """See ``Stream``."""
        try:
            await self._loop.sock_sendall(self._socket, frame[HEADROOM:])
        except OSError as error:
            raise self._broke(error) from error

    def finish(self) -> bool:
        """See ``Stream``."""
        with contextlib.suppress(OSError):  # it has broken, which reading tells
            self._socket.shutdown(socket.SHUT_WR)
        return True

    async def attend(self) -> None:
        """It is never opened before it is used."""

    async def ping(self, timeout: float) -> bool:
        """It is never older than its use."""
        return True

    async def renew(self) -> None:
        """See ``Stream``: it cannot."""

    async def close(self) -> None:
        """See ``Stream``."""
        self._socket.close()

    async def abort(self) -> None:
        """See ``Stream``."""
        self._socket.close()

    def _broke(self, error: OSError) -> PodBroke:
        return PodBroke("unreachable", f"the connection to {self._name} broke: {explain_failure(error).words}")


async def dial(address: str, port: int, *, timeout: float) -> DirectStream:
    """Connect to an IP address within ``timeout`` seconds. Raises PodRefused, or ClusterError when nothing answers."""
    name = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        async with asyncio.timeout(timeout):
            dialled = await connect_address((family, (address, port)), prepare=_set_options)
    except TimeoutError as error:
        raise ClusterError("timeout", f"{name} did not accept a connection within {timeout:g} s") from error
    except OSError as error:
        words = explain_failure(error).words
        raise PodRefused("unreachable", f"{name} cannot be reached: {words}") from error
    return DirectStream(dialled, name)


def _set_options(made: socket.socket) -> None:
    for option in list_socket_options():
        made.setsockopt(*option)
