"""Windows' IP helper: routes, interfaces, and that they have changed. Asking needs no right and sends nothing."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from ctypes import wintypes

assert sys.platform == "win32"  # tells the type checker; nobody else imports this module

from .network_rows import (  # noqa: E402
    AF_UNSPEC,
    ForwardRow,
    ForwardTable,
    Interface,
    InterfaceRow,
    IpInterfaceRow,
    RouteRow,
    SocketAddress,
    pack_address,
    read_interface,
    read_route,
)

_helper = ctypes.WinDLL("iphlpapi")
_NO_WAY = (1168, 1231, 1232)  # ERROR_NOT_FOUND, ERROR_NETWORK_UNREACHABLE, ERROR_HOST_UNREACHABLE
_Callback = ctypes.WINFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)

_helper.GetIpForwardTable2.argtypes = [ctypes.c_uint16, ctypes.POINTER(ctypes.POINTER(ForwardTable))]
_helper.FreeMibTable.argtypes = [ctypes.c_void_p]
_helper.FreeMibTable.restype = None
_helper.GetBestRoute2.argtypes = [
    ctypes.c_void_p,
    wintypes.ULONG,
    ctypes.POINTER(SocketAddress),
    ctypes.POINTER(SocketAddress),
    wintypes.ULONG,
    ctypes.POINTER(ForwardRow),
    ctypes.POINTER(SocketAddress),
]
_helper.GetIfEntry2.argtypes = [ctypes.POINTER(InterfaceRow)]
_helper.ConvertInterfaceAliasToLuid.argtypes = [wintypes.LPCWSTR, ctypes.POINTER(ctypes.c_uint64)]
_subscribers = [
    getattr(_helper, name) for name in ("NotifyIpInterfaceChange", "NotifyRouteChange2", "NotifyUnicastIpAddressChange")
]
for _subscriber in _subscribers:
    _subscriber.argtypes = [
        ctypes.c_uint16,
        _Callback,
        ctypes.c_void_p,
        wintypes.BOOLEAN,
        ctypes.POINTER(wintypes.HANDLE),
    ]
_helper.CancelMibChangeNotify2.argtypes = [wintypes.HANDLE]


def read_routes() -> list[RouteRow]:
    """The routing table. Raises OSError."""
    table = ctypes.POINTER(ForwardTable)()
    _check(_helper.GetIpForwardTable2(AF_UNSPEC, ctypes.byref(table)))
    try:
        first = ctypes.addressof(table.contents) + ForwardTable.first.offset
        return [read_route(row) for row in (ForwardRow * table.contents.count).from_address(first)]
    finally:
        _helper.FreeMibTable(table)


def find_route(address: str) -> RouteRow | None:
    """The route that would be taken to ``address``; None: there is none. Raises OSError where that cannot be asked."""
    row, source, destination = ForwardRow(), SocketAddress(), pack_address(address)
    code = _helper.GetBestRoute2(None, 0, None, ctypes.byref(destination), 0, ctypes.byref(row), ctypes.byref(source))
    if code in _NO_WAY:
        return None
    _check(code)
    return read_route(row)


def find_metric(luid: int, family: int) -> int:
    """What an interface adds to the metrics of its routes. Raises OSError."""
    if not hasattr(_helper, "GetIpInterfaceEntry"):
        return 0  # Wine
    row = IpInterfaceRow(family=family, luid=luid)
    _check(_helper.GetIpInterfaceEntry(ctypes.byref(row)))
    return int(row.metric)


def find_interface(luid: int) -> Interface | None:
    """The interface; None: it is gone."""
    row = InterfaceRow(luid=luid)
    return None if _helper.GetIfEntry2(ctypes.byref(row)) else read_interface(row)


def find_luid(name: str) -> int | None:
    """Which interface has this name; None: none has."""
    luid = ctypes.c_uint64()
    return None if _helper.ConvertInterfaceAliasToLuid(name, ctypes.byref(luid)) else luid.value


def subscribe(heard: Callable[[], None]) -> Callable[[], None]:
    """Have ``heard`` called, in a thread of Windows', whenever an interface, a route or an address changes.

    Returns what ends that, which waits for calls under way. Raises OSError.
    """
    callback = _Callback(lambda context, row, kind: heard())
    handles: list[wintypes.HANDLE] = []
    called = [callback]  # which must live for as long as Windows may call it

    def end() -> None:
        while handles:
            _helper.CancelMibChangeNotify2(handles.pop())
        called.clear()

    try:
        for subscriber in _subscribers:
            handle = wintypes.HANDLE()
            _check(subscriber(AF_UNSPEC, callback, None, False, ctypes.byref(handle)))
            if handle.value is None:
                raise OSError("no subscription was made")  # Wine's functions only say that they succeeded
            handles.append(handle)
    except OSError:
        end()
        raise
    return end


def _check(code: int) -> None:
    if code:
        raise ctypes.WinError(code)
