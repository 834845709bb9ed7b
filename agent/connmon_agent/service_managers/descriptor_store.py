"""Listening sockets in systemd's file descriptor store: they outlive the agent, and its clients wait in their queues.

Over ``kill -9``, a restart and an upgrade the manager hands them to the next process (docs: FILE_DESCRIPTOR_STORE.md of
systemd). A socket is known by a name that holds its address and port. The manager does not say whether it keeps one:
where the store is off (FileDescriptorStoreMax=0) or full, the port is bound anew at the next start.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Collection, MutableMapping

from ..sockets.keeping import end_listening
from .notification import NotificationSocket

VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
FIRST = 3  # the first descriptor that is handed over: SD_LISTEN_FDS_START
MOST = 4096  # descriptors that are looked at
LONGEST_NAME = 255


class DescriptorStore:
    """``ports.ListenerStore`` of a unit.

    ``inherited`` are the names and descriptors that the manager handed over, which are this store's from now on.
    """

    def __init__(self, notification: NotificationSocket, inherited: Collection[tuple[str, int]] = ()) -> None:
        self._notification = notification
        self._left: dict[str, socket.socket] = {}
        for name, descriptor in inherited:
            self._take(name, descriptor)

    def kept(self) -> frozenset[tuple[str, int]]:
        return frozenset(
            (address, port) for name in self._left for address, port in [_place_of(name)] if port is not None
        )

    def find(self, address: str, port: int) -> socket.socket | None:
        return self._left.get(name_socket(address, port))

    def keep(self, address: str, port: int, listener: socket.socket) -> None:
        name = name_socket(address, port)
        if self._left.get(name) is listener:
            del self._left[name]  # the manager has it already, and goes on keeping it
        elif _is_name(name):
            self._notification.send("FDSTORE=1", f"FDNAME={name}", descriptor=listener.fileno())

    def remove(self, address: str, port: int, listener: socket.socket) -> None:
        self._forget(name_socket(address, port))
        end_listening(listener)  # before the manager gets to close its own descriptor

    def release(self, wanted: Collection[tuple[str, int]]) -> None:
        names = {name_socket(address, port) for address, port in wanted}
        for name in self._left.keys() - names:
            listener = self._left.pop(name)
            self._forget(name)
            end_listening(listener)
            listener.close()

    def _take(self, name: str, descriptor: int) -> None:
        """Whatever is no listening socket with a name of ours, or the second of a name, is closed and not kept."""
        os.set_inheritable(descriptor, False)
        listener = _open_listener(name, descriptor)
        if listener is None:
            self._forget(name)
        elif name in self._left:
            listener.close()
        else:
            self._left[name] = listener

    def _forget(self, name: str) -> None:
        """Take what has this name out of the manager's store; it would keep the port open though no one serves it."""
        if _is_name(name):
            self._notification.send("FDSTOREREMOVE=1", f"FDNAME={name}")


def name_socket(address: str, port: int) -> str:
    """The name of a listening socket: no colon may be in it, so that of IPv6 addresses is written as ``_``."""
    return f"tcp-{address.replace(':', '_')}-{port}"


def take_descriptors(environment: MutableMapping[str, str], pid: int) -> list[tuple[str, int]]:
    """The names and descriptors that the manager handed over to the process ``pid``, this one; none that are not open.

    The variables are taken out of ``environment``, where children would find them.
    """
    owner, count, names, _ = (environment.pop(name, "") for name in VARIABLES)
    if owner != str(pid) or not (count.isascii() and count.isdecimal()):
        return []
    descriptors = range(FIRST, FIRST + min(int(count), MOST))
    listed = names.split(":") if names else []
    named = [*listed, *["unknown"] * len(descriptors)]
    return [(name, number) for name, number in zip(named, descriptors, strict=False) if _is_open(number)]


def _open_listener(name: str, descriptor: int) -> socket.socket | None:
    """The socket, which listens on the port that the name says; None, and it is closed: it is another one."""
    try:
        found = socket.socket(fileno=descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.close(descriptor)
        return None
    try:
        listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if listens and found.type == socket.SOCK_STREAM and found.getsockname()[1] == _place_of(name)[1]:
            found.setblocking(False)
            return found
    except (OSError, IndexError):
        pass
    found.close()
    return None


def _place_of(name: str) -> tuple[str, int | None]:
    """The address and the port of a name; a port of None: it is no name of ours."""
    kind, _, rest = name.partition("-")
    address, _, port = rest.rpartition("-")
    if kind != "tcp" or not address or not (port.isascii() and port.isdecimal()):
        return address, None
    number, percent, zone = address.partition("%")  # an interface may have an underscore in its name
    return number.replace("_", ":") + percent + zone, int(port)


def _is_name(name: str) -> bool:
    """Whether systemd takes it: ASCII without control characters and colons."""
    return 0 < len(name) <= LONGEST_NAME and name.isascii() and name.isprintable() and ":" not in name


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
