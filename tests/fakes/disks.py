"""Disks of this machine that are full, or refuse what a test says they refuse."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from connmon_agent.runtime.logs.disk import LocalDisk

Fault = Callable[[str, tuple[object, ...]], OSError | None]


def error(number: int) -> OSError:
    """The error of that number, as the operating system raises it."""
    return OSError(number, os.strerror(number))


def full(_operation: str = "", _arguments: tuple[object, ...] = ()) -> OSError:
    """A disk without room."""
    return error(errno.ENOSPC)


class FaultyDisk(LocalDisk):
    """The real disk, unless ``faults`` has an answer for an operation's name: "write", "replace", "open" ..."""

    def __init__(self) -> None:
        self.faults: dict[str, Fault] = {}
        self.room: int | None = None  # bytes that can still be written; None: no limit
        self.calls: list[str] = []

    def _ask(self, operation: str, *arguments: object) -> None:
        self.calls.append(operation)
        fault = self.faults.get(operation)
        failure = fault(operation, arguments) if fault else None
        if failure is not None:
            raise failure

    def open(self, path: Path) -> int:
        self._ask("open", path)
        return super().open(path)

    def write(self, descriptor: int, data: bytes) -> int:
        self._ask("write", descriptor, data)
        if self.room is None:
            return super().write(descriptor, data)
        taken = data[: self.room]  # what a disk that becomes full takes of a line
        self.room -= len(taken)
        if not taken:
            raise full()
        return super().write(descriptor, taken)

    def truncate(self, descriptor: int, size: int) -> None:
        self._ask("truncate", descriptor, size)
        super().truncate(descriptor, size)

    def replace(self, path: Path, by: Path) -> None:
        self._ask("replace", path, by)
        super().replace(path, by)

    def remove(self, path: Path) -> None:
        self._ask("remove", path)
        super().remove(path)

    def copy(self, source: Path, target: Path, tail: int) -> None:
        self._ask("copy", source, target, tail)
        super().copy(source, target, tail)
