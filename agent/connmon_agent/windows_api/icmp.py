"""Echoes by Windows' own functions, which need no right and no raw socket: iphlpapi, IcmpSendEcho2, Icmp6SendEcho2."""

from __future__ import annotations

import ctypes
import socket
import sys
from ctypes import wintypes
from typing import Any

assert sys.platform == "win32"  # tells the type checker; nobody else imports this module

from .icmp_replies import BUFFER, Options, Reply, Reply6, check_status  # noqa: E402
from .network_rows import SocketAddress, pack_address  # noqa: E402

_helper = ctypes.WinDLL("iphlpapi", use_last_error=True)
_INVALID = wintypes.HANDLE(-1).value

for _create in (_helper.IcmpCreateFile, _helper.Icmp6CreateFile):
    _create.argtypes = []
    _create.restype = wintypes.HANDLE
_helper.IcmpCloseHandle.argtypes = [wintypes.HANDLE]
_BEFORE: list[Any] = [
    wintypes.HANDLE,
    wintypes.HANDLE,
    ctypes.c_void_p,
    ctypes.c_void_p,
]  # no event, no callback: it waits
_BEHIND: list[Any] = [
    ctypes.c_char_p,
    wintypes.WORD,
    ctypes.POINTER(Options),
    ctypes.c_void_p,
    wintypes.DWORD,
    wintypes.DWORD,
]
_helper.IcmpSendEcho2.argtypes = [*_BEFORE, ctypes.c_uint32, *_BEHIND]
_helper.Icmp6SendEcho2.argtypes = [
    *_BEFORE,
    ctypes.POINTER(SocketAddress),
    ctypes.POINTER(SocketAddress),
    *_BEHIND,
]


def can_send(*, six: bool) -> bool:
    """Whether this user can send echoes by IPv4, or by IPv6 where ``six``."""
    handle = (_helper.Icmp6CreateFile if six else _helper.IcmpCreateFile)()
    if handle is None or handle == _INVALID:
        return False
    _helper.IcmpCloseHandle(handle)
    return True


def send_echo(address: str, payload: bytes, timeout: float) -> bytes:
    """Send ``payload`` to an IP address, wait for the answer for at most ``timeout`` seconds, and return its payload.

    Raises TimeoutError, and OSError where the way or the machine is not there.
    """
    six = ":" in address
    handle = (_helper.Icmp6CreateFile if six else _helper.IcmpCreateFile)()
    if handle is None or handle == _INVALID:
        raise ctypes.WinError(ctypes.get_last_error())
    buffer = ctypes.create_string_buffer(BUFFER)
    rest = (payload, len(payload), None, buffer, BUFFER, max(int(timeout * 1000), 1))
    try:
        if six:
            source, target = SocketAddress(family=pack_address("::").family), pack_address(address)
            count = _helper.Icmp6SendEcho2(handle, None, None, None, ctypes.byref(source), ctypes.byref(target), *rest)
        else:
            packed = int.from_bytes(socket.inet_aton(address), "little")  # in the order of the network, in memory
            count = _helper.IcmpSendEcho2(handle, None, None, None, packed, *rest)
        if not count:
            check_status(ctypes.get_last_error())
            raise TimeoutError  # nothing came, and no reason
    finally:
        _helper.IcmpCloseHandle(handle)
    return _read_reply6(buffer, len(payload)) if six else _read_reply(buffer)


def _read_reply(buffer: ctypes.Array[ctypes.c_char]) -> bytes:
    reply = Reply.from_buffer(buffer)
    check_status(reply.status)
    start = (reply.data or 0) - ctypes.addressof(buffer)
    return bytes(buffer.raw[start : start + reply.size]) if 0 <= start < BUFFER else b""


def _read_reply6(buffer: ctypes.Array[ctypes.c_char], size: int) -> bytes:
    check_status(Reply6.from_buffer(buffer).status)
    start = ctypes.sizeof(Reply6)
    return bytes(buffer.raw[start : start + size])
