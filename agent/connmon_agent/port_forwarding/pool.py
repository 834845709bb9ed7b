"""Connections to the backend that are opened before a client needs them, so that it need not wait for them.

None is made before somebody used the port, and none is kept for longer than a minute after that. A pooled connection is
only given to a client when it is known to work: its pod is still a backend, the other side has not ended it, and, where
that was not seen just now, it answers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

from ..errors import ClusterError
from ..supervision import Tasks, supervise
from .connecting import Connected
from .resolver import NoConnection, Resolver

KEPT = 60.0  # seconds after the last use
FRESH = 2.0  # seconds since the last sign of life for which nothing has to be proved
PROOF = 0.3  # seconds for a pooled connection to answer
REVIEW = 10.0  # seconds between looks at how many are needed, while the port is in use
MOST = 8
MADE_TOGETHER = 2  # at a time: a burst of them would crowd out the clients, and a pod that accepts slowly
AT_HAND = 2  # ways that come back: one is given while the one before is on its way back
COMING = 0.02  # seconds for one that is on its way back: a round trip, where a new one takes several and two handshakes
DELAY = 0.02  # seconds from a use to the next spare: a handshake keeps the processor from who has just come


class _Pooled:
    """One connection that waits for a client, read meanwhile so that its end is noticed."""

    def __init__(self, connected: Connected, ended: Callable[[_Pooled], None]) -> None:
        self.connected = connected
        self._ended = ended
        self._alive_at = self._now()
        self._tasks: Tasks = set()
        self._attention = supervise("watch an unused connection", self._attend, tasks=self._tasks, again=False)

    def is_fresh(self) -> bool:
        """Whether it was seen to live just now."""
        return self._now() - self._alive_at <= FRESH

    async def answers(self) -> bool:
        """Whether it lives."""
        lives = self.is_fresh() or await self.connected.stream.ping(PROOF)
        return lives and not self._attention.done()

    async def release(self) -> Connected:
        """Leave the reading to the client's relay."""
        self._attention.cancel()
        await asyncio.wait({self._attention})
        return self.connected

    async def discard(self) -> None:
        """End it."""
        await self.release()
        await self.connected.stream.abort()

    async def _attend(self) -> None:
        try:
            with contextlib.suppress(ClusterError):  # a pooled connection is nobody's loss
                await self.connected.stream.attend()
        except Exception:
            self._ended(self)  # whatever it was: nobody watches it any more, so no client may get it
            raise
        self._ended(self)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


