"""Files that others may have put where one of ours is expected: only regular ones, and no more bytes than are expected.

To open a FIFO waits for its other end, and a device may never end; either would hold an agent for ever.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


class NotAFile(OSError):
    """What is there is no file: a named pipe, a device or a socket. ``strerror`` says which."""


class TooLarge(OSError):
    """The file has more bytes than are expected of one of its kind."""


def refuse_special(path: Path) -> None:
    """Raise NotAFile where something else than a file or a directory is in the file's place. Opens nothing.

    The null device is as good as an empty file. What cannot be looked at is left to who opens it.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return
    _check(found, path)


def read_file(path: Path, most: int) -> bytes:
    """All of a file of at most ``most`` bytes.

    Raises OSError, also as NotAFile and TooLarge, and ValueError for what cannot be a path.
    """
    found = os.stat(path)
    _check(found, path)
    if stat.S_ISDIR(found.st_mode):  # Windows would call it a lack of rights
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
    with open(descriptor, "rb") as stream:
        _check(os.fstat(descriptor), path)  # it may have been exchanged in between
        data = stream.read(most + 1)
    if len(data) > most:
        raise TooLarge(errno.EFBIG, f"it is larger than {most // 1_000_000} MB", str(path))
    return data


def _check(found: os.stat_result, path: Path) -> None:
    kind = _KINDS.get(stat.S_IFMT(found.st_mode))
    if kind is not None and not _is_null(found):
        raise NotAFile(errno.EINVAL, f"it is {kind}, not a file", str(path))


def _is_null(found: os.stat_result) -> bool:
    try:
        return os.path.samestat(found, os.stat(os.devnull))
    except OSError:
        return False
