"""What happens, as it happens: server-sent events for every browser that watches, from one look at the state file.

https://html.spec.whatwg.org/multipage/server-sent-events.html: the id of a decision is its number in the journal, and a
browser that was away gets what it missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ..errors import ConnmonError
from ..presence import find_agent
from ..store.following import Follower
from ..supervision import Tasks, cancel, supervise
from .answers import encode
from .views import Document, StateView, Views

POLL = 0.25  # seconds between two looks whether anything was committed
REFRESH = 5.0  # seconds after which the state is made anew though nothing was: an agent may have fallen silent
BEAT = 15.0  # seconds without news after which an event says that the connection holds, to the page and to proxies
RETRY = 2000  # milliseconds after which a browser connects again
MOST_BEHIND = 500  # events that a browser is given afterwards; one that missed more begins anew
MOST_WAITING = 64  # messages that wait for a browser; one that takes none is let go
LONGEST_END = 5.0  # seconds that the end waits for a look which is under way; a disk may keep silent

# The comment is for proxies, the event for the page: a script hears of no comment.
STILL_HERE = b": still here\n\nevent: alive\ndata: {}\n\n"
STREAM = "text/event-stream"

_T = TypeVar("_T")


class InThread(Protocol):
    """Makes a call in a thread; what it returns or raises is the result of waiting for it."""

    def __call__(self, call: Callable[[], _T]) -> Awaitable[_T]: ...


@dataclass(frozen=True, slots=True)
class Message:
    """One event of the stream. ``seq`` is the number of the decision that it is; None: it is none."""

    data: bytes
    seq: int | None = None


@dataclass(eq=False, slots=True)
class _Viewer:
    """One browser. ``last`` is the number of the newest decision that it has."""

    last: int
    waiting: asyncio.Queue[list[Message] | None] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))


class Feed:
    """Follows the state file for as long as anybody watches."""

    def __init__(self, path: Path, views: Views, in_thread: InThread) -> None:
        self._path = path
        self._views = views
        self._in_thread = in_thread
        self._follower = Follower(path)  # used and closed in the thread only: SQLite dies of a close during a look
        self._viewers: set[_Viewer] = set()
        self._tasks: Tasks = set()
        self._following: asyncio.Task[None] | None = None
        self._known = _Known()
        self._closed = False

    async def close(self) -> None:
        """End every stream; one that is just beginning ends, too."""
        self._closed = True
        for viewer in list(self._viewers):
            _let_go(viewer)
        await cancel(self._tasks)
        if self._following is not None:
            self._following = None
            closing = supervise("close the state file", self._close, tasks=self._tasks, again=False)
            await asyncio.wait({closing}, timeout=LONGEST_END)

    async def stream(self, after: int | None) -> AsyncGenerator[bytes, None]:
        """What a browser is sent. ``after``: the number of the newest decision that it has (None: only new ones)."""
        yield f"retry: {RETRY}\n\n".encode()
        view = await self._look()
        if self._closed:
            return
        viewer = _Viewer(view.seq if after is None else after)
        self._viewers.add(viewer)
        self._follow(view)
        try:
            yield b"".join(await self._begin(viewer, view))
            while True:
                try:
                    async with asyncio.timeout(BEAT):
                        messages = await viewer.waiting.get()
                except TimeoutError:
                    yield STILL_HERE
                    continue
                if messages is None:
                    return
                if piece := _join(viewer, messages):
                    yield piece
        finally:
            self._viewers.discard(viewer)

    async def _look(self) -> StateView:
        try:
            return await self._in_thread(self._views.state)
        except ConnmonError as error:
            return StateView({}, 0, None, {}, trouble=error)

    async def _begin(self, viewer: _Viewer, view: StateView) -> list[bytes]:
        """The state, and what the browser has missed."""
        first = [_tell_state(view)]
        if view.trouble is not None or viewer.last == view.seq:
            return first
        missed = None
        if viewer.last < view.seq:
            after = viewer.last
            with suppress(ConnmonError):  # the file has gone in between: begin anew
                missed = await self._in_thread(lambda: self._views.news(after, MOST_BEHIND))
        if missed is None:
            viewer.last = view.seq
            return [*first, write_event("reset", {"seq": view.seq})]
        viewer.last = max([viewer.last, *(seq for seq, _ in missed)])
        return [*first, *(write_event("decision", document, seq) for seq, document in missed)]

    def _follow(self, view: StateView) -> None:
        if self._following is None or self._following.done():
            self._known = _Known(seq=view.seq, quiet=view.quiet, pulse=view.pulse)
            self._following = supervise("follow the state file", self._watch, tasks=self._tasks)

    async def _watch(self) -> None:
        now = asyncio.get_running_loop().time
        seen: object = None
        looked = float("-inf")
        while True:
            while self._viewers:
                found = await self._in_thread(self._glance)
                if found != seen or now() - looked >= REFRESH:
                    seen, looked = found, now()
                    self._send(await self._find_news())
                await asyncio.sleep(POLL)
            await self._close()
            if not self._viewers:  # nobody came meanwhile
                return

    async def _close(self) -> None:
        """Let go of the file, after a look that is under way."""
        await self._in_thread(self._follower.close)

    def _glance(self) -> object:
        """What differs once anything happened."""
        try:
            return self._follower.look(), find_agent(self._path.parent)
        except ConnmonError as error:
            return str(error)

    async def _find_news(self) -> list[Message]:
        """What is new since the last look."""
        known, view = self._known, await self._look()
        try:
            messages = [] if view.trouble is not None else await self._find_decisions(view.seq)
        except ConnmonError as error:
            messages, view = [], replace(view, trouble=error)
        if view.trouble is not None:
            told, known.trouble = known.trouble, str(view.trouble)
            return [] if told == known.trouble else [Message(_tell_state(view))]
        if view.quiet != known.quiet or known.trouble is not None:
            messages.append(Message(_tell_state(view)))
        elif _without_time(view.pulse) != _without_time(known.pulse):
            messages.append(Message(write_event("pulse", view.pulse)))
        known.quiet, known.pulse, known.trouble = view.quiet, view.pulse, None
        return messages

    async def _find_decisions(self, seq: int) -> list[Message]:
        known = self._known
        if seq == known.seq:
            return []
        after = known.seq
        found = await self._in_thread(lambda: self._views.news(after, MOST_BEHIND)) if seq > after else None
        known.seq = seq
        if found is None:
            return [Message(write_event("reset", {"seq": seq}), -seq)]
        known.seq = max([seq, *(number for number, _ in found)])
        return [Message(write_event("decision", document, number), number) for number, document in found]

    def _send(self, messages: list[Message]) -> None:
        if not messages:
            return
        for viewer in list(self._viewers):
            try:
                viewer.waiting.put_nowait(messages)
            except asyncio.QueueFull:
                self._viewers.discard(viewer)
                _let_go(viewer)


@dataclass(slots=True)
class _Known:
    """What everybody who watches was told."""

    seq: int = 0
    quiet: object = None
    pulse: Document = field(default_factory=dict)
    trouble: str | None = None


def write_event(kind: str, document: Any, seq: int | None = None) -> bytes:
    """One event in the format of the stream. JSON holds no raw newline."""
    number = b"" if seq is None else f"id: {seq}\n".encode()
    return b"event: %s\n%sdata: %s\n\n" % (kind.encode(), number, encode(document))


def _without_time(pulse: Document) -> Document:
    return {key: value for key, value in pulse.items() if key != "now"}


def _tell_state(view: StateView) -> bytes:
    if view.trouble is None:
        return write_event("state", view.document)
    return write_event("trouble", {"message": view.trouble.message, "hint": view.trouble.hint})


def _join(viewer: _Viewer, messages: Iterable[Message]) -> bytes:
    """What of it the browser does not have yet; a negative number is that from which on everything is new."""
    pieces = []
    for message in messages:
        if message.seq is not None and message.seq < 0:
            viewer.last = -message.seq
        elif message.seq is not None and message.seq <= viewer.last:
            continue
        elif message.seq is not None:
            viewer.last = message.seq
        pieces.append(message.data)
    return b"".join(pieces)


def _let_go(viewer: _Viewer) -> None:
    while True:
        try:
            viewer.waiting.put_nowait(None)
        except asyncio.QueueFull:
            viewer.waiting.get_nowait()
        else:
            return
