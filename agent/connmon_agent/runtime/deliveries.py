"""Sends what is in the outbox: one attempt at a time on each channel, none of which waits for another channel."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from ..core.notices import (
    LONGEST_PAUSE,
    Notice,
    NoticeState,
    SendAnswer,
    begin_attempt,
    end_attempt,
    expire,
    find_staleness,
    may_send,
)
from ..core.world import World
from ..errors import StoreError
from ..ports import Clock, Journal, Messenger
from ..supervision import Tasks, supervise
from .log_records import NOTICES, LogRecord
from .waking import Waking

RETRY_RECORDING = 5.0  # seconds until it is tried again to record how an attempt ended
LONGEST_WAIT = 60.0  # seconds between two looks at the outbox where nothing is due before
# Seconds for an attempt to end when the agent stops: it is made again at the next start where that is too short.
GRACE = 1.5


class Deliveries:
    """Works the outbox off. A notice that an earlier agent was sending when it died is sent again."""

    def __init__(
        self,
        journal: Journal,
        messenger: Messenger,
        *,
        clock: Clock,
        world: Callable[[], World],
        say: Callable[[LogRecord], object],
        tasks: Tasks,
    ) -> None:
        self._journal, self._messenger = journal, messenger
        self._clock, self._world, self._say = clock, world, say
        self._tasks = tasks
        self._busy: dict[str, asyncio.Task[None]] = {}  # by channel
        self._rests: dict[str, float] = {}  # by channel: until when, after a mistake of ours (steady seconds)
        self._waking = Waking(clock)

    def nudge(self) -> None:
        """Tell that the outbox, the link or the channels may have changed."""
        self._waking.nudge()

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        while True:
            self._waking.forget()
            await self._waking.wait(self._begin_due())

    def _begin_due(self) -> float | None:
        """Begin an attempt on each free channel that has one due; seconds until the next look (None: none is needed).

        Of a channel that is not configured any more, only the end of its notices is looked for.
        """
        unsent, wait = self._journal.unsent, LONGEST_WAIT
        for channel in dict.fromkeys(one.channel for one in unsent):
            if channel not in self._busy:
                notices = [one for one in unsent if one.channel == channel]
                wait = min(wait, self._begin_first(channel, notices))
        return wait if unsent else None

    def _begin_first(self, channel: str, notices: list[Notice]) -> float:
        """Seconds until something is to be done on the channel; none of them has ended."""
        now, works_offline = self._clock.now(), self._messenger.channels.get(channel)
        rest = self._rests.get(channel, 0.0) - now.steady
        if rest > 0.0:
            return rest
        for one in notices:
            why = find_staleness(one, self._world(), now, works_offline=bool(works_offline))
            if why is not None:
                self._begin(one, partial(self._give_up, one, why))
                return LONGEST_WAIT
        ready = [one for one in notices if may_send(one, self._world(), works_offline=bool(works_offline))]
        if works_offline is None or not ready:
            return LONGEST_WAIT
        held = max(one.wait_until or 0.0 for one in notices)
        first = min(ready, key=lambda one: (_due(one), one.number))
        due = max(held, _due(first))
        if due > now.steady:
            return due - now.steady
        self._begin(first, partial(self._deliver, first))
        return LONGEST_WAIT

    def _begin(self, notice: Notice, work: Callable[[], Awaitable[None]]) -> None:
        name, failed = f"send notices to {notice.channel}", partial(self._rest, notice.channel)
        task = supervise(name, work, tasks=self._tasks, again=False, failed=failed)
        self._busy[notice.channel] = task
        task.add_done_callback(lambda _: self._end(notice.channel))

    def _end(self, channel: str) -> None:
        self._busy.pop(channel, None)
        self.nudge()

    def _rest(self, channel: str, error: BaseException) -> None:
        """A mistake of ours, which was reported, must not be made again at once."""
        self._rests[channel] = self._clock.now().steady + LONGEST_PAUSE

    async def _give_up(self, notice: Notice, why: str) -> None:
        if await self._record(expire(notice, why, self._clock.now())):
            self._tell(notice, "info", f"not sent: {why}")

    async def _deliver(self, notice: Notice) -> None:
        begun = begin_attempt(notice, self._clock.now())
        if await self._record(begun):
            answer = await self._send(begun)
            ended = end_attempt(begun, answer, self._clock.now())
            if await self._record(ended):
                self._tell_end(ended)

    async def _send(self, notice: Notice) -> SendAnswer:
        """One attempt. An agent that stops waits for it a little: what is cut off is sent twice."""
        sending = asyncio.ensure_future(self._messenger.send(notice))
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            await asyncio.wait({sending}, timeout=GRACE)
            if sending.done() and not sending.cancelled() and sending.exception() is None:
                await self._record(end_attempt(notice, sending.result(), self._clock.now()))
            raise
        finally:
            sending.cancel()

    async def _record(self, notice: Notice) -> bool:
        """Write it, however long the disk fails: what was sent and not recorded would be sent again."""
        while True:
            try:
                return await self._journal.note_attempt(notice)
            except StoreError:  # the agent tells of it and opens the file again
                await self._clock.sleep(RETRY_RECORDING)

    def _tell_end(self, notice: Notice) -> None:
        if notice.state == NoticeState.SENT:
            self._tell(notice, "info", "sent")
        elif notice.state == NoticeState.REFUSED:
            self._tell(notice, "error", f"refused for good: {notice.detail}")
        elif notice.state == NoticeState.EXPIRED:
            self._tell(notice, "error", f"given up: {notice.detail}")
        elif notice.attempts == 1:
            self._tell(notice, "warning", f"not sent, retrying for 7 days: {notice.detail}")
        else:
            self._tell(notice, "debug", f"attempt {notice.attempts} failed: {notice.detail}")

    def _tell(self, notice: Notice, level: str, text: str) -> None:
        told = f"{notice.channel}: {notice.kind} of outage {notice.outage} (notice {notice.number}) {text}"
        self._say(LogRecord(self._clock.now(), level, NOTICES, told))


def _due(notice: Notice) -> float:
    """Steady seconds. One that an agent was sending when it died is due since then."""
    return notice.tried.steady if notice.state == NoticeState.SENDING and notice.tried else notice.due.steady
