"""What the agent says to whoever started it, and when: a service manager, or the starter of the background mode."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ..core.world import ForwardState, LinkState, World
from ..errors import StoreError
from ..explain.headlines import headline
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


# Seconds after the start is durable in which the first rounds of probes and the local ports are waited for, so that the
# agent is announced with a verdict and its clients find their ports.
SETTLING = 1.0


class Announcements:
    """Keeps the announcer up to date with one agent. ``look`` asks the journal something that changes nothing.

    ``ready`` is set once the agent is announced as ready.
    """

    def __init__(
        self, announcer: Announcer, lane: Lane, clock: Clock, *, look: Callable[[], Awaitable[object]]
    ) -> None:
        self._to = announcer
        self._lane = lane
        self._clock = clock
        self._look = look
        self._began = False
        self._saw_round = False  # the state is not only what an earlier agent remembered
        self._line = ""  # as of now
        self.ready = asyncio.Event()

    def begin(self, world: World, trouble: StoreError | None) -> None:
        """The start has been decided on, and committed unless there is ``trouble``."""
        self._began = True
        self.follow(world, trouble)

    def follow(self, world: World, trouble: StoreError | None) -> None:
        """Announce that the agent is ready, once; then the state in one line, whenever that line has changed."""
        before, self._line = self._line, _status(world, trouble)
        if self.ready.is_set():
            if self._line != before:
                self._to.status(self._line)
        elif self._began and self._saw_round and _is_settled(world):
            self._announce_ready()

    def see_round(self, world: World, trouble: StoreError | None) -> None:
        """A round of probes has ended and was decided on."""
        self._saw_round = True
        if not self.ready.is_set():
            self.follow(world, trouble)

    async def run(self) -> None:
        """Announce that the agent is ready after ``SETTLING`` at the latest, then give signs of life until cancelled.

        To be called after ``begin``.
        """
        await self._clock.sleep(SETTLING)
        if not self.ready.is_set():
            self._announce_ready()
        await self._beat()

    def _announce_ready(self) -> None:
        self.ready.set()
        self._to.ready(self._line)

    async def _beat(self) -> None:
        """Each sign of life is a turn of the decision loop in which the journal answered.

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


def _is_settled(world: World) -> bool:
    listening = all(forward.state != ForwardState.CLOSED for forward in world.forwards.values())
    return listening and world.link.state != LinkState.STARTING


def _status(world: World, trouble: StoreError | None) -> str:
    line = headline(world)
    return line if trouble is None else f"{line}; the state file cannot be written, nothing is restarted: {trouble}"
