"""The server's life: from its sockets to its end, by a signal or after a time in which nobody came."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..http_server import HttpServer, Rules
from ..threads import DaemonExecutor
from .answers import FIELDS, answer_refusal
from .feed import Feed
from .hosts import Hosts
from .order_desk import LONGEST_BODY, OrderDesk
from .routes import Site
from .static_files import StaticFiles
from .timeline import TimelineView
from .views import Orders, Views

MOST_CONNECTIONS = 64
SLOWEST = 30.0  # seconds for an answer to be made, and again for a browser on a bad line to take it
ASKERS = 2  # threads that wait for another process
LOOK = 1.0  # seconds between two looks whether the server is idle

T = TypeVar("T")


class Page:
    """Serves the page of the state file ``path`` to whoever ``hosts`` admits.

    ``orders`` and ``token_file`` None: nothing can be ordered. ``report`` is given what fails unforeseen.
    """

    def __init__(
        self,
        path: Path,
        views: Views,
        hosts: Hosts,
        *,
        report: Callable[[BaseException], object],
        orders: Orders | None = None,
        token_file: Path | None = None,
    ) -> None:
        # One thread reads for requests and one for streams: each more would keep some 3 MB for itself.
        reader, follower, asker = (
            DaemonExecutor(most, name) for name, most in (("read", 1), ("follow", 1), ("ask", ASKERS))
        )
        self._executors = (reader, follower, asker)
        self._feed = Feed(path, views, partial(_run_in, follower))
        desk = None
        if orders is not None and token_file is not None:
            desk = OrderDesk(orders, token_file, in_thread=partial(_run_in, asker))
        site = Site(
            views,
            TimelineView(path),
            self._feed,
            StaticFiles(),
            reading=partial(_run_in, reader),
            asking=partial(_run_in, asker),
            orders=desk,
        )
        rules = Rules(
            admits=hosts.admits,
            methods=("GET", "HEAD", "POST"),
            most_connections=MOST_CONNECTIONS,
            longest_body=LONGEST_BODY,
            slowest=SLOWEST,
            fields=FIELDS,
            write_refusal=answer_refusal,
            misdirected=f"this server is not asked for by this name. {hosts.remedy}",
        )
        self._server = HttpServer(site.answer, report=report, rules=rules)

    def serve(self, listening: socket.socket) -> int:
        """Begin to serve those who connect to ``listening``; returns its port."""
        return self._server.serve(listening)

    def listen(self, address: str, port: int) -> int:
        """Listen and serve; returns the port. Raises OSError."""
        return self._server.listen(address, port)

    async def wait_until_idle(self, seconds: float) -> None:
        """Return when nobody has been connected for so long."""
        now = asyncio.get_running_loop().time
        began = now()
        while True:
            quiet = now() - max(began, self._server.last_ended or began)
            if not self._server.connections and quiet >= seconds:
                return
            await asyncio.sleep(min(LOOK, seconds))

    async def close(self) -> None:
        """Listen no more, and end every stream."""
        await self._feed.close()
        await self._server.close()
        for executor in self._executors:
            executor.shutdown(cancel_futures=True)


def _run_in(executor: DaemonExecutor, call: Callable[[], T]) -> Awaitable[T]:
    return asyncio.get_running_loop().run_in_executor(executor, call)
