"""Targets that are asked beside the rounds: evidence of where a fault is, for which no round waits its whole time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ..core.observations import ProbeResult
from ..supervision import Tasks, supervise


class Companion:
    """What ``ask`` finds, begun with a round and told with the one that ends after it.

    ``ask`` returns None where there is nothing to be asked. It has a deadline of its own, and does not raise. Asking is
    begun at most every ``pause`` seconds, and never while the last one is under way. An answer is told again with the
    rounds that end in the next ``keep`` seconds, until there is a newer one.
    """

    def __init__(
        self, ask: Callable[[], Awaitable[ProbeResult | None]], *, pause: float = 0.0, keep: float = 0.0
    ) -> None:
        self._ask = ask
        self._pause = pause
        self._keep = keep
        self._kept: tuple[float, ProbeResult] | None = None  # the last answer, and when it was found
        self._found: ProbeResult | None = None  # by the asking that has ended, or is under way
        self._asking: asyncio.Task[None] | None = None
        self._tasks: Tasks = set()
        self._begun: float | None = None

    def begin(self) -> None:
        """Ask, where that is not under way or too soon."""
        now = asyncio.get_running_loop().time()
        rested = self._begun is None or now - self._begun >= self._pause
        if self._asking is None and rested:
            self._begun, self._found = now, None
            # A mistake of ours must not cost the round, to which the answer is only added.
            self._asking = supervise("probe beside the rounds", self._find, tasks=self._tasks, again=False)

    async def _find(self) -> None:
        self._found = await self._ask()

    def take(self) -> list[ProbeResult]:
        """What was found since the last call, or not long before; nothing where the answer is still waited for."""
        now = asyncio.get_running_loop().time()
        if self._asking is not None and self._asking.done():
            self._asking, result = None, self._found
            self._kept = None if self._keep == 0.0 or result is None else (now, result)
            return [] if result is None else [result]
        return [self._kept[1]] if self._kept is not None and now - self._kept[0] <= self._keep else []

    async def linger(self, seconds: float) -> None:
        """Wait so long for an answer that is under way."""
        if self._asking is not None:
            await asyncio.wait([self._asking], timeout=seconds)

    def forget(self) -> None:
        """Tell no answer again."""
        self._kept = None

    async def close(self) -> None:
        """Give up what is under way."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
            self._asking = None
