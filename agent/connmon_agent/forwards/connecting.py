"""Getting a new connection to a backend, while pods come and go and the API server or the way to it may be gone.

A try that is not answered is not waited for alone: the next begins soon after, so that a lost packet, or a link that
just came back, costs a fraction of a second and not a timeout. (Happy Eyeballs, RFC 8305, for the same reason.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..errors import ClusterError
from ..kube.backends import Backend, Backends
from ..settings import Transport
from .seeking import Astray, Destination, Seeker
from .transports import Transports
from .ways import Stream

STAGGER = 0.3  # seconds after which a try that is not answered gets company
SHORTEST_TRY, LONGEST_TRY = 1.0, 3.0  # seconds until a try is given up
PARALLEL_TRIES = 6  # of one connection
TOGETHER = 32  # connections being made at once: more would only make each of them slower
CALM = 8  # connections being made at once up to which a try may get company
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.25  # seconds between tries that were refused
SHUN = 3.0  # seconds for which a pod that failed comes last


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection that was made, and where it leads."""

    stream: Stream
    end: Backend


@dataclass(slots=True)
class Gate:
    """How many connections of the whole forwarder are being made."""

    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(TOGETHER))
    waiting: int = 0  # for their turn, or for an answer


class Connector:
    """Makes connections for one destination. ``noted`` is told why a try failed."""

    def __init__(
        self,
        destination: Destination,
        seeker: Seeker,
        transports: Transports,
        gate: Gate,
        noted: Callable[[str], None],
    ) -> None:
        self._destination = destination
        self._seeker = seeker
        self._transports = transports
        self._gate = gate
        self._noted = noted
        self._patience = SHORTEST_TRY
        self._shunned: dict[str, float] = {}  # until when, by the pod's uid

    @property
    def transport(self) -> Transport:
        """What the configuration wishes."""
        return self._destination.settings.transport

    async def connect(self, deadline: float, still_wanted: Callable[[], bool] = lambda: True) -> Connected:
        """A connection to the best backend there is before ``deadline`` (the loop's time).

        ``still_wanted`` is asked between tries. Raises Astray: nowhere, or nobody wants it any more.
        """
        pause = FIRST_PAUSE
        while True:
            try:
                backends = self._seeker.find()
                if backends.ends:
                    return await self._race(backends)
                reason = Astray(backends.absence or "there is no backend")
            except ClusterError as error:
                reason = Astray(str(error), lasting=error.kind == "forbidden")
            except Astray as astray:
                if astray.lasting:
                    raise
                reason = astray
            left = deadline - self._now()
            if left <= 0 or not still_wanted():
                raise reason
            self._seeker.nudge()
            await self._wait(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE)

    def shun(self, end: Backend) -> None:
        """``end`` has just failed: let others come first for a while."""
        self._shunned[end.uid] = self._now() + SHUN

    async def _wait(self, pause: float) -> None:
        """For news of the backends, at most ``pause`` seconds."""
        try:
            async with asyncio.timeout(pause):
                await self._seeker.changed()
        except TimeoutError:
            return

    async def _race(self, backends: Backends) -> Connected:
        """The first of several tries that succeeds. Raises the ClusterError of the last one where none does."""
        tries: dict[asyncio.Task[Stream], Backend] = {}
        ends = self._order(backends.ends)
        self._gate.waiting += 1
        try:
            while True:
                if len(tries) < PARALLEL_TRIES:
                    end = ends[len(tries) % len(ends)]
                    tries[asyncio.create_task(self._try(backends, end))] = end
                if (won := await self._await_one(tries)) is not None:
                    return won
        finally:
            self._gate.waiting -= 1
            await _give_up(tries)

    async def _await_one(self, tries: dict[asyncio.Task[Stream], Backend]) -> Connected | None:
        """A try that succeeded; None: it is time for another one. Raises ClusterError when all have failed."""
        pending = {task for task in tries if not task.done()}
        calm = self._gate.waiting <= CALM and len(tries) < PARALLEL_TRIES
        done, pending = await asyncio.wait(
            pending, timeout=STAGGER if calm else None, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            if task.exception() is None:
                return Connected(task.result(), tries.pop(task))
        if pending or not done:
            return None
        raise _last_error(done)

    async def _try(self, backends: Backends, end: Backend) -> Stream:
        async with self._gate.turns:
            began = self._now()
            try:
                stream = await self._transports.open(
                    self.transport, self._destination.namespace, backends, end, timeout=self._patience
                )
            except ClusterError as error:
                if error.kind == "timeout":
                    self._patience = min(2 * self._patience, LONGEST_TRY)
                self.shun(end)
                self._noted(str(error))
                raise
            self._patience = min(max(SHORTEST_TRY, 4 * (self._now() - began)), LONGEST_TRY)
            return stream

    def _order(self, ends: Sequence[Backend]) -> list[Backend]:
        now = self._now()
        self._shunned = {uid: until for uid, until in self._shunned.items() if until > now}
        return sorted(ends, key=lambda end: end.uid in self._shunned)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


async def _give_up(tries: dict[asyncio.Task[Stream], Backend]) -> None:
    """End the tries that are not wanted any more; what one of them still opened is closed."""
    for task in tries:
        task.cancel()
    for outcome in await asyncio.gather(*tries, return_exceptions=True):
        if not isinstance(outcome, BaseException):
            await outcome.abort()


def _last_error(failed: set[asyncio.Task[Stream]]) -> BaseException:
    return next(error for task in failed if (error := task.exception()) is not None)
