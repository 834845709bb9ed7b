"""The journal in a thread of its own: nobody but the one who waits for a commit waits for the disk."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from msgspec import UNSET, UnsetType

from ..core.counters import COMMITS, Counters, Durations, LineCounters
from ..core.events import Event
from ..core.link.round_counts import RoundCounts
from ..core.notices import Notice
from ..core.observations import InternalErrors, LineUsage, LogLoss, MeasuredQuality, ProbeResult, Traffic
from ..core.steps import Step
from ..core.timestamps import Timestamp
from ..core.world import World
from ..settings import MEGABYTE, JournalSettings
from .journal import SqliteJournal
from .layout import log_of, size_of
from .retention import Limits

P = ParamSpec("P")
T = TypeVar("T")


class JournalThread:
    """``ports.Journal`` over a SqliteJournal that nobody else calls while this one lives.

    Calls are done one at a time, in the order in which they were made. One whose caller does not wait any more is done
    all the same. For meanings and errors see ``ports.Journal``.
    """

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self._calls: SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._commits = Durations(COMMITS)
        # Since when nothing has been asked of the disk (time.monotonic); None: it is asked now. For any thread.
        self.idle_since: float | None = time.monotonic()
        self.recorded = 0  # decisions and rounds of probes that were committed
        self._thread = threading.Thread(target=self._work_off, name="journal", daemon=True)  # begun at the first call

    @property
    def damage(self) -> str | None:
        return self._journal.damage

    @property
    def set_aside(self) -> Path | None:
        return self._journal.set_aside

    @property
    def counted(self) -> tuple[Counters, LineCounters]:
        """The counters as the file holds them. May be read in any thread."""
        return self._journal.counted

    @property
    def commits(self) -> tuple[tuple[int, ...], float]:
        """How many commits took how long, by ``core.counters.COMMITS``, and seconds of them all. For any thread."""
        return self._commits.so_far

    def keep(self, settings: JournalSettings) -> None:
        """Keep so much from the next round on. May be called in any thread."""
        self._journal.rounds_keep = settings.rounds_keep
        self._journal.limits = Limits(settings.keep, settings.max_size * MEGABYTE)

    def notify(self, channels: Mapping[str, bool]) -> None:
        """Make notices for these channels from the next decision on; each with whether it works offline. For any
        thread.
        """
        self._journal.channels = channels

    @property
    def unsent(self) -> tuple[Notice, ...]:
        """The notices that are still to be sent. May be read in any thread."""
        return self._journal.unsent

    def size(self) -> int:
        """Bytes of the state file and its log. May be called in any thread."""
        return size_of(self._journal.path) + size_of(log_of(self._journal.path))

    def load(self) -> World:
        """The world as it was last committed. Only for the beginning, when nothing is under way. Raises StoreError."""
        return self._journal.load()

    async def commit(self, event: Event, step: Step) -> int:
        seq = await self._do(self._commit, event, step)
        self.recorded += 1
        return seq

    def _commit(self, event: Event, step: Step) -> int:
        began = time.perf_counter()
        seq = self._journal.commit(event, step)
        self._commits.add(time.perf_counter() - began)
        return seq

    async def note_round(
        self,
        at: Timestamp,
        results: Sequence[ProbeResult],
        measured_quality: MeasuredQuality | None = None,
        usage: LineUsage | None = None,
        probed: Sequence[ProbeResult] = (),
        counts: RoundCounts | UnsetType = UNSET,
    ) -> None:
        await self._do(self._journal.note_round, at, results, measured_quality, usage, probed, counts)
        self.recorded += 1

    async def note_traffic(self, at: Timestamp, traffic: Sequence[Traffic]) -> None:
        await self._do(self._journal.note_traffic, at, traffic)

    async def note_errors(self, errors: InternalErrors) -> None:
        await self._do(self._journal.note_errors, errors)

    async def note_attempt(self, notice: Notice) -> bool:
        return await self._do(self._journal.note_attempt, notice)

    async def drop_notices(self, numbers: Collection[int] | None, why: str, at: Timestamp) -> list[Notice]:
        """See ``SqliteJournal.drop_notices``."""
        return await self._do(self._journal.drop_notices, numbers, why, at)

    async def note_unverified(self, server: str | None) -> None:
        """Remember the API server whose certificate is not verified (None: it is), without waiting for the disk."""
        await self._do(self._journal.note_unverified, server)

    async def note_log_loss(self, loss: LogLoss) -> None:
        """Remember how many lines the log lost, without waiting for the disk. Raises StoreError."""
        await self._do(self._journal.note_log_loss, loss)

    async def last_sign_of_life(self) -> Timestamp | None:
        return await self._do(self._journal.last_sign_of_life)

    async def reopen(self) -> World:
        return await self._do(self._journal.reopen)

    async def close(self, patience: float) -> None:
        """Checkpoint and close, and wait for that no longer than so many seconds.

        Where the disk keeps silent the journal is left to its thread: what was committed is durable, and the rest is
        what a kill would leave.
        """
        closing = self._ask(self._journal.close)
        self._calls.put(None)
        await asyncio.wait({closing}, timeout=patience)
        self._journal.abandon()  # nobody else is to close it once more

    async def _do(self, call: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        return await self._ask(partial(call, *args, **named))

    def _ask(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """The future result. By way of an executor it would come 25 us later, where a whole commit takes 400."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._calls.put((future, call))
        if not self._thread.is_alive():
            self._thread.start()
        return future

    def _work_off(self) -> None:
        while (asked := self._calls.get()) is not None:
            future, call = asked
            result: Any = None
            error: BaseException | None = None
            self.idle_since = None
            try:
                result = call()
            except BaseException as caught:
                error = caught
            self.idle_since = time.monotonic()
            with suppress(RuntimeError):  # the loop has ended meanwhile: nobody is left to tell
                future.get_loop().call_soon_threadsafe(_settle, future, result, error)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return  # nobody waits for it any more
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
