"""Listening on a local port, and trying whether it could be done.

A port is ours only when we listen on it: bind() alone keeps nobody else from listening. So ``open_listeners`` binds
every address first and then listens on all of them, before anybody is told. ``try_binding`` only binds and closes at
once: a listener would, for a moment, accept the clients of whoever is about to start there.

Measured on Linux 6.18, binding with SO_REUSEADDR, which gave the same answer as binding and listening in every case:

- refused with EADDRINUSE: the address is listened on, or 0.0.0.0 is, or a dual-stack ``::``; it is bound, though not
  listened on, by a socket without SO_REUSEADDR; it is the source of somebody's outgoing connection; it is the end of a
  connection that lives or ended within the last minute (TIME_WAIT), if its socket had no SO_REUSEADDR;
- granted: the same held with SO_REUSEADDR by sockets that do not listen. Whoever listens first has it then;
- of no concern to each other: 127.0.0.1 and ::1, so that IPv4 alone does not prove that ``localhost`` leads to us, and
  127.0.0.1 and 127.0.0.2.

Who binds in the instant of a trial notices nothing if they set SO_REUSEADDR, as servers do.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection
from enum import StrEnum
from ipaddress import ip_address

from ..accepting import make_listener
from ..errors import ConnmonError
from ..ports import ListenerStore
from .keeping import NothingKept

BACKLOG = 1024  # connections that the kernel completes before we accept them

# What Windows calls them (winerror), where Python does not translate it to errno.
_WSAEACCES, _WSAEAFNOSUPPORT, _WSAEADDRINUSE, _WSAEADDRNOTAVAIL = 10013, 10047, 10048, 10049


class RefusalCause(StrEnum):
    """Why a port cannot be listened on, in words that follow the name of its address."""

    IN_USE = "is in use"
    PRIVILEGES = "needs privileges"
    RESERVED = "is reserved by Windows (netsh interface ipv4 show excludedportrange protocol=tcp)"
    NO_ADDRESS = "is not an address of this machine"
    OTHER = "cannot be opened"


_CAUSES = {
    errno.EADDRINUSE: RefusalCause.IN_USE,
    _WSAEADDRINUSE: RefusalCause.IN_USE,
    errno.EACCES: RefusalCause.PRIVILEGES,
    errno.EPERM: RefusalCause.PRIVILEGES,
    # Windows knows no privileged ports. It reserves ranges, others at each boot, and no process owns them.
    _WSAEACCES: RefusalCause.RESERVED,
    errno.EADDRNOTAVAIL: RefusalCause.NO_ADDRESS,
    _WSAEADDRNOTAVAIL: RefusalCause.NO_ADDRESS,
    errno.EAFNOSUPPORT: RefusalCause.NO_ADDRESS,
    _WSAEAFNOSUPPORT: RefusalCause.NO_ADDRESS,
}


class PortRefused(ConnmonError):
    """The operating system does not let us have ``port`` on ``address``.

    ``errno`` is its number for that (None: it gave none), and ``words`` say it.
    """

    def __init__(self, address: str, port: int, error: OSError) -> None:
        self.address = address
        self.port = port
        self.errno = error.errno
        self.cause = cause_of(error)
        self.words = f"{self.cause}: {error.strerror or error}" if self.cause is RefusalCause.OTHER else str(self.cause)
        super().__init__(f"{_join(address, port)} {self.words}")


def cause_of(error: OSError) -> RefusalCause:
    """What an error of bind() or listen() means."""
    code: int | None = getattr(error, "winerror", None) or error.errno
    return RefusalCause.OTHER if code is None else _CAUSES.get(code, RefusalCause.OTHER)


def open_listeners(port: int, bind: tuple[str, ...], store: ListenerStore | None = None) -> dict[str, socket.socket]:
    """Listen on ``port`` of every address of ``bind``: a non-blocking socket for each, which the caller closes.

    What ``store`` has of an earlier process is used as it is, and the rest is given to it. Of a loopback pair
    (127.0.0.1 and ::1) the one that this machine does not have is left out. One that is only taken refuses the port as
    a whole. Raises PortRefused; then nothing is open but what the store had.
    """
    store = store or NothingKept()
    kept = {address: found for address in bind if (found := store.find(address, port)) is not None}
    opened = _bind_all(port, bind, kept)
    try:
        for address, listener in opened.items():
            _listen(address, port, listener)
    except PortRefused:
        _close(opened)
        raise
    listeners = {address: (kept | opened)[address] for address in bind if address in kept or address in opened}
    for address, listener in listeners.items():
        store.keep(address, port, listener)
    return listeners


def try_binding(port: int, bind: tuple[str, ...], kept: Collection[tuple[str, int]] = ()) -> None:
    """Whether ``open_listeners`` would succeed now, without listening. Raises PortRefused where it would not.

    ``kept`` are the places that its store has.
    """
    _close(_bind_all(port, bind, [address for address in bind if (address, port) in kept]))


def _bind_all(port: int, bind: tuple[str, ...], kept: Collection[str]) -> dict[str, socket.socket]:
    """A socket for every address but those that are ``kept``."""
    opened: dict[str, socket.socket] = {}
    missing: list[PortRefused] = []
    try:
        for address in bind:
            if address in kept:
                continue
            try:
                opened[address] = _bind(address, port)
            except PortRefused as refused:
                if refused.cause is not RefusalCause.NO_ADDRESS or not _has_twin(address, bind):
                    raise
                missing.append(refused)
        if missing and not opened and not kept:
            raise missing[0]
    except PortRefused:
        _close(opened)
        raise
    return opened


def _bind(address: str, port: int) -> socket.socket:
    try:
        opened, endpoint = make_listener(address, port)
    except OSError as error:
        raise PortRefused(address, port, error) from error
    try:
        opened.bind(endpoint)
    except OSError as error:
        opened.close()
        raise PortRefused(address, port, error) from error
    return opened


def _listen(address: str, port: int, listener: socket.socket) -> None:
    try:
        listener.listen(BACKLOG)
    except OSError as error:
        raise PortRefused(address, port, error) from error


def _close(sockets: dict[str, socket.socket]) -> None:
    for each in sockets.values():
        each.close()


def _has_twin(address: str, bind: tuple[str, ...]) -> bool:
    """Whether ``bind`` has a loopback address of the other family for this one, so that one of the two is enough."""
    return _loopback_version(address) is not None and any(
        _loopback_version(other) not in (None, _loopback_version(address)) for other in bind
    )


def _loopback_version(address: str) -> int | None:
    """4 or 6; None: no loopback address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return parsed.version if parsed.is_loopback else None


def _join(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
