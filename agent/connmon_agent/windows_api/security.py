"""Who may use an object: security descriptors as text (SDDL), and the user of this process. advapi32, kernel32."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import wintypes
from functools import cache
from pathlib import Path

assert sys.platform == "win32"  # tells the type checker; nobody else imports this module

_advapi = ctypes.WinDLL("advapi32", use_last_error=True)
_kernel = ctypes.WinDLL("kernel32", use_last_error=True)

_REVISION = 1  # SDDL_REVISION_1
_TOKEN_QUERY, _TOKEN_USER = 0x0008, 1
_FILE_OBJECT = 1  # SE_FILE_OBJECT
_DACL = 0x0000_0004  # DACL_SECURITY_INFORMATION

_advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW.argtypes = [
    wintypes.LPCWSTR,
    wintypes.DWORD,
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(wintypes.ULONG),
]
_advapi.ConvertSecurityDescriptorToStringSecurityDescriptorW.argtypes = [
    ctypes.c_void_p,
    wintypes.DWORD,
    wintypes.DWORD,
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(wintypes.ULONG),
]
_advapi.SetFileSecurityW.argtypes = [wintypes.LPCWSTR, wintypes.DWORD, ctypes.c_void_p]
_advapi.GetNamedSecurityInfoW.argtypes = [
    wintypes.LPCWSTR,
    ctypes.c_int,
    wintypes.DWORD,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_void_p),
]
_advapi.GetNamedSecurityInfoW.restype = wintypes.DWORD
_advapi.OpenProcessToken.argtypes = [wintypes.HANDLE, wintypes.DWORD, ctypes.POINTER(wintypes.HANDLE)]
_advapi.GetTokenInformation.argtypes = [
    wintypes.HANDLE,
    ctypes.c_int,
    ctypes.c_void_p,
    wintypes.DWORD,
    ctypes.POINTER(wintypes.DWORD),
]
_advapi.ConvertSidToStringSidW.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)]
_advapi.LookupAccountNameW.argtypes = [
    wintypes.LPCWSTR,
    wintypes.LPCWSTR,
    ctypes.c_void_p,
    ctypes.POINTER(wintypes.DWORD),
    ctypes.c_void_p,
    ctypes.POINTER(wintypes.DWORD),
    ctypes.POINTER(ctypes.c_int),
]
_kernel.GetCurrentProcess.restype = wintypes.HANDLE
_kernel.CloseHandle.argtypes = [wintypes.HANDLE]
_kernel.LocalFree.argtypes = [ctypes.c_void_p]
_kernel.LocalFree.restype = ctypes.c_void_p


@contextmanager
def descriptor_of(sddl: str) -> Iterator[ctypes.c_void_p]:
    """The security descriptor that ``sddl`` describes, until the end of ``with``. Raises OSError."""
    found = ctypes.c_void_p()
    if not _advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl, _REVISION, ctypes.byref(found), None):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        yield found
    finally:
        _kernel.LocalFree(found)


def read_access(path: Path) -> str:
    """The access list of a file or folder, as SDDL. Raises OSError."""
    found = ctypes.c_void_p()
    code = _advapi.GetNamedSecurityInfoW(str(path), _FILE_OBJECT, _DACL, None, None, None, None, ctypes.byref(found))
    if code:
        raise ctypes.WinError(code)
    try:
        text = ctypes.c_void_p()
        if not _advapi.ConvertSecurityDescriptorToStringSecurityDescriptorW(
            found, _REVISION, _DACL, ctypes.byref(text), None
        ):
            raise ctypes.WinError(ctypes.get_last_error())
        return _take_text(text)
    finally:
        _kernel.LocalFree(found)


def write_access(path: Path, sddl: str) -> None:
    """Give a file or folder the access list of ``sddl``, instead of what it would inherit where that begins with "D:P".

    What lies in a folder already is left as it is. Raises OSError.
    """
    with descriptor_of(sddl) as descriptor:
        if not _advapi.SetFileSecurityW(str(path), _DACL, descriptor):
            raise ctypes.WinError(ctypes.get_last_error())


@cache
def current_user() -> str:
    """The security identifier of this process' user: ``S-1-5-21-...-1001``. Raises OSError."""
    token = wintypes.HANDLE()
    if not _advapi.OpenProcessToken(_kernel.GetCurrentProcess(), _TOKEN_QUERY, ctypes.byref(token)):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        buffer, size = ctypes.create_string_buffer(256), wintypes.DWORD()  # TOKEN_USER: a pointer, then the SID
        if not _advapi.GetTokenInformation(token, _TOKEN_USER, buffer, len(buffer), ctypes.byref(size)):
            raise ctypes.WinError(ctypes.get_last_error())
        text = ctypes.c_void_p()
        if not _advapi.ConvertSidToStringSidW(ctypes.c_void_p.from_buffer(buffer), ctypes.byref(text)):
            raise ctypes.WinError(ctypes.get_last_error())
        return _take_text(text)
    finally:
        _kernel.CloseHandle(token)


def find_identifier(account: str) -> str:
    """The security identifier of the account of this name: ``DOMAIN\\user``, ``user@domain``. Raises OSError."""
    buffer, size = ctypes.create_string_buffer(256), wintypes.DWORD(256)
    domain, length, kind = ctypes.create_unicode_buffer(256), wintypes.DWORD(256), ctypes.c_int()
    name = account.removeprefix(".\\")
    if not _advapi.LookupAccountNameW(
        None, name, buffer, ctypes.byref(size), domain, ctypes.byref(length), ctypes.byref(kind)
    ):
        raise ctypes.WinError(ctypes.get_last_error())
    text = ctypes.c_void_p()
    if not _advapi.ConvertSidToStringSidW(buffer, ctypes.byref(text)):
        raise ctypes.WinError(ctypes.get_last_error())
    return _take_text(text)


def is_administrator() -> bool:
    """Whether this process has an administrator's rights, which User Account Control takes away from one that was not
    started as administrator.
    """
    return bool(ctypes.WinDLL("shell32").IsUserAnAdmin())


def _take_text(pointer: ctypes.c_void_p) -> str:
    """The text that a function of Windows has allocated."""
    try:
        return ctypes.wstring_at(pointer.value or 0)
    finally:
        _kernel.LocalFree(pointer)
