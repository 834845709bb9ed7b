"""What the console of this process, if it has one, can do (kernel32.dll)."""

from __future__ import annotations

import ctypes
import sys

assert sys.platform == "win32"  # tells the type checker; nobody else imports this module

_kernel32 = ctypes.WinDLL("kernel32")
_kernel32.GetConsoleOutputCP.argtypes = []
_kernel32.GetConsoleOutputCP.restype = ctypes.c_uint


def output_code_page() -> int:
    """The number of the code page in which the console shows bytes, and PowerShell reads pipes; 0: no console."""
    return int(_kernel32.GetConsoleOutputCP())
