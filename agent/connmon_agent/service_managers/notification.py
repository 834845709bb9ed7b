"""systemd's notification socket: what a service says to the manager that started it (sd_notify(3), systemd 252).

One datagram a message: lines ``KEY=value``, with file descriptors beside it where some are to be kept. No answer comes.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Callable, MutableMapping

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
MOST_WAITING = 256  # messages that the manager was too busy to take; it has a queue of its own before that
LONGEST_STATUS = 500  # characters
MICROSECONDS = 1_000_000


class NotificationSocket:
    """The way to the manager. A message that it cannot take now is sent before the next one; none waits or raises."""

    def __init__(self, address: str) -> None:
        """``address`` is $NOTIFY_SOCKET: a path, or ``@name`` in the abstract namespace."""
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._waiting: deque[tuple[bytes, int | None]] = deque()

    def send(self, *lines: str, descriptor: int | None = None) -> None:
        """Send ``lines`` as one message, with a file that stays the caller's."""
        with contextlib.suppress(OSError):  # no descriptor is left for a copy: the message counts as lost
            copy = None if descriptor is None else os.dup(descriptor)
            self._waiting.append(("\n".join(lines).encode("utf-8", "replace"), copy))
        while self._waiting and self._send_first():
            self._drop_first()
        while len(self._waiting) > MOST_WAITING:
            self._drop_first()

    def _send_first(self) -> bool:
        """Whether the first message is done with: sent, or not to be sent to this manager at all."""
        text, descriptor = self._waiting[0]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
                way.setblocking(False)
                way.connect(self._address)
                if descriptor is None:
                    way.send(text)
                else:
                    socket.send_fds(way, [text], [descriptor])
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def _drop_first(self) -> None:
        _, descriptor = self._waiting.popleft()
        if descriptor is not None:
            os.close(descriptor)


class SystemdAnnouncer:
    """``ports.Announcer`` for a unit with Type=notify. ``watchdog`` is its WatchdogSec in seconds (None: none)."""

    def __init__(
        self,
        notification: NotificationSocket,
        *,
        watchdog: float | None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._notification = notification
        self._now = now  # CLOCK_MONOTONIC, in seconds: the clock that MONOTONIC_USEC is of
        self._line = ""
        self.pulse: float | None = None if watchdog is None else watchdog / 2

    def extend(self, seconds: float) -> None:
        self._notification.send(f"EXTEND_TIMEOUT_USEC={round(seconds * MICROSECONDS)}")

    def ready(self, status: str) -> None:
        self._line = _one_line(status)
        self._notification.send("READY=1", f"STATUS={self._line}")

    def status(self, line: str) -> None:
        self._line = _one_line(line)
        self._notification.send(f"STATUS={self._line}")

    def alive(self) -> None:
        self._notification.send("WATCHDOG=1")

    def reloading(self) -> None:
        self._notification.send(
            "RELOADING=1",
            f"MONOTONIC_USEC={int(self._now() * MICROSECONDS)}",  # what Type=notify-reload waits for, from 253 on
            "STATUS=Reloading the configuration",
        )

    def reloaded(self, refusal: str | None) -> None:
        """READY also ends a reload that was refused: the agent goes on with what it had, and the status says so."""
        note = "" if refusal is None else f"; the new configuration was refused: {_one_line(refusal)}"
        self._notification.send("READY=1", f"STATUS={_one_line(self._line + note)}")

    def stopping(self) -> None:
        self._notification.send("STOPPING=1", "STATUS=Stopping")


def take_notification(
    environment: MutableMapping[str, str], pid: int
) -> tuple[NotificationSocket, float | None] | None:
    """The notification socket of this process, and its watchdog in seconds (None: none); None: no manager listens.

    The variables are taken out of ``environment``: a child that inherits them would speak for the agent. ``pid`` is
    this process's own; a watchdog that is meant for another one is none.
    """
    address, interval, watched = (environment.pop(name, "") for name in VARIABLES)
    if not address.startswith(("/", "@")) or len(address) < 2 or not hasattr(socket, "AF_UNIX"):
        return None
    ours = watched in ("", str(pid)) and interval.isascii() and interval.isdecimal() and int(interval) > 0
    return NotificationSocket(address), int(interval) / MICROSECONDS if ours else None


def _one_line(text: str) -> str:
    """What fits into the one line that a manager shows."""
    return " ".join(text.split())[:LONGEST_STATUS]
