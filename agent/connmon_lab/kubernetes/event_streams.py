"""Carries watches over HTTP: a line of JSON an event, until the time is over or one side goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from .objects import Manifest
from .watches import Watch

BOOKMARK_EVERY = 60.0  # seconds, as a kube-apiserver's watch cache

Write = Callable[[bytes], Awaitable[None]]
Gone = Callable[[web.BaseRequest], Awaitable[None]]


class EventStreams:
    """The watches that are running."""

    def __init__(self, gone: Gone, ended: asyncio.Event) -> None:
        """``gone`` returns when the client of a request has gone, ``ended`` is set when the server stops."""
        self._gone = gone
        self._ended = ended
        self._over = asyncio.Event()  # set for the watches of now when they are to end
        self.running = 0

    def end_all(self) -> None:
        """End every running watch in good order; its client may begin a new one."""
        self._over.set()
        self._over = asyncio.Event()

    async def carry(
        self, request: web.BaseRequest, watch: Watch, mangle: Callable[[Write], Write] = lambda write: write
    ) -> web.StreamResponse:
        """Answer the request with the watch's events. ``mangle`` may disturb how they are written."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        self.running += 1
        try:
            await response.prepare(request)
            await self._tell(request, watch, mangle(response.write))
            await response.write_eof()
        except ConnectionError:
            pass  # the client has gone, and nobody is left to be told
        finally:
            self.running -= 1
        return response

    async def _tell(self, request: web.BaseRequest, watch: Watch, write: Write) -> None:
        telling = asyncio.ensure_future(_tell_all(watch, write))
        ends = [telling, *map(asyncio.ensure_future, (self._gone(request), self._over.wait(), self._ended.wait()))]
        try:
            done, _ = await asyncio.wait(ends, timeout=max(0.0, watch.seconds), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        if telling in done:
            telling.result()
        if not done and watch.bookmarks:
            await _write_event(write, watch.bookmark())


async def _tell_all(watch: Watch, write: Write) -> None:
    while not watch.over:
        news = watch.news
        for event in watch.take():
            await _write_event(write, event)
        if not watch.over:
            await _wait_for(news, watch, write)


async def _wait_for(news: asyncio.Event, watch: Watch, write: Write) -> None:
    while not news.is_set():
        try:
            async with asyncio.timeout(BOOKMARK_EVERY if watch.bookmarks else None):
                await news.wait()
        except TimeoutError:
            await _write_event(write, watch.bookmark())


async def _write_event(write: Write, event: Manifest) -> None:
    await write(json.dumps(event).encode() + b"\n")
