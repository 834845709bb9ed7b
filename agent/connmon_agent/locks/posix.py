"""Locks of a whole file by flock(2): they belong to the open file, and end with the process that opened it."""

from __future__ import annotations

import errno
import sys

assert sys.platform != "win32"  # tells the type checker; nobody else imports this module

import fcntl  # noqa: E402

# A file system that knows no flock: nobody can hold a lock there.
_UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)


def lock_alone(descriptor: int) -> bool:
    """Take the lock that excludes every other one; False: somebody holds one. Raises OSError where none can be had."""
    return _try_lock(descriptor, fcntl.LOCK_EX)


def lock_shared(descriptor: int) -> bool:
    """Take a lock that excludes only ``lock_alone``; False: somebody holds that. True also where locks are unknown."""
    try:
        return _try_lock(descriptor, fcntl.LOCK_SH)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return True
        raise


def unlock(descriptor: int) -> None:
    """Give the lock back; nothing happens when there is none."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def _try_lock(descriptor: int, mode: int) -> bool:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
