"""The log of those who start and stop the agent: one line a step, so that a failed start at boot leaves its reason."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import time

from ...files import refuse_special
from ...private_files import PUBLIC_FOLDER, forbid_writing, make_folder
from ...texts import make_safe
from ...wall_times import in_zone
from .places import LAUNCHER_LOG, LAUNCHER_ROOM

LARGEST = LAUNCHER_ROOM // 2  # bytes; at this size the file becomes ``.1``, and the one before it is deleted


class LauncherLog:
    """Appends a line for each step of ``start --mode background``, ``stop``, ``autostart`` and the like.

    Several launchers may write at once: a line is one write to a file opened for appending. Whatever fails is passed
    over: a start must not fail because its log cannot be written.
    """

    def __init__(
        self, folder: Path, *, pid: int | None = None, now: Callable[[], float] = time, largest: int = LARGEST
    ) -> None:
        """``folder``: see ``log_folder``; it is made where it is missing. ``pid`` None: this process. ``now`` gives
        Unix seconds. ``largest``: bytes of one file.
        """
        self.path = folder / LAUNCHER_LOG
        self._pid = os.getpid() if pid is None else pid
        self._now = now
        self._largest = largest

    def __call__(self, text: str) -> None:
        """Append ``text`` in one line, without credentials, with the time and the launcher's process id."""
        with suppress(OSError, ValueError):
            timestamp = in_zone(self._now())
            line = f"{timestamp:%Y-%m-%d %H:%M:%S} launcher[{self._pid}]: {make_safe(text)}\n".encode()
            make_folder(self.path.parent, PUBLIC_FOLDER)
            refuse_special(self.path)
            self._make_room(len(line))
            self._append(line)

    def _make_room(self, needed: int) -> None:
        with suppress(FileNotFoundError):
            if os.stat(self.path).st_size + needed <= self._largest:
                return
            try:
                os.replace(self.path, f"{self.path}.1")
            except FileNotFoundError:
                raise
            except OSError:  # on Windows, while somebody has it open
                os.truncate(self.path, 0)

    def _append(self, line: bytes) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
        forbid_writing(self.path)
