"""What the agent says to whoever started it, and when: a service manager, or the starter of the background mode."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from ..core.headlines import headline
from ..core.world import World
from ..errors import StoreError
from ..ports import Announcer, Clock
from .lane import Lane


class NoAnnouncer:
    """``ports.Announcer`` where no one waits for word: a start in a terminal."""

    pulse: float | None = None

    def extend(self, seconds: float) -> None: ...

    def ready(self, status: str) -> None: ...

    def status(self, line: str) -> None: ...

    def alive(self) -> None: ...

    def reloading(self) -> None: ...

    def reloaded(self, refusal: str | None) -> None: ...

    def stopping(self) -> None: ...


class Announcements:
    """Keeps the announcer up to date with one agent. ``look`` asks the journal something that changes nothing."""

    def __init__(
        self, announcer: Announcer, lane: Lane, clock: Clock, *, look: Callable[[], Awaitable[object]]
    ) -> None:
        self._to = announcer
        self._lane = lane
        self._clock = clock
        self._look = look
        self._line: str | None = None  # that was announced last; None: the agent is not ready yet

    def begin(self, world: World, trouble: StoreError | None) -> None:
        """The start has been decided on, and committed unless there is ``trouble``."""
        self._line = _status(world, trouble)
        self._to.ready(self._line)

    def follow(self, world: World, trouble: StoreError | None) -> None:
        """Announce the state in one line, if that line has changed."""
        if self._line is None:
            return
        line = _status(world, trouble)
        if line != self._line:
            self._line = line
            self._to.status(line)

    async def beat(self) -> None:
        """Give signs of life until cancelled: each is a turn of the decision loop in which the journal answered.

        An error is an answer too: with a full disk the agent watches on and keeps what it saw in memory, which a
        restart would lose. A disk or a loop that hangs gives no sign.
        """
        while self._to.pulse is not None:
            await self._lane.do(self._beat_once)
            await self._clock.sleep(self._to.pulse)

    async def _beat_once(self) -> None:
        with suppress(StoreError):
            await self._look()
        self._to.alive()

    def end(self) -> None:
        """The agent begins to end in order."""
        self._to.stopping()


def _status(world: World, trouble: StoreError | None) -> str:
    line = headline(world)
    return line if trouble is None else f"{line}; the state file cannot be written, nothing is restarted: {trouble}"
