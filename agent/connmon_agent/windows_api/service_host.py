"""A process that Windows' service control manager has started: its half of their conversation. advapi32.

The manager waits 30 s for ``StartServiceCtrlDispatcherW``, then for the states that are reported here: a state that is
pending must make progress (a checkpoint) within its wait hint, and the process of a service that has reported the end
may end. A process that ends without that has failed, and the manager does what its failure actions say.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from ctypes import wintypes

assert sys.platform == "win32"  # tells the type checker; nobody else imports this module

_advapi = ctypes.WinDLL("advapi32", use_last_error=True)

# winsvc.h, winnt.h, winerror.h
_OWN_PROCESS = 0x10
_STOPPED, _RUNNING = 1, 4
_ACCEPT_STOP, _ACCEPT_PARAMCHANGE, _ACCEPT_PRESHUTDOWN = 0x1, 0x8, 0x100
_ACCEPTED = _ACCEPT_STOP | _ACCEPT_PARAMCHANGE | _ACCEPT_PRESHUTDOWN
_INTERROGATE = 4
_NO_ERROR, _NOT_IMPLEMENTED, _SERVICE_SPECIFIC = 0, 120, 1066
_FAREWELL = 2.0  # seconds
_NOT_STARTED_BY_IT = 1063  # ERROR_FAILED_SERVICE_CONTROLLER_CONNECT

_Main = ctypes.WINFUNCTYPE(None, wintypes.DWORD, ctypes.POINTER(wintypes.LPWSTR))
_Handler = ctypes.WINFUNCTYPE(wintypes.DWORD, wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p, ctypes.c_void_p)


class _Entry(ctypes.Structure):
    """SERVICE_TABLE_ENTRYW."""

    _fields_ = (("name", wintypes.LPWSTR), ("main", _Main))


class _Status(ctypes.Structure):
    """SERVICE_STATUS."""

    _fields_ = (
        ("type", wintypes.DWORD),
        ("state", wintypes.DWORD),
        ("accepted", wintypes.DWORD),
        ("exit_code", wintypes.DWORD),
        ("own_exit_code", wintypes.DWORD),
        ("checkpoint", wintypes.DWORD),
        ("wait_hint", wintypes.DWORD),
    )


_advapi.StartServiceCtrlDispatcherW.argtypes = (ctypes.POINTER(_Entry),)
_advapi.RegisterServiceCtrlHandlerExW.argtypes = (wintypes.LPCWSTR, _Handler, ctypes.c_void_p)
_advapi.RegisterServiceCtrlHandlerExW.restype = wintypes.HANDLE
_advapi.SetServiceStatus.argtypes = (wintypes.HANDLE, ctypes.POINTER(_Status))


class Connection:
    """The way to the manager, for as long as the process lives."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._take: Callable[[int], bool] = lambda control: False
        self._handle: int | None = None
        self._error = 0
        self._answered = threading.Event()  # the manager has called, or refused
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._dispatch, name="service", daemon=True)
        self._main, self._handler = _Main(self._serve), _Handler(self._control)  # what Windows calls is kept

    def open(self, take: Callable[[int], bool]) -> bool:
        """Begin the conversation. False: this process was not started by the manager. Raises OSError.

        ``take`` is called with each control, in a thread of the manager's, and returns at once; True: it is one that
        it knows.
        """
        self._take = take
        self._thread.start()
        self._answered.wait()
        if self._handle is None and self._error != _NOT_STARTED_BY_IT:
            raise ctypes.WinError(self._error)
        return self._handle is not None

    def report(self, state: int, *, checkpoint: int = 0, wait_hint: int = 0, code: int = 0) -> None:
        """Report a state. ``wait_hint``: milliseconds to the next checkpoint at the latest; ``code``: our exit code."""
        status = _Status(
            type=_OWN_PROCESS,
            state=state,
            accepted=_ACCEPTED if state == _RUNNING else 0,
            exit_code=_SERVICE_SPECIFIC if code else _NO_ERROR,
            own_exit_code=code,
            checkpoint=checkpoint,
            wait_hint=wait_hint,
        )
        _advapi.SetServiceStatus(self._handle, ctypes.byref(status))
        if state == _STOPPED:
            self._ended.set()

    def close(self) -> None:
        """After STOPPED was reported: return when Windows calls nothing of ours any more, in a moment."""
        if self._ended.is_set():
            self._thread.join(_FAREWELL)

    def _dispatch(self) -> None:
        table = (_Entry * 2)(_Entry(self._name, self._main), _Entry(None, _Main()))
        if not _advapi.StartServiceCtrlDispatcherW(table):
            self._error = ctypes.get_last_error()
        self._answered.set()

    def _serve(self, count: int, words: object) -> None:
        """ServiceMain: the manager takes its return for the end."""
        self._handle = _advapi.RegisterServiceCtrlHandlerExW(self._name, self._handler, None)
        if self._handle is None:
            self._error = ctypes.get_last_error()
        self._answered.set()
        if self._handle is not None:
            self._ended.wait()

    def _control(self, control: int, kind: int, data: object, context: object) -> int:
        return _NO_ERROR if control == _INTERROGATE or self._take(control) else _NOT_IMPLEMENTED
