"""Real sockets that stand in the way, of this process and of somebody else's."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from tests.fakes.statefiles import SOMEBODY_ELSE, in_child

CLONE_NEWNET = 0x40000000  # linux/sched.h; os.unshare comes with Python 3.12
LOOPBACK = ("127.0.0.1", "::1")


@contextmanager
def held(
    address: str = "127.0.0.1", *, port: int = 0, listen: bool = True, reuse: bool = True, dual: bool = False
) -> Iterator[int]:
    """A port of ``address`` that this process has, bound and listened on as servers do. ``dual``: ``::`` takes IPv4."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        if family == socket.AF_INET6:
            holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
        holder.bind((address, port))
        if listen:
            holder.listen()
        yield holder.getsockname()[1]


@contextmanager
def connected() -> Iterator[int]:
    """The source port of a connection that this process made."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        yield client.getsockname()[1]


@contextmanager
def held_by_another(user: int | None = None) -> Iterator[tuple[int, int]]:
    """A port of 127.0.0.1 that another process listens on, and that process's id. Another ``user`` needs root."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        try:
            ours.close()
            _hold(theirs, user)
        finally:
            os._exit(0)
    theirs.close()
    try:
        yield int(ours.recv(16)), child
    finally:
        ours.close()
        os.waitpid(child, 0)


def _hold(master: socket.socket, user: int | None) -> None:
    if user is not None:
        os.setuid(user)  # before the socket is made: it belongs to whom its maker was then
    with socket.create_server(("127.0.0.1", 0)) as listener:
        master.send(str(listener.getsockname()[1]).encode())
        master.recv(1)


def as_somebody_else(work: Callable[[], None]) -> int:
    """Run ``work`` in a child without any rights: 0, or 99 for an exception, which is shown. Needs root."""

    def work_as_somebody_else() -> None:
        os.setuid(SOMEBODY_ELSE)
        work()

    return in_child(work_as_somebody_else)


def in_new_network(work: Callable[[], None]) -> int:
    """Run ``work`` in a child whose network has a loopback interface, which is down. Needs root and Linux."""

    def work_there() -> None:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        work()

    return in_child(work_there)


def free_port() -> int:
    """A port that nobody had on any address a moment ago."""
    [port] = free_ports(1)
    return port


def free_ports(count: int) -> list[int]:
    """So many of them, no two the same: the system may give the same one again once it is free."""
    with ExitStack() as stack:
        return [stack.enter_context(held("::", dual=True)) for _ in range(count)]
