"""Event loops that no slow machine can hurry: their time passes while all wait, or when a test lets it pass.

``run_virtually`` is for what answers nobody outside of the loop: an hour of the agent takes milliseconds. ``run_held``
is for real sockets and threads, whose answers take as long as the machine likes, and yet come before every timeout.
``run_unhurried`` is for real sockets whose both ends are in the loop, and pauses that must pass by themselves.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from connmon_agent.core.timestamps import Timestamp

T = TypeVar("T")

# Steady and wall time at the start of every simulation; wall is a whole second in November 2026.
STEADY_START = 1_000.0
WALL_START = 1_795_000_000.0
# The shortest sleep. asyncio takes a timer that is due within 1 ns for due: two sleepers whose moments differ from the
# loop's time by a rounding error would wake each other for ever, without time passing between.
TICK = 1e-6
# So many turns of the loop pass at most without a look at sockets and threads while there are none that it knows of:
# a look takes as long as the rest of a turn, and under Wine 0.4 ms.
BLIND_TURNS = 64
PATIENCE = 60.0  # seconds of real time; only a test that fails waits so long
MOST_A_TURN = 0.001  # seconds that a turn of the unhurried loop takes at most, however long the machine stood still

if sys.platform == "win32":
    _PlatformLoop = asyncio.ProactorEventLoop
else:
    _PlatformLoop = asyncio.SelectorEventLoop


class _Selector(selectors.DefaultSelector):
    """Instead of waiting, tells how long the loop would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = 0.0
        self.threads = 0  # that work for the loop
        self._blind = 0  # turns since sockets were looked at

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._blind += 1
        alone = self.threads == 0 and len(self.get_map()) <= 1  # but for what threads wake it by
        if timeout is not None and alone and self._blind < BLIND_TURNS:
            self.waited += timeout
            return []
        self._blind = 0
        ready = super().select(0)
        if timeout is None and not ready:
            raise RuntimeError("deadlock: nothing is ready and nothing is due")
        if not ready and timeout:
            self.waited += timeout
        return ready


def _take_time_exactly(loop: asyncio.AbstractEventLoop) -> None:
    """Let no timer be due before its time. On Windows asyncio takes all that are due within 16 ms, the steps of its
    clock, for due: time would never pass for who sleeps for less again and again.
    """
    loop._clock_resolution = 1e-9  # type: ignore[attr-defined]


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose ``time()`` jumps to whatever is due next."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)
        _take_time_exactly(self)

    def time(self) -> float:
        return self._virtual.waited

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """asyncio's, counted."""
        self._virtual.threads += 1
        done = super().run_in_executor(executor, func, *args)
        done.add_done_callback(self._count_down)
        return done

    def _count_down(self, _: asyncio.Future[Any]) -> None:
        self._virtual.threads -= 1

    def next_due(self) -> float:
        """When the next timer is due, in the loop's time; ``time()`` where something is ready or may be at any time."""
        if self._ready or self._virtual.threads or not self._scheduled:  # type: ignore[attr-defined]
            return self.time()
        return float(self._scheduled[0].when())  # type: ignore[attr-defined]

    def stand_still(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT ``seconds`` later: time passes, and nobody runs."""
        self._virtual.waited += seconds


class _HeldSelector(selectors.DefaultSelector):
    """Waits for sockets and threads, however long the loop wants to wait for its timers."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0.0:
            return super().select(0)
        if not (ready := super().select(PATIENCE)):
            raise RuntimeError(f"nothing happened for {PATIENCE:g} s, and nobody let time pass")
        return ready


class HeldLoop(asyncio.SelectorEventLoop):
    """A loop whose ``time()`` stands still until somebody lets it pass."""

    def __init__(self) -> None:
        self._passed = 0.0
        super().__init__(_HeldSelector())
        _take_time_exactly(self)

    def time(self) -> float:
        return self._passed

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass at once: what was due by then is due now."""
        self._passed += seconds


class UnhurriedLoop(_PlatformLoop):
    """This platform's loop, whose ``time()`` passes while it waits and nothing comes: no machine is too slow for it."""

    def __init__(self) -> None:
        self._passed = 0.0
        super().__init__()
        selector = self._selector  # type: ignore[attr-defined]
        self._wait, selector.select = selector.select, self._wait_and_count
        self._turned = time.perf_counter()
        _take_time_exactly(self)

    def time(self) -> float:
        return self._passed

    def _wait_and_count(self, timeout: float | None = None) -> Any:
        began = time.perf_counter()
        ready = self._wait(timeout)
        ended = time.perf_counter()
        self._passed += min(began - self._turned, MOST_A_TURN)
        self._passed += min(ended - began, MOST_A_TURN if ready or timeout is None else timeout)
        self._turned = ended
        return ready


class SimulatedClock:
    """The port Clock on the running virtual loop. ``wall_step`` shifts the wall clock, as a bad NTP server would."""

    def __init__(self) -> None:
        self.wall_step = 0.0
        self.away = 0.0  # seconds that passed while no agent ran
        self.asleep = 0.0  # seconds that the machine slept

    def now(self) -> Timestamp:
        passed = asyncio.get_running_loop().time() + self.away + self.asleep
        return Timestamp(STEADY_START + passed, WALL_START + passed + self.wall_step)

    def awake(self) -> float:
        return asyncio.get_running_loop().time() + self.away

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(TICK, seconds) if seconds > 0.0 else 0.0)


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def run_held(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` to its end, in time that stands still but for ``let_pass``."""
    with asyncio.Runner(loop_factory=HeldLoop) as runner:
        return runner.run(main)


def run_unhurried(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` to its end, in time of which a busy machine takes none."""
    with asyncio.Runner(loop_factory=UnhurriedLoop) as runner:
        return runner.run(main)


def let_pass(seconds: float) -> None:
    """Let time pass on the held loop that runs."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, HeldLoop)
    loop.pass_time(seconds)


async def until(condition: Callable[[], object]) -> None:
    """Wait until ``condition`` holds, which another thread or a peer brings about. Fails after a minute of real time.

    It looks again and again instead of sleeping, so that it does not need the loop's own time.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"it did not come to pass within {PATIENCE:g} s"
        await asyncio.to_thread(time.sleep, 0.002)
