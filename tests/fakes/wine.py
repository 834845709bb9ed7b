"""Whether the tests run in Wine, which is not Windows: what it lacks is left out by name."""

from __future__ import annotations

import ctypes
import sys

import psutil


def on_wine() -> bool:
    """Whether this Windows is Wine's."""
    return sys.platform == "win32" and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


def own_name() -> str:
    """The name of this process, as psutil tells it; Wine tells none, and what asks for one is left out there."""
    return "python.exe" if on_wine() else psutil.Process().name()
