"""Locks of a whole file by LockFileEx: of one byte far behind the text, because Windows refuses to read locked bytes.

They belong to the open file, as those of flock(2), and end with the process that opened it. Unlike flock(2), a second
lock by the same open file does not change the first one, but fails beside it.
"""

from __future__ import annotations

import ctypes
import sys

assert sys.platform == "win32"  # tells the type checker; nobody else imports this module

import msvcrt  # noqa: E402
from ctypes import wintypes  # noqa: E402

_FAR_BEHIND = 0x7FFF_0000
# minwinbase.h, winerror.h
_FAIL_IMMEDIATELY, _EXCLUSIVE = 1, 2
_LOCK_VIOLATION, _IO_PENDING, _NOT_LOCKED = 33, 997, 158
# A file system, or a share of another machine, that knows no locks: ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED.
_UNSUPPORTED = (1, 50)


class _Overlapped(ctypes.Structure):
    """OVERLAPPED: where in the file the lock begins."""

    _fields_ = (
        ("internal", ctypes.c_void_p),
        ("internal_high", ctypes.c_void_p),
        ("offset", wintypes.DWORD),
        ("offset_high", wintypes.DWORD),
        ("event", wintypes.HANDLE),
    )


_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_lock_file = _kernel.LockFileEx
_lock_file.argtypes = (wintypes.HANDLE, *[wintypes.DWORD] * 4, ctypes.POINTER(_Overlapped))
_lock_file.restype = wintypes.BOOL
_unlock_file = _kernel.UnlockFileEx
_unlock_file.argtypes = (wintypes.HANDLE, *[wintypes.DWORD] * 3, ctypes.POINTER(_Overlapped))
_unlock_file.restype = wintypes.BOOL


def lock_alone(descriptor: int) -> bool:
    """Take the lock that excludes every other one; False: somebody holds one. Raises OSError where none can be had."""
    return _try_lock(descriptor, _EXCLUSIVE)


def lock_shared(descriptor: int) -> bool:
    """Take a lock that excludes only ``lock_alone``; False: somebody holds that. True also where locks are unknown."""
    try:
        return _try_lock(descriptor, 0)
    except OSError as error:
        if error.winerror in _UNSUPPORTED:
            return True
        raise


def unlock(descriptor: int) -> None:
    """Give the lock back; nothing happens when there is none."""
    place = _Overlapped(offset=_FAR_BEHIND)
    if not _unlock_file(msvcrt.get_osfhandle(descriptor), 0, 1, 0, ctypes.byref(place)):
        error = ctypes.get_last_error()
        if error not in (_NOT_LOCKED, _LOCK_VIOLATION, *_UNSUPPORTED):
            raise ctypes.WinError(error)


def _try_lock(descriptor: int, mode: int) -> bool:
    place = _Overlapped(offset=_FAR_BEHIND)
    if _lock_file(msvcrt.get_osfhandle(descriptor), mode | _FAIL_IMMEDIATELY, 0, 1, 0, ctypes.byref(place)):
        return True
    error = ctypes.get_last_error()
    if error in (_LOCK_VIOLATION, _IO_PENDING):
        return False
    raise ctypes.WinError(error)
