"""Getting a new connection to a backend, while pods come and go and the API server or the way to it may be gone.

A try that is not answered is not waited for alone: the next begins soon after, so that a lost packet, or a link that
just came back, costs a fraction of a second and not a timeout. (Happy Eyeballs, RFC 8305, for the same reason.)
What fails is backed off from, and not by each client alone: see ``kube.backoffs``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from ..errors import ClusterError
from ..kube.backends import Backend, Backends
from ..kube.backoffs import Backoff, TooEarly
from ..settings import Transport
from .seeking import Astray, Destination, Seeker
from .transports import Transports
from .ways import Stream

STAGGER = 0.3  # seconds after which a try that is not answered gets company
SHORTEST_TRY, LONGEST_TRY = 1.0, 3.0  # seconds until a try is given up
PARALLEL_TRIES = 6  # of one connection
TOGETHER = 32  # connections being made at once: more would only make each of them slower
CALM = 8  # connections being made at once up to which a try may get company
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.25  # seconds between looks for a backend that may be tried
LEAST = 0.001  # seconds; with less left nothing is tried any more
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
    """Makes connections for one destination. ``noted`` gets the reason of each try that failed."""

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
        self._failures: dict[str, ClusterError] = {}  # the last of each backend that has not answered since, by its key
        self._shunned: dict[str, float] = {}  # until when, by the backend's key
        self._backoffs: dict[str, Backoff] = {}  # of the backends that have failed since they last answered

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
                    async with asyncio.timeout_at(deadline):
                        return await self._race(backends)
                reason = Astray(backends.absence or "there is no backend")
            except ClusterError as error:
                reason = _explain(error)
            except TimeoutError:
                reason = self._explain_silence(backends)
            except Astray as astray:
                if astray.lasting:
                    raise
                reason = astray
            left = deadline - self._now()
            if left <= LEAST or not still_wanted():
                raise reason
            self._seeker.nudge()
            await self._wait(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE)

    def shun(self, end: Backend, error: ClusterError) -> None:
        """``end`` has just failed: let others come first for a while, and back off from it."""
        now = asyncio.get_running_loop().time
        self._failures[end.key] = error
        self._shunned[end.key] = now() + SHUN
        self._backoffs.setdefault(end.key, Backoff(now=now)).fail(error)

    def trust(self, end: Backend) -> None:
        """``end`` has answered a client."""
        self._backoffs.pop(end.key, None)
        self._failures.pop(end.key, None)

    def _explain_silence(self, backends: Backends) -> Astray:
        """Why no backend answered in time: what one of them said before tells more than its silence now."""
        known = [self._failures[end.key] for end in backends.ends if end.key in self._failures]
        return _explain(known[-1]) if known else Astray(f"{backends.ends[0].name} did not answer in time")

    async def _wait(self, pause: float) -> None:
        """For news of the backends, at most ``pause`` seconds."""
        try:
            async with asyncio.timeout(pause):
                await self._seeker.changed()
        except TimeoutError:
            return

    async def _race(self, backends: Backends) -> Connected:
        """The first of several tries that succeeds. Raises the ClusterError of the last one where none does, or of an
        earlier one where it is too early for any.
        """
        tries: dict[asyncio.Task[Stream], Backend] = {}
        failure: ClusterError | None = None
        self._gate.waiting += 1
        try:
            while True:
                if not tries or self._wants_company(tries):
                    failure = self._begin(backends, tries) or failure
                if not tries:
                    raise failure or ClusterError("unreachable", "no backend can be tried now", delivered=False)
                for task in await self._await_some(tries):
                    end = tries[task]
                    if (error := task.exception()) is None:
                        del tries[task]
                        return Connected(task.result(), end)
                    del tries[task]
                    failure = _expect_cluster_error(error)
        finally:
            self._gate.waiting -= 1
            await _give_up(tries)

    def _wants_company(self, tries: dict[asyncio.Task[Stream], Backend]) -> bool:
        return self._gate.waiting <= CALM and len(tries) < PARALLEL_TRIES

    async def _await_some(self, tries: dict[asyncio.Task[Stream], Backend]) -> set[asyncio.Task[Stream]]:
        """Those that have ended; none where it is time for another one."""
        timeout = STAGGER if self._wants_company(tries) else None
        done, _ = await asyncio.wait(tries, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        return done

    def _begin(self, backends: Backends, tries: dict[asyncio.Task[Stream], Backend]) -> ClusterError | None:
        """Try the best backend that may be tried now. Returns why none may; None: one is tried."""
        refusal: ClusterError | None = None
        for end in self._order(backends.ends, tries.values()):
            try:
                if (backoff := self._backoffs.get(end.key)) is not None:
                    backoff.admit()
            except ClusterError as error:
                refusal = refusal or error
            else:
                tries[asyncio.create_task(self._try(backends, end))] = end
                return None
        return refusal

    async def _try(self, backends: Backends, end: Backend) -> Stream:
        async with self._gate.turns:
            began = self._now()
            try:
                stream = await self._transports.open(
                    self.transport, self._destination.namespace, backends, end, timeout=self._patience
                )
            except TooEarly:
                raise
            except ClusterError as error:
                if error.kind == "timeout":
                    self._patience = min(2 * self._patience, LONGEST_TRY)
                self.shun(end, error)
                self._noted(str(error))
                raise
            self._patience = min(max(SHORTEST_TRY, 4 * (self._now() - began)), LONGEST_TRY)
            return stream

    def _order(self, ends: Sequence[Backend], tried: Collection[Backend]) -> list[Backend]:
        """The best first; those that have just failed, and those that are being tried, come later."""
        now, busy = self._now(), Counter(end.key for end in tried)
        self._shunned = {key: until for key, until in self._shunned.items() if until > now}
        known = {end.key for end in ends}
        self._backoffs = {key: backoff for key, backoff in self._backoffs.items() if key in known}
        self._failures = {key: failure for key, failure in self._failures.items() if key in known}
        return sorted(ends, key=lambda end: (busy[end.key], end.key in self._shunned))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


async def _give_up(tries: dict[asyncio.Task[Stream], Backend]) -> None:
    """End the tries that are not wanted any more; what one of them still opened is closed."""
    for task in tries:
        task.cancel()
    for outcome in await asyncio.gather(*tries, return_exceptions=True):
        if not isinstance(outcome, BaseException):
            await outcome.abort()


def _expect_cluster_error(error: BaseException) -> ClusterError:
    if isinstance(error, ClusterError):
        return error
    raise error


def _explain(error: ClusterError) -> Astray:
    return Astray(str(error), lasting=error.kind == "forbidden")
