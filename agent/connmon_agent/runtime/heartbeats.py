"""The heartbeat: a ping by healthchecks' protocol while the agent works, so that another machine notices its silence.

https://healthchecks.io/docs/http_api/: the URL itself says that all is well, ``/start`` that a run begins and ``/fail``
that something is wrong; ``rid`` names the run. At most five pings a minute are taken. Whether one arrived is counted,
and never an alarm: the receiver is who alarms.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from ..ports import Clock
from ..settings import HeartbeatSettings
from ..supervision import Tasks, supervise

JITTER = 0.1  # of the interval, so that many agents do not ping at once
POLL = 1.0  # seconds between looks at whether anything was recorded, once a ping is due
START, WELL, FAIL = "/start", "", "/fail"

Ping = Callable[[str], Awaitable[str | None]]  # takes one of the three; why it was not delivered (None: it was)


class Heartbeat:
    """One run: ``/start``, then a ping every ``interval`` seconds in which something was recorded in the journal.

    ``recorded`` counts what was: the decisions and rounds of probes that became durable, each of which is a turn of the
    loop and of the decisions, too. ``is_failing``: nothing can be recorded now, which is said once by ``/fail``.
    ``tell`` is called when pings begin and cease to be delivered.
    """

    def __init__(
        self,
        ping: Ping,
        interval: float,
        *,
        clock: Clock,
        recorded: Callable[[], int],
        is_failing: Callable[[], bool],
        tell: Callable[[str], object],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._ping = ping
        self._interval = interval
        self._clock = clock
        self._recorded = recorded
        self._is_failing = is_failing
        self._tell = tell
        self._jitter = jitter
        self._delivered: bool | None = None  # the newest ping was; None: there was none
        self.sent = 0
        self.failed = 0

    async def run(self) -> None:
        """Ping until cancelled."""
        await self._send(START)
        seen, failing = self._recorded(), False
        while True:
            await self._clock.sleep(self._interval * (1 - JITTER + 2 * JITTER * self._jitter()))
            while not self._has_news(seen, failing):
                await self._clock.sleep(POLL)
            seen, failing = self._recorded(), self._is_failing()
            await self._send(FAIL if failing else WELL)

    def _has_news(self, seen: int, failing: bool) -> bool:
        """Whether a ping may be sent: that it fails, unless that was said already, or that it has recorded more."""
        return not failing if self._is_failing() else self._recorded() != seen

    async def _send(self, what: str) -> None:
        reason = await self._ping(what)
        self.sent += reason is None
        self.failed += reason is not None
        if (reason is None) is not self._delivered:
            self._delivered = reason is None
            self._tell("heartbeat: delivered" if reason is None else f"heartbeat: not delivered: {reason}")


class Heartbeats:
    """Follows the configuration: one heartbeat, or none. ``begin`` makes one, which is not begun yet."""

    def __init__(self, begin: Callable[[HeartbeatSettings], Heartbeat]) -> None:
        self._begin = begin
        self._settings: HeartbeatSettings | None = None
        self._tasks: Tasks = set()
        self._before = (0, 0)  # pings of earlier settings
        self._current: Heartbeat | None = None

    @property
    def pings(self) -> tuple[int, int]:
        """How many were delivered and how many were not, since the agent's start. May be read in any thread."""
        sent, failed = self._before
        current = self._current
        return (sent, failed) if current is None else (sent + current.sent, failed + current.failed)

    def follow(self, settings: HeartbeatSettings | None) -> None:
        """Ping as ``settings`` say from now on."""
        if settings == self._settings:
            return
        self.close()
        self._settings = settings
        self._before, self._current = self.pings, None
        if settings is not None:
            self._current = self._begin(settings)
            supervise("send the heartbeat", self._current.run, tasks=self._tasks)

    def close(self) -> None:
        """Send no further one."""
        for task in self._tasks:
            task.cancel()
