"""An event loop whose time passes only while all wait: an hour of the agent takes milliseconds, and no test sleeps."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from connmon_agent.core.moments import Moment

T = TypeVar("T")

# Steady and wall time at the start of every simulation; wall is a whole second in November 2026.
STEADY_START = 1_000.0
WALL_START = 1_795_000_000.0


class _Selector(selectors.DefaultSelector):
    """Instead of waiting, tells how long the loop would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if timeout is None and not ready:
            raise RuntimeError("deadlock: nothing is ready and nothing is due")
        if not ready and timeout:
            self.waited += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose ``time()`` jumps to whatever is due next."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.waited

    def stand_still(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT ``seconds`` later: time passes, and nobody runs."""
        self._virtual.waited += seconds


class SimulatedClock:
    """The port Clock on the running virtual loop. ``wall_step`` shifts the wall clock, as a bad NTP server would."""

    def __init__(self) -> None:
        self.wall_step = 0.0
        self.away = 0.0  # seconds that passed while no agent ran
        self.asleep = 0.0  # seconds that the machine slept

    def now(self) -> Moment:
        passed = asyncio.get_running_loop().time() + self.away + self.asleep
        return Moment(STEADY_START + passed, WALL_START + passed + self.wall_step)

    def awake(self) -> float:
        return asyncio.get_running_loop().time() + self.away

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
