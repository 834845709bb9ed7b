"""Files that this program writes for people and other programs: whole or not at all, and never over somebody else's."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from .errors import ConnmonError

_LONGEST_HEAD = 1000  # bytes; the mark stands in the first lines


def is_ours(path: Path, mark: str) -> bool:
    """Whether ``path`` may be written: it is not there, or is a plain file with ``mark`` in its first lines.

    A link is somebody else's, whatever it leads to. Raises ConnmonError where it cannot be looked at.
    """
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            return False
        with path.open("rb") as file:
            return mark.encode() in file.read(_LONGEST_HEAD)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise _unusable(path, error, "read") from error


def holds(path: Path, data: bytes) -> bool:
    """Whether ``path`` is a file with exactly this content. One that cannot be read does not."""
    try:
        return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def write_file(path: Path, data: bytes, *, mode: int = 0o644, replace: bool) -> None:
    """Write ``path`` whole. Not ``replace``: a file that appears there meanwhile is left alone.

    Raises FileExistsError then, and ConnmonError where it cannot be written.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _unusable(path, error, "write") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        if replace:
            os.replace(name, path)
        else:
            _put(Path(name), path, data, mode)
    except FileExistsError:
        raise
    except OSError as error:
        raise _unusable(path, error, "write") from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def _put(written: Path, path: Path, data: bytes, mode: int) -> None:
    """Give ``written`` the name ``path``, which must not be taken. Raises FileExistsError."""
    try:
        os.link(written, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, as that of a memory stick
        with path.open("xb") as file:
            file.write(data)
        path.chmod(mode)


def _unusable(path: Path, error: OSError, purpose: str) -> ConnmonError:
    remedy = f"Check that the directory {path.parent} exists and that this user may write there"
    return ConnmonError(f"cannot {purpose} {path}: {error.strerror or error}", hint=remedy)
