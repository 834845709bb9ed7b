"""Windows' event log, Application: entries of one source. advapi32, and the registry for how they are shown."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from ctypes import wintypes

assert sys.platform == "win32"  # tells the type checker; nobody else imports this module

import winreg  # noqa: E402

_advapi = ctypes.WinDLL("advapi32", use_last_error=True)
_advapi.RegisterEventSourceW.argtypes = (wintypes.LPCWSTR, wintypes.LPCWSTR)
_advapi.RegisterEventSourceW.restype = wintypes.HANDLE
_advapi.DeregisterEventSource.argtypes = (wintypes.HANDLE,)
_advapi.ReportEventW.argtypes = (
    *(wintypes.HANDLE, wintypes.WORD, wintypes.WORD, wintypes.DWORD, ctypes.c_void_p, wintypes.WORD, wintypes.DWORD),
    *(ctypes.POINTER(wintypes.LPCWSTR), ctypes.c_void_p),
)

ERROR, WARNING, INFORMATION = 1, 2, 4  # winnt.h
_SOURCES = r"SYSTEM\CurrentControlSet\Services\EventLog\Application\{}"
# Windows' own program whose messages 1 to 1000 are the entry's text and nothing else; without it the Event Viewer says
# first that it knows no description.
_MESSAGES = r"%SystemRoot%\System32\EventCreate.exe"


class EventSource:
    """Writes entries as ``source``. Raises OSError."""

    def __init__(self, source: str) -> None:
        self._handle: int | None = _advapi.RegisterEventSourceW(None, source)
        if not self._handle:
            raise ctypes.WinError(ctypes.get_last_error())

    def write(self, kind: int, number: int, text: str) -> None:
        """One entry. ``kind`` is ERROR, WARNING or INFORMATION, ``number`` (1 to 1000) its event id."""
        texts = (wintypes.LPCWSTR * 1)(text)
        if not _advapi.ReportEventW(self._handle, kind, 0, number, None, 1, 0, texts, None):
            raise ctypes.WinError(ctypes.get_last_error())

    def close(self) -> None:
        """Let go of it."""
        if self._handle:
            _advapi.DeregisterEventSource(self._handle)
            self._handle = None


def let_be_shown(source: str) -> None:
    """Register ``source`` unless it is. An account that may not, or a registry that refuses, leaves it as it is: the
    entries are written all the same, and the Event Viewer says that it knows no description.
    """
    if not is_registered(source):
        with suppress(OSError):
            register_source(source)


def register_source(source: str) -> None:
    """Let the Event Viewer show the texts of ``source``; needs an administrator. Raises OSError."""
    with winreg.CreateKey(winreg.HKEY_LOCAL_MACHINE, _SOURCES.format(source)) as key:
        winreg.SetValueEx(key, "EventMessageFile", 0, winreg.REG_EXPAND_SZ, _MESSAGES)
        winreg.SetValueEx(key, "TypesSupported", 0, winreg.REG_DWORD, ERROR | WARNING | INFORMATION)


def is_registered(source: str) -> bool:
    """Whether ``register_source`` was called for it, or another program has done so."""
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _SOURCES.format(source)) as key:
            return bool(winreg.QueryValueEx(key, "EventMessageFile")[0])
    except OSError:
        return False
