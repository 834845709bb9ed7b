"""Accepting the clients of a listening socket: on Windows' event loop as on others.

On Windows asyncio asks for the next client before there is one (AcceptEx). A client that hangs up before it is taken
then ends the listening socket for good (``asyncio.Server``: https://github.com/python/cpython/issues/93821), or
raises in a task that has no owner (``sock_accept``): a port scan could silence the agent. Here the loop accepts once a
client is there; where the loop cannot watch sockets, a thread waits for one with ``select``.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import select
import socket
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakKeyDictionary

from .supervision import Tasks, supervise, supervise_thread

if TYPE_CHECKING:
    import ssl

BREATH = 0.1  # seconds until accepting is tried again, where the system has no file descriptor left
AT_ONCE = 1.0  # seconds; what a thread needs that only has to wake up, and much more

# What accepting reports of the client and not of the system: accept(2), and Windows' words for one that is gone.
_OF_THE_CLIENT = {errno.ECONNABORTED, errno.ECONNRESET, errno.EINTR, errno.EPROTO, errno.ENOTCONN, errno.ENOPROTOOPT}
_OF_THE_CLIENT |= {errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EOPNOTSUPP}

_Endpoint = tuple[object, ...]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def make_listener(address: str, port: int) -> tuple[socket.socket, _Endpoint]:
    """A socket to listen with, not bound yet, and the endpoint to bind it to. Raises OSError.

    On POSIX connections that ended a minute ago are no reason to refuse the port. Windows means something else by
    SO_REUSEADDR, that a socket may be bound where another one listens, and has an option against it.
    """
    # Only getaddrinfo understands fe80::1%eth0.
    found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    family, kind, protocol, _, endpoint = found[0]
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    exclusive: int | None = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR if exclusive is None else exclusive, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # ``::`` is not to take the IPv4 port too
    return made, endpoint


class Acceptor:
    """Takes the clients of ``listening`` one after another, on the loop that runs. One coroutine may wait at a time."""

    def __init__(self, listening: socket.socket) -> None:
        listening.setblocking(False)
        self._listening = listening
        self._loop = asyncio.get_running_loop()
        self._lookout: _Lookout | None = None

    async def accept(self) -> socket.socket:
        """The next client, whose socket does not block. One that has hung up already is passed over.

        Raises OSError where the system cannot accept, as without a file descriptor that is left.
        """
        while True:
            try:
                client, _ = self._listening.accept()
            except BlockingIOError:
                await self._hear_of_one()
            except OSError as error:
                if error.errno not in _OF_THE_CLIENT:
                    raise
            else:
                client.setblocking(False)
                return client

    def stop(self) -> None:
        """Accept nobody any more, from this instant on. The socket stays open, and is its owner's to close."""
        if self._lookout is not None:
            self._lookout.leave(self._listening)
            self._lookout = None
        elif self._listening.fileno() != -1:
            with contextlib.suppress(NotImplementedError):
                self._loop.remove_reader(self._listening)

    async def _hear_of_one(self) -> None:
        come: asyncio.Future[None] = self._loop.create_future()
        try:
            self._loop.add_reader(self._listening, _settle, come)
        except NotImplementedError:  # Windows' loop
            self._lookout = self._lookout or _Lookout.join(self._loop, self._listening)
            self._lookout.look(self._listening, come)
            await come
            return
        try:
            await come
        finally:
            if self._listening.fileno() != -1:
                self._loop.remove_reader(self._listening)


