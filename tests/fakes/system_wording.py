"""How the operating system words a failure, in its own language: what a message of ours quotes."""

from __future__ import annotations

import os
import sys


def worded(number: int, windows: int) -> str:
    """The system's text for the errno ``number``; on Windows that of the system error code ``windows``."""
    if sys.platform == "win32":
        import ctypes

        return ctypes.FormatError(windows).strip().rstrip(".")
    return os.strerror(number)
