"""A service manager's side of the notification socket, as systemd's: it keeps descriptors and hands them over."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class FakeManager:
    """Receives what a service says. ``store``: what it keeps, by name; it holds descriptors of its own."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self.store: dict[str, list[int]] = {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.setblocking(False)

    def read(self) -> list[str]:
        """The messages since the last call, after doing what they ask for."""
        messages = []
        with suppress(BlockingIOError):
            while True:
                data, descriptors, _, _ = socket.recv_fds(self._socket, 65536, 16)
                messages.append(data.decode())
                self._obey(dict(line.split("=", 1) for line in messages[-1].split("\n")), descriptors)
        return messages

    def _obey(self, fields: dict[str, str], descriptors: list[int]) -> None:
        if fields.get("FDSTORE") == "1":
            self.store.setdefault(fields["FDNAME"], []).extend(descriptors)
        elif fields.get("FDSTOREREMOVE") == "1":
            for descriptor in self.store.pop(fields["FDNAME"], []):
                os.close(descriptor)

    def hand_over(self) -> list[tuple[str, int]]:
        """What the next process finds open: descriptors of its own."""
        self.read()
        return [(name, os.dup(number)) for name, numbers in self.store.items() for number in numbers]

    def close(self) -> None:
        self._socket.close()
        for numbers in self.store.values():
            for number in numbers:
                os.close(number)


@contextmanager
def a_manager(folder: Path) -> Iterator[FakeManager]:
    manager = FakeManager(folder / "notify")
    try:
        yield manager
    finally:
        manager.close()
