"""How many files this process may have open at once, and how many clients that is room for."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

# For all else that the agent has open: probes, the API, the journal, the log, orders, plugins, connections that are
# being made and pooled ones. With the usual 1024 that leaves room for 384 clients.
RESERVED = 256
LARGEST_RESERVE = 0.5  # of a limit that is small
EACH = 2  # a client: its socket, and the way to the pod
ENOUGH = 65536  # where the system sets no limit


def raise_limit() -> int:
    """Have as many as this user may, and return for how many clients there is room then."""
    try:
        import resource  # not on Windows
    except ImportError:  # Windows has no such limit
        return ENOUGH
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS has a smaller one of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ENOUGH if soft == resource.RLIM_INFINITY else count_clients(soft)


def count_clients(limit: int) -> int:
    """For how many clients ``limit`` open files have room, beside what is reserved; at least one."""
    return max((limit - min(RESERVED, int(limit * LARGEST_RESERVE))) // EACH, 1)


class Places:
    """Room for ``total`` clients of all local ports. Whoever is accepted has a place, also while it is idle.

    Half of the places are divided among the ports and held free for them, so that the clients of one port, however many
    they are, keep nobody from another one.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._taken: Counter[str] = Counter()  # by port; every port that was ever listened on is in it
        self._freed = asyncio.Event()

    def join(self, port: str) -> None:
        """There is a port of this name."""
        self._taken.setdefault(port, 0)

    def has_room(self, port: str) -> bool:
        """Whether another client of ``port`` can be accepted."""
        share = self.total // (2 * len(self._taken))
        if self._taken[port] < share:
            return True
        return sum(max(taken, share) for taken in self._taken.values()) < self.total

    def take(self, port: str) -> None:
        """A client of ``port`` was accepted."""
        self._taken[port] += 1

    def leave(self, port: str) -> None:
        """It is gone."""
        self._taken[port] -= 1
        self._freed.set()
        self._freed = asyncio.Event()

    async def await_room(self, port: str, patience: float) -> bool:
        """Return when ``has_room``; False: there was none for ``patience`` seconds."""
        try:
            async with asyncio.timeout(patience):
                while not self.has_room(port):
                    await self._freed.wait()
        except TimeoutError:
            return False
        return True
