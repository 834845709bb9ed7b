"""Files that this program writes for people and other programs: whole or not at all, and never over somebody else's."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .errors import ConnmonError
from .files import TooLarge, read_file
from .replacing import replace_file
from .seals import Ownership, judge

_MOST = 1_000_000  # bytes; what is longer is none of ours


def find_owner(path: Path, *, by: str, most: int = _MOST) -> Ownership:
    """Whose ``path`` is, when the command ``by`` is to write it. The line ends of an editor change nothing.

    What is longer than ``most`` bytes is somebody else's. A link is somebody else's, whatever it leads to.
    Raises ConnmonError where it cannot be looked at.
    """
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return Ownership.FOREIGN
        data = read_file(path, most)
    except FileNotFoundError:
        return Ownership.ABSENT
    except TooLarge:
        return Ownership.FOREIGN
    except OSError as error:
        raise _unusable(path, error, "read") from error
    return judge(data.decode("utf-8-sig", "surrogateescape").replace("\r\n", "\n"), by=by)


def refuse_others(paths: Iterable[Path], *, by: str, force: bool = False) -> None:
    """Raises ConnmonError, before anything is written, where one of ``paths`` is somebody else's, or was edited since
    the command ``by`` wrote it and not ``force``.
    """
    owners = {path: find_owner(path, by=by) for path in paths}
    for owner, what, hint in (
        (Ownership.FOREIGN, "not written by this command", "Move them away, or choose another directory"),
        (Ownership.EDITED, "edited after they were written", "Move them away, or overwrite them with --force"),
    ):
        found = [path for path in owners if owners[path] is owner]
        if found and not (force and owner is Ownership.EDITED):
            names = ", ".join(path.name for path in found)
            raise ConnmonError(f"{found[0].parent} has {names}, {what}; nothing was written", hint=hint)


def holds(path: Path, data: bytes) -> bool:
    """Whether ``path`` is a file with exactly this content. One that cannot be read does not."""
    try:
        return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def write_file(path: Path, data: bytes | Iterable[bytes], *, mode: int = 0o644, replace: bool) -> None:
    """Write ``path`` whole; ``data`` in parts, where it is too long to be held. Not ``replace``: a file that appears
    there meanwhile is left alone.

    Raises FileExistsError then, ConnmonError where it cannot be written, and what ``data`` raises.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _unusable(path, error, "write") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines((data,) if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        if replace:
            replace_file(Path(name), path)
        else:
            _put(Path(name), path, mode)
    except FileExistsError:
        raise
    except OSError as error:
        raise _unusable(path, error, "write") from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def _put(written: Path, path: Path, mode: int) -> None:
    """Give ``written`` the name ``path``, which must not be taken. Raises FileExistsError."""
    try:
        os.link(written, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, as that of a memory stick
        with written.open("rb") as source, path.open("xb") as file:
            shutil.copyfileobj(source, file)
        path.chmod(mode)


def _unusable(path: Path, error: OSError, purpose: str) -> ConnmonError:
    remedy = f"Check that {path.parent} exists and that this user can write to it"
    return ConnmonError(f"cannot {purpose} {path}: {error.strerror or error}", hint=remedy)
