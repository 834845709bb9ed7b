"""Windows' clocks: time since boot with and without sleep, and a number of the boot. kernel32, registry."""

from __future__ import annotations

import ctypes
import sys

assert sys.platform == "win32"  # tells the type checker; nobody else imports this module

import winreg  # noqa: E402

_kernel = ctypes.WinDLL("kernel32")
_kernel.GetTickCount64.argtypes = []
_kernel.GetTickCount64.restype = ctypes.c_uint64
_kernel.QueryUnbiasedInterruptTime.argtypes = [ctypes.POINTER(ctypes.c_uint64)]

# The loader counts every start of the system there.
_COUNTS = r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters"
_COUNT = "BootId"


def since_boot() -> float:
    """Seconds since the machine booted, sleep included, in steps of some 16 ms."""
    return float(_kernel.GetTickCount64() / 1000)


def awake() -> float:
    """Seconds since the machine booted without those in which it slept, in steps of some 16 ms or less."""
    ticks = ctypes.c_uint64()
    if not _kernel.QueryUnbiasedInterruptTime(ctypes.byref(ticks)):
        raise OSError("Windows does not tell how long it was awake")
    return ticks.value / 10_000_000


def boot_number() -> int | None:
    """How many times the system was started so far; None: it does not count, as Wine and some editions."""
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _COUNTS) as key:
            value, kind = winreg.QueryValueEx(key, _COUNT)
    except OSError:
        return None
    return value if kind == winreg.REG_DWORD and isinstance(value, int) else None