class Server:
    """Serves the clients of ``listening`` by protocols that ``make_protocol`` makes, until ``close``."""

    def __init__(
        self,
        listening: socket.socket,
        make_protocol: Callable[[], asyncio.BaseProtocol],
        *,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """``context``: by TLS. Begins at once, on the loop that runs; the socket is the server's from now on."""
        self._listening = listening
        self._make_protocol = make_protocol
        self._context = context
        self._acceptor = Acceptor(listening)
        self._tasks: Tasks = set()
        self.port: int = listening.getsockname()[1]
        supervise(f"accept clients on port {self.port}", self._accept, tasks=self._tasks)

    def close(self) -> None:
        """Listen no more, and close those that no protocol has yet. The others are for their protocols to end."""
        self._acceptor.stop()
        for task in self._tasks:
            task.cancel()
        self._listening.close()

    async def _accept(self) -> None:
        while True:
            try:
                client = await self._acceptor.accept()
            except OSError:  # EMFILE and the like pass when connections end; the client waits in the backlog
                await asyncio.sleep(BREATH)
                continue
            task = supervise("take in a client", partial(self._take_in, client), tasks=self._tasks, again=False)
            task.add_done_callback(partial(_let_go, client))
            await asyncio.sleep(0)

    async def _take_in(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(self._make_protocol, client, ssl=self._context)
        except OSError:  # it is gone, or speaks no TLS
            client.close()
        except BaseException:
            client.close()
            raise


def serve_streams(
    listening: socket.socket,
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None],
    *,
    limit: int = 65_536,
    context: ssl.SSLContext | None = None,
) -> Server:
    """Serve by ``handle``, as ``asyncio.start_server`` does. ``limit``: the bytes that a reader holds at most."""
    loop = asyncio.get_running_loop()

    def make_protocol() -> asyncio.StreamReaderProtocol:
        reader = asyncio.StreamReader(limit=limit, loop=loop)
        return asyncio.StreamReaderProtocol(reader, handle, loop=loop)

    return Server(listening, make_protocol, context=context)


def _let_go(client: socket.socket, task: asyncio.Task[None]) -> None:
    if task.cancelled():  # perhaps before it began
        client.close()


def _settle(come: asyncio.Future[None]) -> None:
    if not come.done():
        come.set_result(None)


class _Lookout:
    """A thread that hears for one loop who comes to its listening sockets. It ends when the last of them is left."""

    _of: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, _Lookout]] = WeakKeyDictionary()

    @classmethod
    def join(cls, loop: asyncio.AbstractEventLoop, listening: socket.socket) -> _Lookout:
        """The one of this loop, which begins with its first socket."""
        lookout = cls._of.get(loop)
        if lookout is None:
            lookout = cls._of[loop] = cls(loop)
        lookout._joined.add(listening)
        return lookout

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._joined: set[socket.socket] = set()
        self._awaited: dict[socket.socket, asyncio.Future[None]] = {}
        self._watched: list[socket.socket] = []  # by the ``select`` that is under way
        self._guard = threading.Condition()  # of what is awaited and watched, and of the end
        self._ended = threading.Event()
        self._hearing, self._bell = socket.socketpair()
        self._bell.setblocking(False)
        supervise_thread("await clients", self._work, thread="await clients", loop=loop, ended=self._ended)

    def look(self, listening: socket.socket, come: asyncio.Future[None]) -> None:
        """Settle ``come`` when somebody waits there to be accepted."""
        with self._guard:
            self._awaited[listening] = come
        self._ring()

    def leave(self, listening: socket.socket) -> None:
        """Look there no more. The socket may be closed now: a ``select`` that is under way would keep its port."""
        self._joined.discard(listening)
        with self._guard:
            self._awaited.pop(listening, None)
            if not self._joined:
                self._ended.set()
                self._of.pop(self._loop, None)
            self._ring()
            self._guard.wait_for(lambda: listening not in self._watched, AT_ONCE)

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # it is rung already, or the thread has ended
            self._bell.send(b"\0")

    def _work(self) -> None:
        while (awaited := self._list_awaited()) is not None:
            try:
                ready = select.select([self._hearing, *awaited], [], [])[0]
            except (OSError, ValueError):  # one of them was closed by somebody else
                continue
            finally:
                self._watch_none()
            if self._hearing in ready:
                self._hearing.recv(4096)
            try:
                self._tell([listening for listening in ready if listening is not self._hearing])
            except RuntimeError:  # the loop was closed and has left none
                break
        self._hearing.close()
        self._bell.close()

    def _list_awaited(self) -> list[socket.socket] | None:
        with self._guard:
            self._watched = [] if self._ended.is_set() else [one for one in self._awaited if one.fileno() != -1]
            return None if self._ended.is_set() else self._watched

    def _watch_none(self) -> None:
        with self._guard:
            self._watched = []
            self._guard.notify_all()

    def _tell(self, ready: list[socket.socket]) -> None:
        with self._guard:
            heard = [come for listening in ready if (come := self._awaited.pop(listening, None)) is not None]
        for come in heard:
            self._loop.call_soon_threadsafe(_settle, come)
