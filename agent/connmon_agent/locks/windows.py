"""Locks of a whole file by LockFile: of one byte far behind the text, because Windows refuses to read locked bytes."""

from __future__ import annotations

import errno
import os
import sys

assert sys.platform == "win32"  # tells the type checker; nobody else imports this module

import msvcrt  # noqa: E402

_FAR_BEHIND = 0x7FFF_0000


def lock_alone(descriptor: int) -> bool:
    """Take the lock that excludes every other one; False: somebody holds one."""
    os.lseek(descriptor, _FAR_BEHIND, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EDEADLK):
            return False
        raise
    return True


def lock_shared(descriptor: int) -> bool:
    """The same as ``lock_alone``: msvcrt has no shared lock, so two readers may take each other for the holder."""
    return lock_alone(descriptor)


def unlock(descriptor: int) -> None:
    """Give the lock back."""
    os.lseek(descriptor, _FAR_BEHIND, os.SEEK_SET)
    msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
