"""How Windows tells a process to end: events of its console, and messages to a window of its own when a session ends.

A program that has user32.dll loaded, as every Python that has ctypes or psutil, hears of the end of its session by a
window alone; one without a console hears nothing else. Whoever takes the event has some seconds, while it does not
return: 5 after the console is closed, and as many at the end of a session (HungAppTimeout, WaitToKillAppTimeout).
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable

assert sys.platform == "win32"  # tells the type checker; nobody else imports this module

from ctypes import wintypes  # noqa: E402

Ask = Callable[[str], None]  # asks for the end, for a reason; returns at once

_NAME = "connmon-agent"

# SetConsoleCtrlHandler's events (consoleapi.h): why the agent ends, and whether the process dies when it is taken.
_LOGOFF = 5
_EVENTS = {
    0: ("Ctrl+C", False),
    1: ("Ctrl+Break", False),
    2: ("the console is closed", True),
    _LOGOFF: ("the user logs off", True),
    6: ("the machine shuts down", True),
}
# Messages of winuser.h.
_QUERY_END_SESSION, _END_SESSION = 0x0011, 0x0016
_BY_LOGOFF = 0x8000_0000

_LRESULT = ctypes.c_ssize_t
_ConsoleHandler = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)
_WindowProcedure = ctypes.WINFUNCTYPE(_LRESULT, wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPARAM)
_kept: list[object] = []  # what Windows calls must not be collected

_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel.SetConsoleCtrlHandler.argtypes = (_ConsoleHandler, wintypes.BOOL)
_kernel.ProcessIdToSessionId.argtypes = (wintypes.DWORD, ctypes.POINTER(wintypes.DWORD))
_kernel.GetModuleHandleW.argtypes = (wintypes.LPCWSTR,)
_kernel.GetModuleHandleW.restype = wintypes.HMODULE


class _WindowClass(ctypes.Structure):
    """WNDCLASSW."""

    _fields_ = (
        ("style", wintypes.UINT),
        ("procedure", _WindowProcedure),
        ("class_extra", ctypes.c_int),
        ("window_extra", ctypes.c_int),
        ("instance", wintypes.HINSTANCE),
        ("icon", wintypes.HICON),
        ("cursor", wintypes.HANDLE),
        ("background", wintypes.HBRUSH),
        ("menu_name", wintypes.LPCWSTR),
        ("name", wintypes.LPCWSTR),
    )


def listen_to_console(ask: Ask) -> None:
    """Ask for the end when the console is interrupted or closed, and keep it from ending the process meanwhile.

    A process of session 0, where services are, hears of every user who logs off, and goes on.
    """
    alone = _session() == 0

    def take(event: int) -> bool:
        why, dies = _EVENTS.get(event, ("", False))
        if not why:
            return False
        if event == _LOGOFF and alone:
            return True
        _ask_and_wait(ask, why, wait=dies)
        return True

    handler = _ConsoleHandler(take)
    _kept.append(handler)
    _kernel.SetConsoleCtrlHandler(handler, True)


def listen_to_session(ask: Ask) -> None:
    """Ask for the end when the user logs off or the machine shuts down, by a window that nobody sees.

    Services have no session that could end: their manager stops them.
    """
    if _session() != 0:
        threading.Thread(target=_serve_window, args=(ask,), name="session", daemon=True).start()


def _serve_window(ask: Ask) -> None:
    """Make the window and serve it for as long as the process lives; where no window can be made, end."""
    user = ctypes.WinDLL("user32", use_last_error=True)
    user.DefWindowProcW.argtypes = (wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPARAM)
    user.DefWindowProcW.restype = _LRESULT
    user.CreateWindowExW.argtypes = (
        *(wintypes.DWORD, wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.DWORD),
        *[ctypes.c_int] * 4,
        *(wintypes.HWND, wintypes.HMENU, wintypes.HINSTANCE, wintypes.LPVOID),
    )
    user.CreateWindowExW.restype = wintypes.HWND

    def take(window: int, message: int, word: int, detail: int) -> int:
        if message == _QUERY_END_SESSION:
            return 1  # it may end
        if message == _END_SESSION:
            if word:
                _ask_and_wait(ask, _EVENTS[_LOGOFF if detail & _BY_LOGOFF else 6][0], wait=True)
            return 0
        return int(user.DefWindowProcW(window, message, word, detail))

    instance = _kernel.GetModuleHandleW(None)
    made = _WindowClass(procedure=_WindowProcedure(take), instance=instance, name=_NAME)
    _kept.append(made)
    if not user.RegisterClassW(ctypes.byref(made)):
        return
    # A window of the top level, hidden: what only takes messages is not told of the session's end.
    if not user.CreateWindowExW(0, _NAME, _NAME, 0, 0, 0, 0, 0, None, None, instance, None):
        return
    message = wintypes.MSG()
    while user.GetMessageW(ctypes.byref(message), None, 0, 0) > 0:
        user.DispatchMessageW(ctypes.byref(message))


def _ask_and_wait(ask: Ask, why: str, *, wait: bool) -> None:
    """Ask for the end; ``wait``: and never return, because Windows ends the process then. Whatever holds the agent,
    it ends within its own time to end, and this thread with it; or Windows loses patience.
    """
    ask(why)
    if wait:
        threading.Event().wait()


def _session() -> int:
    """The number of the session in which the process runs; 0 is the services'."""
    number = wintypes.DWORD()
    found = _kernel.ProcessIdToSessionId(_kernel.GetCurrentProcessId(), ctypes.byref(number))
    return number.value if found else -1