class Pool:
    """The pooled connections of one destination. ``make`` opens a connection and may fail with NoConnection."""

    def __init__(self, make: Callable[[], Awaitable[Connected]], resolver: Resolver) -> None:
        self._make = make
        self._resolver = resolver
        self._ready: deque[_Pooled] = deque()
        self._makers: set[asyncio.Task[None]] = set()
        self._returning: set[asyncio.Task[None]] = set()
        self._discarding: set[asyncio.Task[None]] = set()
        self._keepers: Tasks = set()
        self._keeper: asyncio.Task[None] | None = None  # runs while the port is in use
        self._refill: asyncio.TimerHandle | None = None  # the next time to make some; None: no use waits for that
        self._least = 1
        self._wanted = 1
        self._missed = False  # somebody had to wait since the last review
        self._used_at = 0.0
        self._closed = False

    async def take(self) -> Connected | None:
        """One that works, the freshest first; None: there is none, and the client must wait for its own."""
        if self._returning and not self._ready:
            await asyncio.wait(self._returning, timeout=COMING, return_when=asyncio.FIRST_COMPLETED)
        while self._ready:
            pooled = self._ready.pop()
            if not self._resolver.leads_to(pooled.connected.end.uid):
                self._discard(pooled)
            elif await pooled.answers():
                return await pooled.release()
            else:  # the others went the same way, and are older
                self._resolver.nudge()
                self._discard(pooled)
                self._drop_all()
        if self._keeper is not None:
            self._missed = True
            self._wanted = min(2 * (self._wanted or self._least), MOST)
        return None

    def note_use(self) -> None:
        """A client came: see that the next one finds a pooled connection."""
        if self._closed:
            return
        self._used_at = self._now()
        self._wanted = self._least if self._keeper is None else max(self._least, self._wanted)
        if self._keeper is None:
            self._keeper = supervise("keep unused connections", self._keep, tasks=self._keepers, again=False)
        if self._refill is None:
            self._refill = asyncio.get_running_loop().call_later(DELAY, self._fill)

    def take_back(self, connected: Connected) -> bool:
        """A client has ended in order: the next one may have the way to its backend. False: nobody comes any more, and
        the stream is still to be closed.
        """
        self._least = AT_HAND
        self._wanted = max(self._least, self._wanted)
        if not self._closed:
            _hold(self._returning, partial(self._return, connected))
        return not self._closed

    async def close(self) -> None:
        """End them all, and make no more."""
        self._closed = True
        if self._refill is not None:
            self._refill.cancel()
        busy = {*self._makers, *self._returning, *(() if self._keeper is None else (self._keeper,))}
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        self._drop_all()
        await asyncio.gather(*self._discarding, return_exceptions=True)

    def _fill(self) -> None:
        self._refill = None
        while len(self._makers) < MADE_TOGETHER and self._count() < self._wanted:
            _hold(self._makers, self._add)

    def _count(self) -> int:
        """Those that are there, or on their way."""
        return len(self._ready) + len(self._returning) + len(self._makers)

    async def _add(self) -> None:
        try:
            connected = await self._make()
        except (NoConnection, ClusterError):
            return  # clients come first; whoever needs a connection learns why there is none
        pooled = _Pooled(connected, self._lose)
        if self._keeper is None or connected.stream.cheap:
            self._discard(pooled)
        else:
            self._offer(pooled)
            asyncio.get_running_loop().call_soon(self._fill_again)

    def _fill_again(self) -> None:
        """One is made: perhaps more are wanted."""
        if self._keeper is not None and self._refill is None and not self._closed:
            self._fill()

    async def _return(self, connected: Connected) -> None:
        stream = connected.stream
        try:
            renewed = await stream.renew()
            if renewed is None:
                await stream.close()
            elif self._is_welcome(connected):
                self._offer(_Pooled(Connected(renewed, connected.end), self._lose))
            else:
                await renewed.abort()
        except asyncio.CancelledError:
            await stream.abort()
            raise

    def _offer(self, pooled: _Pooled) -> None:
        """It is there, and from now on it is not on its way: counted twice, it would be one too few."""
        self._ready.append(pooled)
        if (bringing := asyncio.current_task()) is not None:
            self._makers.discard(bringing)
            self._returning.discard(bringing)

    def _is_welcome(self, connected: Connected) -> bool:
        """Whether the next client may want one that comes back."""
        in_use = self._keeper is not None and not self._closed
        return in_use and len(self._ready) < MOST and self._resolver.leads_to(connected.end.uid)

    def _lose(self, pooled: _Pooled) -> None:
        """The other side ended it: the next use makes another."""
        if pooled in self._ready:
            self._ready.remove(pooled)
            self._discard(pooled)
            self._wanted = 0  # or one that was just made would find another one wanted

    async def _keep(self) -> None:
        """Let go of what has become useless, and of everything once the port is not used any more."""
        follower = supervise("follow the pods of unused connections", self._follow, tasks=self._keepers)
        try:
            while self._now() - self._used_at < KEPT:
                await asyncio.sleep(REVIEW)
                self._review()
        finally:
            follower.cancel()
            self._keeper = None
            self._drop_all()

    async def _follow(self) -> None:
        """Let go of each whose pod is a backend no more."""
        while True:
            await self._resolver.changed()
            for pooled in [one for one in self._ready if not self._resolver.leads_to(one.connected.end.uid)]:
                self._ready.remove(pooled)
                self._discard(pooled)

    def _review(self) -> None:
        """Keep fewer while nobody has to wait."""
        if not self._missed:
            self._wanted = max(min(self._least, self._wanted), self._wanted // 2)
            while len(self._ready) > self._wanted:
                self._discard(self._ready.popleft())
        self._missed = False

    def _drop_all(self) -> None:
        while self._ready:
            self._discard(self._ready.popleft())

    def _discard(self, pooled: _Pooled) -> None:
        _hold(self._discarding, pooled.discard)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _hold(tasks: set[asyncio.Task[None]], work: Callable[[], Awaitable[None]]) -> None:
    """Do ``work`` in a task that ``tasks`` holds for as long as it runs."""
    supervise("make or end an unused connection", work, tasks=tasks, again=False)
