"""The observer of whether the connection is paid for by the byte."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..core.events import Event, MeteredSeen
from ..core.world import World
from ..ports import Clock
from .observers import Observer

# Seconds between two questions: an administrator may change his mind, and nothing tells of it.
INTERVAL = 300.0
# Seconds after the operating system told something new of the way out: NetworkManager knows of it by then.
AFTER_NEWS = 3.0


class MeteredObserver(Observer):
    """Asks at the start, when the way out has changed, and now and then, unless the configuration says it."""

    task = "ask whether the connection is metered"

    def __init__(
        self,
        ask: Callable[[], Awaitable[bool | None]],
        *,
        source: str,
        clock: Clock,
        world: Callable[[], World],
        take: Callable[[Event], object],
    ) -> None:
        super().__init__(clock=clock, world=world, take=take)
        self._ask = ask
        self._source = source
        self._asked: float | None = None

    def look(self) -> float | None:
        if self._world().plan.link.metered is not None or self._busy:
            return None
        now, due = self._clock.now().steady, self._due()
        if due > now:
            return due
        self._asked = now
        self._start(self.task, self._look_up, about=self.task)
        return None

    def _due(self) -> float:
        if self._asked is None:
            return 0.0
        told = self._world().link.evidence_since
        news = told.steady + AFTER_NEWS if told is not None else 0.0
        return news if news > self._asked else self._asked + INTERVAL

    async def _look_up(self) -> None:
        metered = await self._ask()
        if metered != self._world().link.metered:
            self._take(MeteredSeen(self._clock.now(), metered, self._source))
