"""Whether the tests run in Wine, which is not Windows: what it lacks is left out by name."""

from __future__ import annotations

import ctypes
import sys


def on_wine() -> bool:
    """Whether this Windows is Wine's."""
    return sys.platform == "win32" and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")
