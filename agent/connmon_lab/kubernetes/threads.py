"""The embedded Kubernetes API in a thread of its own, for clients that block."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

from .server import EmbeddedKubernetes


class ThreadedKubernetes:
    """Runs an EmbeddedKubernetes on an event loop in its own thread while the ``with`` block lasts.

    with ThreadedKubernetes(EmbeddedKubernetes()) as api: ...
    """

    def __init__(self, api: EmbeddedKubernetes) -> None:
        self._api = api
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="embedded-kubernetes", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._enough: asyncio.Event | None = None

    def __enter__(self) -> EmbeddedKubernetes:
        self._thread.start()
        self._started.result()
        return self._api

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._enough is not None:
            self._loop.call_soon_threadsafe(self._enough.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._live())

    async def _live(self) -> None:
        self._loop, self._enough = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._api.start()
        except BaseException as error:
            self._started.set_exception(error)
            return
        self._started.set_result(None)
        await self._enough.wait()
        await self._api.stop()
