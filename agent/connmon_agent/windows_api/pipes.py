"""Named pipes with an access list of their own, which neither asyncio nor the standard library can make. kernel32."""

from __future__ import annotations

import ctypes
import sys
from ctypes import wintypes

assert sys.platform == "win32"  # tells the type checker; nobody else imports this module

from .security import descriptor_of  # noqa: E402

_kernel = ctypes.WinDLL("kernel32", use_last_error=True)

# Windows: winbase.h, namedpipeapi.h
_DUPLEX, _FIRST, _OVERLAPPED = 0x0000_0003, 0x0008_0000, 0x4000_0000
_BYTES, _REFUSE_NETWORK = 0x0000_0000, 0x0000_0008
MOST_INSTANCES = 255  # PIPE_UNLIMITED_INSTANCES
_INVALID = wintypes.HANDLE(-1).value


class _SecurityAttributes(ctypes.Structure):
    _fields_ = (("length", wintypes.DWORD), ("descriptor", ctypes.c_void_p), ("inherit", wintypes.BOOL))


_kernel.CreateNamedPipeW.argtypes = [
    wintypes.LPCWSTR,
    *[wintypes.DWORD] * 6,
    ctypes.POINTER(_SecurityAttributes),
]
_kernel.CreateNamedPipeW.restype = wintypes.HANDLE
_kernel.WaitNamedPipeW.argtypes = [wintypes.LPCWSTR, wintypes.DWORD]
_kernel.GetNamedPipeClientProcessId.argtypes = [wintypes.HANDLE, ctypes.POINTER(wintypes.ULONG)]


def create_pipe(name: str, sddl: str, *, first: bool, buffer: int) -> int:
    """The handle of a new instance of the pipe, for overlapped use, which no other machine may open. Raises OSError.

    ``first``: PermissionError where the name is taken, by whomever. ``buffer`` is in bytes, each way.
    """
    with descriptor_of(sddl) as descriptor:
        attributes = _SecurityAttributes(ctypes.sizeof(_SecurityAttributes), descriptor, False)
        mode = _DUPLEX | _OVERLAPPED | (_FIRST if first else 0)
        handle: int | None = _kernel.CreateNamedPipeW(
            name, mode, _BYTES | _REFUSE_NETWORK, MOST_INSTANCES, buffer, buffer, 0, ctypes.byref(attributes)
        )
    if handle is None or handle == _INVALID:
        raise ctypes.WinError(ctypes.get_last_error())
    return handle


def await_instance(name: str, milliseconds: int) -> None:
    """Return when an instance of the pipe waits for a client. Raises FileNotFoundError, TimeoutError and OSError."""
    if not _kernel.WaitNamedPipeW(name, max(milliseconds, 1)):  # 0 would mean the pipe's own default
        code = ctypes.get_last_error()
        if code == 121:  # ERROR_SEM_TIMEOUT
            raise TimeoutError(f"{name} was busy all the time")
        raise ctypes.WinError(code)


def find_client(handle: int) -> int:
    """The id of the process at the other end of an instance. Raises OSError."""
    pid = wintypes.ULONG()
    if not _kernel.GetNamedPipeClientProcessId(handle, ctypes.byref(pid)):
        raise ctypes.WinError(ctypes.get_last_error())
    return pid.value
