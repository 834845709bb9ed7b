"""What kind of drive a path lies on. kernel32."""

from __future__ import annotations

import ctypes
import ntpath
import sys
from ctypes import wintypes

assert sys.platform == "win32"  # tells the type checker; nobody else imports this module

_kernel = ctypes.WinDLL("kernel32")
_kernel.GetDriveTypeW.argtypes = [wintypes.LPCWSTR]
_kernel.GetDriveTypeW.restype = wintypes.UINT
_REMOTE = 4  # DRIVE_REMOTE


def is_remote(path: str) -> bool:
    r"""Whether an absolute path lies on another machine: on a mapped drive, or as \\server\share. Sends nothing."""
    root = ntpath.splitdrive(path)[0]
    if root.startswith("\\\\"):
        return not root.startswith(("\\\\?\\", "\\\\.\\")) or root.upper().startswith("\\\\?\\UNC")
    return bool(_kernel.GetDriveTypeW(root + "\\") == _REMOTE)
