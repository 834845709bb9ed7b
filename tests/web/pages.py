"""The page over a real state file, and a client that reads what a browser would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connmon_agent.cli.web_views import FileViews
from connmon_agent.store import DATABASE_FILE
from connmon_agent.web.hosts import Hosts
from connmon_agent.web.serving import Page
from connmon_agent.web.views import Orders, Views

Json = dict[str, Any]
PATIENCE = 600.0  # seconds; only a test that fails waits so long


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def document(self) -> Json:
        found: Json = json.loads(self.body)
        return found


@dataclass(frozen=True)
class Event:
    """One server-sent event. ``seq`` None: it has no id. A comment is of the kind "comment"."""

    kind: str
    data: Any
    seq: int | None = None


@dataclass
class Browser:
    """A client of the page on ``port``."""

    port: int
    page: Page | None = None

    async def ask(
        self, target: str, method: str = "GET", *, host: str = "localhost", body: bytes = b"", **fields: str
    ) -> Answer:
        reader, writer = await self.connect(target, method, host=host, body=body, **fields)
        try:
            async with asyncio.timeout(PATIENCE):
                return parse(await reader.read())
        finally:
            writer.close()

    async def connect(
        self, target: str, method: str = "GET", *, host: str = "localhost", body: bytes = b"", **fields: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        return reader, writer

    @asynccontextmanager
    async def watch(self, target: str = "/api/stream", **fields: str) -> AsyncIterator[Stream]:
        reader, writer = await self.connect(target, **fields)
        try:
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
            yield Stream(reader, head.decode())
        finally:
            writer.close()


@dataclass
class Stream:
    """What a browser that watches is sent."""

    reader: asyncio.StreamReader
    head: str
    rest: str = ""

    async def next(self, *kinds: str) -> Event:
        """The next event of one of these kinds (none named: of any)."""
        while True:
            async with asyncio.timeout(PATIENCE):
                event = await self._read()
            if event is not None and (not kinds or event.kind in kinds):
                return event

    async def ends(self) -> bool:
        """Whether the server ends it."""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                await self.reader.read()
        return True

    async def _read(self) -> Event | None:
        while "\n\n" not in self.rest:
            size = int(await self.reader.readline(), 16)  # of a chunk
            self.rest += (await self.reader.readexactly(size + 2))[:-2].decode()
        block, _, self.rest = self.rest.partition("\n\n")
        if block.startswith(":"):
            return Event("comment", block[1:].strip())
        found = dict(line.split(": ", 1) for line in block.split("\n"))
        if "event" not in found:
            return None  # how long to wait before connecting again
        seq = int(found["id"]) if "id" in found else None
        return Event(found["event"], json.loads(found["data"]), seq)


def parse(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return Answer(int(first.split()[1]), fields, body)


def serve(
    folder: Path,
    story: Callable[[Browser], Awaitable[None]],
    *,
    hosts: Hosts | None = None,
    views: Views | None = None,
    orders: Orders | None = None,
    token_file: Path | None = None,
) -> list[BaseException]:
    """Let ``story`` happen beside a page of the state directory ``folder``; returns what failed in the server."""
    errors: list[BaseException] = []

    async def live() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(_error_of(context)))
        path = folder / DATABASE_FILE
        page = Page(
            path,
            views or FileViews(path, orders=orders is not None),
            hosts or Hosts("127.0.0.1"),
            report=errors.append,
            orders=orders,
            token_file=token_file,
        )
        try:
            await story(Browser(page.listen("127.0.0.1", 0), page))
        finally:
            await page.close()

    asyncio.run(live())
    return errors


def _error_of(context: dict[str, Any]) -> BaseException:
    found = context.get("exception")
    return found if isinstance(found, BaseException) else RuntimeError(context["message"])
