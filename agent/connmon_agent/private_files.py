"""Who may use the agent's files: its own user, and one group that the administrator names may read them.

Whoever may read a file may lock it, and a lock on the state file or on ``agent.lock`` keeps the agent from deciding or
from starting. So others get nothing, whatever the umask says. On Windows an access list does the same: the user, SYSTEM
and Administrators. A drive without access lists is left as it is.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from .errors import ConnmonError

OWNER_ONLY = 0o600
OWNER_AND_GROUP = 0o640
FOLDER = 0o700
SHARED_FOLDER = 0o750
PUBLIC_FOLDER = 0o755


def make_folder(folder: Path, mode: int = FOLDER) -> None:
    """Make ``folder`` with ``mode``, whatever the umask adds, and its missing parents so that others may enter them.

    One that is there stays as it is. Raises OSError.
    """
    for parent in reversed([parent for parent in folder.parents if not parent.exists()]):
        parent.mkdir(mode=PUBLIC_FOLDER, exist_ok=True)
    missing = not folder.exists()
    folder.mkdir(mode=mode, exist_ok=True)
    if sys.platform == "win32" and missing and mode == FOLDER:
        from .windows_api.access_lists import describe_folder  # Windows alone has it

        _close_to_others(folder, describe_folder)


def open_private(path: Path, flags: int) -> int:
    """Open ``path``, made for its owner alone where it is missing; the rights of others on it are taken back.

    Returns the descriptor. Raises OSError.
    """
    descriptor = os.open(path, flags | os.O_CREAT, OWNER_ONLY)
    take_back(path)
    return descriptor


def take_back(path: Path) -> None:
    """Leave the owner's rights on the file ``path`` and the group's right to read, and no other."""
    if sys.platform == "win32":
        from .windows_api.access_lists import describe_file  # Windows alone has it

        _close_to_others(path, describe_file)
        return
    with contextlib.suppress(OSError, NotImplementedError):  # another user's file, or a system without modes
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & ~OWNER_AND_GROUP:
            path.chmod(mode & OWNER_AND_GROUP)


def is_open_to_anybody(path: Path) -> bool:
    """Whether Windows lets every user of the machine at ``path``. False elsewhere, and where it does not tell."""
    if sys.platform == "win32":
        from .windows_api.access_lists import admits_anybody  # Windows alone has it
        from .windows_api.security import read_access

        with contextlib.suppress(OSError):
            return admits_anybody(read_access(path))
    return False


def find_group(name: str) -> int:
    """The id of the group ``name``. Raises ConnmonError where this machine has none of that name."""
    if sys.platform != "win32":
        import grp  # not on Windows

        with contextlib.suppress(KeyError):
            return grp.getgrnam(name).gr_gid
    raise ConnmonError(f"state_group: this machine has no group {name}", hint="Make the group, or correct the name")


def admit(folder: Path, files: Iterable[Path], group: int | None) -> None:
    """Let ``group`` (an id; None: nobody but the owner) read ``files`` and enter ``folder``. Raises ConnmonError.

    Files that are missing are passed over. The folder's rights are widened, never narrowed: others may need them.
    """
    try:
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                _set(file, OWNER_ONLY if group is None else OWNER_AND_GROUP, group)
        if group is not None:
            _set(folder, stat.S_IMODE(folder.stat().st_mode) | SHARED_FOLDER, group)
    except NotImplementedError:
        return
    except OSError as error:
        raise ConnmonError(
            f"the rights of {error.filename or folder} cannot be set: {error.strerror}",
            hint="Run the agent as the owner of the state directory, and as a member of state_group",
        ) from error


def copy_access(like: Path, path: Path) -> None:
    """Give ``path`` the group and the rights of ``like``. Raises OSError."""
    status = like.stat()
    if hasattr(os, "chown"):
        _set(path, stat.S_IMODE(status.st_mode), status.st_gid)


def forbid_writing(path: Path) -> None:
    """Take the right to write the file ``path`` back from everybody but its owner."""
    with contextlib.suppress(OSError, NotImplementedError):
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~(stat.S_IWGRP | stat.S_IWOTH))


def _close_to_others(path: Path, describe: Callable[[str], str]) -> None:
    """Give ``path`` the list that ``describe`` makes for a user, unless only those are let in who were meant to be."""
    if sys.platform == "win32":
        from .windows_api.security import current_user, write_access  # Windows alone has it

        with contextlib.suppress(OSError):  # another user's, or a drive without access lists
            if is_open_to_anybody(path):
                write_access(path, describe(current_user()))


def _set(path: Path, mode: int, group: int | None) -> None:
    if sys.platform == "win32":
        return  # all that chmod could change there is whether the file is read-only, which SQLite would trip over
    status = path.stat()
    if group is not None and status.st_gid != group:
        os.chown(path, -1, group)
    if stat.S_IMODE(status.st_mode) != mode:
        path.chmod(mode)
