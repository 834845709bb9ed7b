"""The listeners of one service: where its clients come in."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from ..accepting import BREATH, Acceptor
from ..ports import ListenerStore
from ..sockets.binding import BACKLOG, open_listeners
from ..supervision import Tasks, report, supervise
from .clients import reset


class Listeners:
    """Listens on one port of some addresses.

    ``await_room`` returns when a client may be accepted; False: none may for now, and those that wait are refused.
    ``arrived`` gets each client, ``noted`` what keeps it from accepting. ``store`` keeps the sockets beyond this
    process.
    """

    def __init__(
        self,
        port: int,
        bind: tuple[str, ...],
        *,
        store: ListenerStore,
        await_room: Callable[[], Awaitable[bool]],
        arrived: Callable[[socket.socket], None],
        noted: Callable[[str], None],
    ) -> None:
        """Raises PortRefused."""
        self.port = port
        self.bind = bind
        self._await_room = await_room
        self._arrived = arrived
        self._noted = noted
        self._store = store
        self._sockets = open_listeners(port, bind, store)
        self._tasks: Tasks = set()
        self._acceptors = {address: Acceptor(listener) for address, listener in self._sockets.items()}
        for address in self._sockets:
            supervise(f"accept clients on port {port}", partial(self._accept, address), tasks=self._tasks)

    @property
    def addresses(self) -> Sequence[str]:
        """The addresses that are listened on; of a loopback pair one may be missing."""
        return [listener.getsockname()[0] for listener in self._sockets.values()]

    def close(self, *, keep: bool = False) -> None:
        """Accept nobody any more, from this instant on. Who was accepted stays.

        ``keep``: the store, if it has them, holds the sockets for the next process, and clients wait in their queue;
        else the port is given up.
        """
        for task in self._tasks:
            task.cancel()
        for address, listener in self._sockets.items():
            self._acceptors[address].stop()
            if not keep:
                self._store.remove(address, self.port, listener)
            listener.close()

    async def _accept(self, address: str) -> None:
        listener, acceptor = self._sockets[address], self._acceptors[address]
        while True:
            if not await self._await_room():
                self._refuse_waiting(listener)
                continue
            try:
                local = await acceptor.accept()
            except OSError as error:  # EMFILE and the like pass when connections end; the client waits in the backlog
                self._noted(f"cannot accept connections on port {self.port}: {error.strerror or error}")
                await asyncio.sleep(BREATH)
                continue
            try:
                self._arrived(local)
            except OSError:
                continue  # it is gone already
            except Exception as error:  # a mistake of ours costs this client, not the next one
                local.close()
                report(f"take in a client on port {self.port}", error)

    def _refuse_waiting(self, listener: socket.socket) -> None:
        """Those that wait to be accepted have waited for long enough: let them see an error."""
        refused = 0
        with contextlib.suppress(OSError):  # nobody is left, or there is not even one file descriptor
            while refused < BACKLOG:
                reset(listener.accept()[0])
                refused += 1
        if refused:
            self._noted(f"too many open connections on port {self.port}; raise LimitNOFILE")
