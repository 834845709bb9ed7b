"""Backoff of a failing upstream, shared by everybody who wants it.

Whoever waits may be a hundred clients, and each would retry. So the pause belongs to the upstream and not to who waits:
while it fails, one attempt begins in each pause, and everybody else gets the last error at once.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from ..errors import ClusterError

FIRST, LONGEST = 0.1, 0.4  # seconds; so short that the end of a failure is noticed within half a second
LONG, LATER = 60.0, 3.0  # seconds after which a failure is a long one, and how many times longer its pauses are
LONGEST_WISH = 30.0  # seconds of a server's Retry-After that are respected; somebody may be waiting


class TooEarly(ClusterError):
    """An attempt that was not made, since the one before has just failed: the same failure again.

    It is a new exception each time: one that is raised again and again grows by every traceback.
    """

    def __init__(self, error: ClusterError) -> None:
        super().__init__(error.kind, error.message, delivered=False, retry_after=error.retry_after, hint=error.hint)


class Backoff:
    """Whether an attempt may begin, by how the ones before it ended. Any thread may call it.

    After a failure the pause grows from ``first`` to ``longest`` seconds, doubling, times 0.5 to 1 by ``jitter``; once
    all has failed for LONG seconds, to LATER times ``longest``. As long as nothing fails any number of attempts may be
    under way. ``now`` tells steady seconds.
    """

    def __init__(
        self,
        *,
        first: float = FIRST,
        longest: float = LONGEST,
        now: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._first = first
        self._longest = longest
        self._now = now
        self._jitter = jitter
        self._lock = threading.Lock()
        self._failures = 0
        self._since = 0.0  # of the first of them
        self._tried = False  # an attempt was admitted since the last failure that counted
        self._next = 0.0  # the earliest time of the next attempt
        self._error: ClusterError | None = None

    def admit(self) -> None:
        """An attempt begins. Raises TooEarly where nothing may be sent yet."""
        with self._lock:
            if self._error is None:
                return
            if self._now() < self._next:
                raise TooEarly(self._error)
            self._next, self._tried = self._now() + self._draw(), True

    def allows(self) -> bool:
        """Whether ``admit`` would let an attempt begin now."""
        return self._error is None or self._now() >= self._next

    def fail(self, error: ClusterError) -> None:
        """An attempt has failed. Several that were under way together count as one failure."""
        with self._lock:
            pause = min(error.retry_after or 0.0, LONGEST_WISH)
            if self._error is None or self._tried:
                self._since = self._now() if self._error is None else self._since
                self._failures += 1
                pause = max(pause, self._draw())
            self._error, self._tried = error, False
            self._next = max(self._next, self._now() + pause)

    def succeed(self) -> None:
        """An attempt has succeeded: others may begin at once."""
        with self._lock:
            self._failures, self._error, self._tried, self._next = 0, None, False, 0.0

    def _draw(self) -> float:
        longest = self._longest * (LATER if self._now() - self._since >= LONG else 1.0)
        pause = min(self._first * 2.0 ** min(max(self._failures - 1, 0), 10), longest)
        return pause * (0.5 + 0.5 * self._jitter())
