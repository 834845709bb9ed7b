"""The observer of what the operating system says of the way out."""

from __future__ import annotations

from collections.abc import Callable

from ..core.events import Event, EvidenceChanged
from ..core.observations import Evidence
from ..core.world import World
from ..ports import Clock, LinkWatch
from ..supervision import report
from .observers import Observer

# Seconds until the next look after the watch itself failed.
FAILED_INTERVAL = 1.0


class EvidenceObserver(Observer):
    """Reads the evidence at the start and whenever it may have changed; tells it as long as the world has another."""

    task = "watch the routes"

    def __init__(
        self, watch: LinkWatch, *, clock: Clock, world: Callable[[], World], take: Callable[[Event], object]
    ) -> None:
        super().__init__(clock=clock, world=world, take=take)
        self._watch = watch
        self._seen: Evidence | None = None  # None: it is to be read

    def look(self) -> None:
        """Tell what is new. The next look is due when the watch tells of a change: no time is known for it."""
        if self._seen is None:
            self._seen = self._read()
            self._start("wait for a change of the routes", self._await_change)
        if self._seen != self._world().link.evidence:
            self._take(EvidenceChanged(self._clock.now(), self._seen))

    def _read(self) -> Evidence:
        try:
            return self._watch.read()
        except Exception as error:  # a mistake of ours must not blind the agent: probes decide without evidence too
            report("read the routes", error)
            return Evidence()

    async def _await_change(self) -> None:
        try:
            await self._watch.changed()
        except Exception as error:  # likewise
            report("wait for a change of the routes", error)
            await self._clock.sleep(FAILED_INTERVAL)
        self._seen = None
        self.nudge()
