"""Learning of commits: cheaply, whoever else reads, and whatever becomes of the file meanwhile."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ..errors import NothingRecorded
from .failures import store_error
from .layout import log_of
from .readonly import Opened, open_readonly

Mark = tuple[object, ...]


class Follower:
    """Says whether the state file has changed. It holds no transaction, and the file only while it is followed.

    ``PRAGMA data_version`` (2 µs) tells of each commit of another connection. Where the file is a copy, or read without
    a log, only its size and its time of change can tell.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: Opened | None = None
        self._identity: Mark | None = None

    def look(self) -> Mark | None:
        """What differs once something was committed or the file was replaced; None: there is no file, or it is empty.

        Raises StoreError where the file cannot be read.
        """
        identity = _identify(self._path)
        if identity != self._identity or self._opened is None:
            self.close()
            try:
                self._opened = open_readonly(self._path)
            except NothingRecorded:
                return None
            self._identity = identity
        try:
            version = self._opened.connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error as error:
            self.close()
            raise store_error(error, doing="follow the memory", path=self._path) from error
        return (identity, version, *_stamp(self._path), *_stamp(log_of(self._path)))

    def close(self) -> None:
        """Let go of the file; the next look opens it again."""
        if self._opened is not None:
            self._opened.close()
        self._opened = self._identity = None


def _identify(path: Path) -> Mark | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _stamp(path: Path) -> Mark:
    try:
        found = path.stat()
    except OSError:
        return (None,)
    return found.st_size, found.st_mtime_ns
