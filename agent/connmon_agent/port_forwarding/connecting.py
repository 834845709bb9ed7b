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
from functools import partial

from ..errors import ClusterError
from ..kube.backends import Backend, Backends
from ..kube.backoffs import Backoff, TooEarly
from ..settings import Transport
from ..staggered import Start, race
from .resolver import Destination, NoConnection, Resolver
from .streams import Stream
from .transports import Transports

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
        resolver: Resolver,
        transports: Transports,
        gate: Gate,
        noted: Callable[[str], None],
    ) -> None:
        self._destination = destination
        self._resolver = resolver
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

        ``still_wanted`` is asked between tries. Raises NoConnection: nowhere, or nobody wants it any more.
        """
        pause = FIRST_PAUSE
        while True:
            try:
                backends = self._resolver.find()
                if backends.ends:
                    async with asyncio.timeout_at(deadline):
                        return await self._race(backends)
                reason = NoConnection(backends.absence or "no backend")
            except ClusterError as error:
                reason = _explain(error)
            except TimeoutError:
                reason = self._explain_silence(backends)
            except NoConnection as failure:
                if failure.lasting:
                    raise
                reason = failure
            left = deadline - self._now()
            if left <= LEAST or not still_wanted():
                raise reason
            self._resolver.nudge()
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

    def _explain_silence(self, backends: Backends) -> NoConnection:
        """Why no backend answered in time: what one of them said before tells more than its silence now."""
        known = [self._failures[end.key] for end in backends.ends if end.key in self._failures]
        return _explain(known[-1]) if known else NoConnection(f"{backends.ends[0].name} did not answer in time")

    async def _wait(self, pause: float) -> None:
        """For news of the backends, at most ``pause`` seconds."""
        try:
            async with asyncio.timeout(pause):
                await self._resolver.changed()
        except TimeoutError:
            return

    async def _race(self, backends: Backends) -> Connected:
        """The first of several tries that succeeds. Raises the ClusterError of the last one where none does, or of an
        earlier one where it is too early for any.
        """
        tries = _Tries(self, self._gate, backends)
        self._gate.waiting += 1
        try:
            return await race(tries, expected=(ClusterError,), drop=_abort, choose=tries.choose_failure)
        finally:
            self._gate.waiting -= 1

    def admit(self, end: Backend) -> ClusterError | None:
        """Why ``end`` may not be tried now; None: it may."""
        try:
            if (backoff := self._backoffs.get(end.key)) is not None:
                backoff.admit()
        except ClusterError as error:
            return error
        return None

    async def try_one(self, backends: Backends, end: Backend) -> Connected:
        """One try of one backend, in its turn. Raises ClusterError."""
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
            return Connected(stream, end)

    def order(self, ends: Sequence[Backend], tried: Collection[Backend]) -> list[Backend]:
        """The best first; those that have just failed, and those that are being tried, come later."""
        now, busy = self._now(), Counter(end.key for end in tried)
        self._shunned = {key: until for key, until in self._shunned.items() if until > now}
        known = {end.key for end in ends}
        self._backoffs = {key: backoff for key, backoff in self._backoffs.items() if key in known}
        self._failures = {key: failure for key, failure in self._failures.items() if key in known}
        return sorted(ends, key=lambda end: (busy[end.key], end.key in self._shunned))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


class _Tries:
    """The tries of one client: the best backends first, and company for what is silent while not much is under way."""

    def __init__(self, connector: Connector, gate: Gate, backends: Backends) -> None:
        self._connector = connector
        self._gate = gate
        self._backends = backends
        self._tried: list[Backend] = []  # by the tries that are under way
        self._refusal: ClusterError | None = None  # why none could be begun when that was last asked; None: one could

    def begin(self, running: int, failed: int) -> Start[Connected] | None:
        """See ``staggered.Attempts``."""
        if running and not self._wants_company(running):
            return None
        refusal: ClusterError | None = None
        for end in self._connector.order(self._backends.ends, self._tried):
            refused = self._connector.admit(end)
            if refused is None:
                return partial(self._try, end)
            refusal = refusal or refused
        self._refusal = refusal or self._refusal
        return None

    def patience(self, running: int) -> float | None:
        """See ``staggered.Attempts``."""
        return STAGGER if self._wants_company(running) else None

    def choose_failure(self, failures: Sequence[Exception]) -> Exception:
        """Of those of the tries, or of what none could be begun for."""
        last = self._refusal or (failures[-1] if failures else None)
        return last or ClusterError("unreachable", "no backend is available now", delivered=False)

    def _wants_company(self, running: int) -> bool:
        return self._gate.waiting <= CALM and running < PARALLEL_TRIES

    async def _try(self, end: Backend) -> Connected:
        self._tried.append(end)
        try:
            return await self._connector.try_one(self._backends, end)
        finally:
            self._tried.remove(end)


async def _abort(late: Connected) -> None:
    await late.stream.abort()


def _explain(error: ClusterError) -> NoConnection:
    return NoConnection(str(error), lasting=error.kind == "forbidden")
