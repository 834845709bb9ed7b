"""One request under way, seen from the thread that waits for it."""

from __future__ import annotations

import socket
import threading


class GivenUp(Exception):
    """The request was given up before it was sent."""


class Exchange:
    """One request under way: whether it was sent, and the means to give it up from another thread.

    No timeout of a socket bounds an answer that drips in byte by byte; giving up ends the connection under the reader.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.sent = False  # from here on nobody knows whether the server acted
        self.given_up = False

    def begin(self, connected: socket.socket) -> None:
        """Note that the request is about to be sent over ``connected``. Raises GivenUp."""
        with self._lock:
            if self.given_up:
                raise GivenUp
            self._socket, self.sent = connected, True

    def give_up(self) -> None:
        """Send nothing more and wait for nothing more."""
        with self._lock:
            self.given_up = True
            if self._socket is not None:
                _shut_down(self._socket)

    def end(self) -> None:
        """Let go of the connection: the next request may have it."""
        with self._lock:
            self._socket = None


def _shut_down(connected: socket.socket) -> None:
    """End a connection under its reader, below TLS, whose own farewell would wait for the peer."""
    try:
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
    except OSError:
        return  # it is closed already, which is what was wanted
