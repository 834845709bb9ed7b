"""The service control manager from outside: making, changing, starting and removing a service. advapi32.

Each call opens the manager and the service anew and closes both. All of them raise OSError with Windows' own error.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import wintypes
from dataclasses import dataclass

assert sys.platform == "win32"  # tells the type checker; nobody else imports this module

import winreg  # noqa: E402

_advapi = ctypes.WinDLL("advapi32", use_last_error=True)

# winsvc.h, winnt.h, winerror.h
_MANAGER_CONNECT, _MANAGER_CREATE = 0x1, 0x2
_QUERY_CONFIG, _CHANGE_CONFIG, _QUERY_STATUS, _START, _STOP, _DELETE = 0x1, 0x2, 0x4, 0x10, 0x20, 0x1_0000
_OWN_PROCESS, _NO_CHANGE = 0x10, 0xFFFF_FFFF
_AUTO_START, _ERROR_NORMAL = 2, 1
_DESCRIPTION, _FAILURE_ACTIONS, _DELAYED, _FAILURE_FLAG, _PRESHUTDOWN = 1, 2, 3, 4, 7
_CONTROL_STOP = 1
_RESTART = 1  # SC_ACTION_RESTART
_STATUS_PROCESS = 0  # SC_STATUS_PROCESS_INFO
_INVALID_LEVEL, _NO_SUCH_SERVICE = 124, 1060

_SERVICES = r"SYSTEM\CurrentControlSet\Services"
_NOTES, _NOTE = _SERVICES + r"\{}\Parameters", "Unit"


class _Status(ctypes.Structure):
    """SERVICE_STATUS_PROCESS."""

    _fields_ = tuple(
        (name, wintypes.DWORD)
        for name in (
            "type",
            "state",
            "accepted",
            "exit_code",
            "own_exit_code",
            "checkpoint",
            "wait_hint",
            "pid",
            "flags",
        )
    )
    state: int
    exit_code: int
    own_exit_code: int
    checkpoint: int
    pid: int


class _Configuration(ctypes.Structure):
    """QUERY_SERVICE_CONFIGW."""

    _fields_ = (
        ("type", wintypes.DWORD),
        ("start", wintypes.DWORD),
        ("error_control", wintypes.DWORD),
        ("command", wintypes.LPWSTR),
        ("group", wintypes.LPWSTR),
        ("tag", wintypes.DWORD),
        ("dependencies", wintypes.LPWSTR),
        ("account", wintypes.LPWSTR),
        ("display_name", wintypes.LPWSTR),
    )


class _Action(ctypes.Structure):
    """SC_ACTION."""

    _fields_ = (("kind", ctypes.c_int), ("delay", wintypes.DWORD))


class _FailureActions(ctypes.Structure):
    """SERVICE_FAILURE_ACTIONSW."""

    _fields_ = (
        ("reset_period", wintypes.DWORD),
        ("reboot_message", wintypes.LPWSTR),
        ("command", wintypes.LPWSTR),
        ("count", wintypes.DWORD),
        ("actions", ctypes.POINTER(_Action)),
    )


_advapi.OpenSCManagerW.argtypes = (wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.DWORD)
_advapi.OpenSCManagerW.restype = wintypes.HANDLE
_advapi.OpenServiceW.argtypes = (wintypes.HANDLE, wintypes.LPCWSTR, wintypes.DWORD)
_advapi.OpenServiceW.restype = wintypes.HANDLE
_advapi.CloseServiceHandle.argtypes = (wintypes.HANDLE,)
_advapi.CreateServiceW.argtypes = (
    *(wintypes.HANDLE, wintypes.LPCWSTR, wintypes.LPCWSTR),
    *[wintypes.DWORD] * 4,
    *(wintypes.LPCWSTR, wintypes.LPCWSTR, ctypes.c_void_p, wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.LPCWSTR),
)
_advapi.CreateServiceW.restype = wintypes.HANDLE
_advapi.ChangeServiceConfigW.argtypes = (
    wintypes.HANDLE,
    *[wintypes.DWORD] * 3,
    *(wintypes.LPCWSTR, wintypes.LPCWSTR, ctypes.c_void_p, wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.LPCWSTR),
    wintypes.LPCWSTR,
)
_advapi.ChangeServiceConfig2W.argtypes = (wintypes.HANDLE, wintypes.DWORD, ctypes.c_void_p)
_advapi.QueryServiceConfigW.argtypes = (
    *(wintypes.HANDLE, ctypes.c_void_p, wintypes.DWORD),
    ctypes.POINTER(wintypes.DWORD),
)
_advapi.QueryServiceStatusEx.argtypes = (
    *(wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD),
    ctypes.POINTER(wintypes.DWORD),
)
_advapi.StartServiceW.argtypes = (wintypes.HANDLE, wintypes.DWORD, ctypes.c_void_p)
_advapi.ControlService.argtypes = (wintypes.HANDLE, wintypes.DWORD, ctypes.c_void_p)
_advapi.DeleteService.argtypes = (wintypes.HANDLE,)


@dataclass(frozen=True, slots=True)
class Status:
    """How a service is doing. ``state`` is dwCurrentState of SERVICE_STATUS; ``pid`` 0: it has no process.

    ``exit_code`` is Windows' error of its last end, ``own_exit_code`` ours where that is 1066.
    """

    state: int
    exit_code: int
    own_exit_code: int
    checkpoint: int
    pid: int


def query_status(name: str) -> Status | None:
    """How the service ``name`` is doing; None: there is no such service."""
    with _found(name, _QUERY_STATUS) as service:
        if service is None:
            return None
        status, size = _Status(), wintypes.DWORD()
        _check(
            _advapi.QueryServiceStatusEx(
                service, _STATUS_PROCESS, ctypes.byref(status), ctypes.sizeof(status), ctypes.byref(size)
            )
        )
        return Status(status.state, status.exit_code, status.own_exit_code, status.checkpoint, status.pid)


def query_configuration(name: str) -> tuple[str, str, bool] | None:
    """The command line and the account of the service ``name``, and whether it starts at boot; None: there is none."""
    with _found(name, _QUERY_CONFIG) as service:
        if service is None:
            return None
        size = wintypes.DWORD()
        _advapi.QueryServiceConfigW(service, None, 0, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(max(size.value, ctypes.sizeof(_Configuration)))
        _check(_advapi.QueryServiceConfigW(service, buffer, len(buffer), ctypes.byref(size)))
        found = _Configuration.from_buffer(buffer)
        return found.command or "", found.account or "", found.start == _AUTO_START


def create(name: str, display_name: str, command: str, account: str, password: str) -> None:
    """Make a service that is started at boot. ``password`` is empty for accounts that have none."""
    with _manager(_MANAGER_CONNECT | _MANAGER_CREATE) as manager:
        service = _advapi.CreateServiceW(
            *(manager, name, display_name, _CHANGE_CONFIG, _OWN_PROCESS, _AUTO_START, _ERROR_NORMAL, command),
            *(None, None, None, account, password),
        )
        _check(service)
        _advapi.CloseServiceHandle(service)


def change(name: str, display_name: str, command: str, account: str, password: str) -> None:
    """Change what ``create`` made."""
    with _opened(name, _CHANGE_CONFIG) as service:
        _check(
            _advapi.ChangeServiceConfigW(
                *(service, _OWN_PROCESS, _AUTO_START, _NO_CHANGE, command, None, None, None, account, password),
                display_name,
            )
        )


def describe(
    name: str, description: str, *, delays: Sequence[int], reset_period: int, preshutdown: int, delayed: bool
) -> list[str]:
    """Set what ``create`` does not; returns what this Windows does not know, as Wine.

    ``delays``: milliseconds before it is started again after it failed the first, second ... time, the last one counts
    for all later ones; ``reset_period``: seconds without a failure after which they are counted anew; it has failed,
    too, when it ends with an error. ``preshutdown``: milliseconds that it may take to end when the machine shuts
    down. ``delayed``: it is started some time after the services that the machine needs to boot.
    """
    actions = (_Action * len(delays))(*(_Action(_RESTART, delay) for delay in delays))
    failures = _FailureActions(reset_period, None, None, len(delays), actions)
    values = (
        ("a description", _DESCRIPTION, ctypes.pointer(wintypes.LPWSTR(description))),
        ("failure actions", _FAILURE_ACTIONS, ctypes.pointer(failures)),
        ("failure actions after an error", _FAILURE_FLAG, ctypes.pointer(wintypes.BOOL(True))),
        ("a delayed start", _DELAYED, ctypes.pointer(wintypes.BOOL(delayed))),
        ("a shutdown timeout", _PRESHUTDOWN, ctypes.pointer(wintypes.DWORD(preshutdown))),
    )
    unknown = []
    with _opened(name, _CHANGE_CONFIG | _START) as service:  # who lets it be restarted must be allowed to start it
        for what, level, value in values:
            if _advapi.ChangeServiceConfig2W(service, level, value):
                continue
            if ctypes.get_last_error() != _INVALID_LEVEL:
                _check(False)
            unknown.append(what)
    return unknown


def start(name: str) -> None:
    """Have it started; it may still be pending afterwards."""
    with _opened(name, _START) as service:
        _check(_advapi.StartServiceW(service, 0, None))


def stop(name: str) -> None:
    """Have it stopped; it may still be pending afterwards."""
    with _opened(name, _STOP) as service:
        status = ctypes.create_string_buffer(64)  # SERVICE_STATUS, which query_status reads better
        _check(_advapi.ControlService(service, _CONTROL_STOP, status))


def delete(name: str) -> None:
    """Remove it; it is gone once it has stopped and nobody looks at it any more."""
    with _opened(name, _DELETE) as service:
        _check(_advapi.DeleteService(service))


def list_names(prefix: str) -> list[str]:
    """The services whose names begin with ``prefix``, in any case, as it is with their names."""
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _SERVICES) as key:
        names = [winreg.EnumKey(key, number) for number in range(winreg.QueryInfoKey(key)[0])]
    return [name for name in names if name.lower().startswith(prefix.lower())]


def read_note(name: str) -> str | None:
    """What ``write_note`` left with the service ``name``; None: nothing."""
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _NOTES.format(name)) as key:
            value, kind = winreg.QueryValueEx(key, _NOTE)
    except FileNotFoundError:
        return None
    return value if kind == winreg.REG_SZ and isinstance(value, str) else None


def write_note(name: str, text: str) -> None:
    """Leave ``text`` with the service ``name``; it goes with the service."""
    with winreg.CreateKey(winreg.HKEY_LOCAL_MACHINE, _NOTES.format(name)) as key:
        winreg.SetValueEx(key, _NOTE, 0, winreg.REG_SZ, text)


@contextmanager
def _manager(rights: int) -> Iterator[int]:
    handle = _advapi.OpenSCManagerW(None, None, rights)
    _check(handle)
    try:
        yield handle
    finally:
        _advapi.CloseServiceHandle(handle)


@contextmanager
def _found(name: str, rights: int) -> Iterator[int | None]:
    """The service; None: there is none."""
    with _manager(_MANAGER_CONNECT) as manager:
        handle = _advapi.OpenServiceW(manager, name, rights)
        if not handle:
            code = ctypes.get_last_error()
            if code != _NO_SUCH_SERVICE:
                raise ctypes.WinError(code)
            yield None
            return
        try:
            yield handle
        finally:
            _advapi.CloseServiceHandle(handle)


@contextmanager
def _opened(name: str, rights: int) -> Iterator[int]:
    with _found(name, rights) as service:
        if service is None:
            raise ctypes.WinError(_NO_SUCH_SERVICE)
        yield service


def _check(done: object) -> None:
    if not done:
        raise ctypes.WinError(ctypes.get_last_error())
