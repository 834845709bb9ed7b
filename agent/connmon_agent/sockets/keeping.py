"""The port ListenerStore where nothing outlives the process, and what is done with a socket that is to be given up."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Collection


class NothingKept:
    """Keeps nothing: each start binds its ports anew."""

    def kept(self) -> frozenset[tuple[str, int]]:
        return frozenset()

    def find(self, address: str, port: int) -> socket.socket | None:
        return None

    def keep(self, address: str, port: int, listener: socket.socket) -> None:
        """It dies with the process."""

    def remove(self, address: str, port: int, listener: socket.socket) -> None:
        """No one else has it."""

    def release(self, wanted: Collection[tuple[str, int]]) -> None:
        """There is nothing to close."""


def end_listening(listener: socket.socket) -> None:
    """Listen no more at once, whoever else holds a descriptor of the same socket: to close ours would not do.

    Linux keeps the port bound, but with SO_REUSEADDR somebody else may listen on it from now on.
    """
    with contextlib.suppress(OSError):  # not a listener, or a system that shuts down connections alone
        listener.shutdown(socket.SHUT_RDWR)
