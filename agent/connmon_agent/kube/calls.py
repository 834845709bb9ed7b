"""Blocking requests made from the event loop, each with a deadline that holds whatever the server does."""

from __future__ import annotations

import asyncio

from ..errors import ClusterError
from ..threads import DaemonExecutor
from .client import KubernetesClient
from .exchanges import Exchange
from .kubeconfig import Access
from .requests import ApiRequest, Json

THREADS = 8
FAREWELL = 2.0  # seconds given at the end to the threads that have sent a request


class Calls:
    """Requests of ``client`` in a small pool of threads of their own.

    ``deadline`` is in seconds, from asking to having the whole answer. A request that misses it is given up for good:
    it frees its thread, and where it still waited for one it is never sent.
    """

    def __init__(self, client: KubernetesClient, *, deadline: float) -> None:
        self._client = client
        self._deadline = deadline
        self._pool = DaemonExecutor(THREADS, "kubernetes")
        self._closed = False
        self._under_way: dict[Exchange, asyncio.Future[Json]] = {}

    async def send(self, request: ApiRequest) -> Json:
        """The object in the answer. Raises ClusterError."""
        if self._closed:
            raise _closed()
        exchange = Exchange()
        future = asyncio.wrap_future(self._pool.submit(self._client.request, request, exchange))
        self._under_way[exchange] = future
        try:
            async with asyncio.timeout(self._deadline):
                return await asyncio.shield(future)
        except TimeoutError as error:
            delivered = None if exchange.sent else False
            message = (
                f"{self._client.server} did not answer {request.method} {request.path} within {self._deadline:g} s"
            )
            raise ClusterError("timeout", message, delivered=delivered) from error
        except asyncio.CancelledError:
            if self._closed and future.cancelled():  # by ``close``, while it waited for a thread
                raise _closed() from None
            raise
        finally:
            exchange.give_up()  # nothing to give up where the answer is there
            future.cancel()  # where it still waits for a thread
            del self._under_way[exchange]

    async def describe(self) -> str:
        """Which API is used and what says so. Raises ClusterError where no credentials can be found."""
        return await asyncio.wrap_future(self._pool.submit(self._client.describe))

    async def access(self, *, refused: Access | None = None) -> Access:
        """The access in force; see ``KubernetesClient.access``. Raises ClusterError.

        It is read outside of the pool, where requests to a dead API may hold every thread.
        """
        return await asyncio.to_thread(self._client.access, refused=refused)

    @property
    def server(self) -> str:
        """The API's URL as far as it is known already, for messages."""
        return self._client.server

    async def close(self) -> None:
        """Give up what is under way and end threads and connections.

        What was sent is given a moment to end. What was not waits for a credential plugin, or for a name server, which
        nothing can hurry: such a thread is left behind.
        """
        self._closed = True
        sent = [future for exchange, future in self._under_way.items() if exchange.sent]
        for exchange in self._under_way:
            exchange.give_up()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()
        if sent:
            await asyncio.wait(sent, timeout=FAREWELL)


def _closed() -> ClusterError:
    return ClusterError("unreachable", "the connection to the Kubernetes API was closed", delivered=False)
