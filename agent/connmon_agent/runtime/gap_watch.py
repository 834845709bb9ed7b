"""Finding out that nobody watched: the machine slept, the process stood still, or the clock was set.

Three clocks are compared whenever the agent does anything, which is with every round of probes and before every event.
It costs no wake-up of its own, and nothing that the agent did not see is taken for something that it saw.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..core.events import MonitoringGapEnded
from ..core.link.monitoring_gaps import GAP_AFTER, is_monitoring_gap
from ..core.timestamps import Timestamp
from ..core.wording import in_words
from ..ports import Clock

# Seconds by which the wall clock leaves the steady one at once. NTP slews smaller errors, and people do not miss them.
CLOCK_STEP = 2.0


class Reading(NamedTuple):
    """The three clocks at one instant. ``awake`` is steady seconds without the machine's sleep."""

    at: Timestamp
    awake: float


class Vigil:
    """Knows when the agent last looked, and when it was to look again.

    Where the system cannot tell a machine's sleep (any but Linux), and in a virtual machine that its host had paused, a
    sleep shows as a clock that was set forward.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = self._read()
        self._due: float | None = None  # awake seconds at which the agent is to look again; None: it did not say

    def rest(self, due: float) -> None:
        """The agent looks again at the steady time ``due``, if nothing makes it look earlier."""
        now = self._read()
        self._due = now.awake + max(0.0, due - now.at.steady)

    def wake(self) -> tuple[MonitoringGapEnded, ...]:
        """The agent looks: what happened to it since it last did."""
        now = self._read()
        found = tuple(compare(self._last, now, due=self._due))
        self._last = now
        return found

    def _read(self) -> Reading:
        return Reading(self._clock.now(), self._clock.awake())


def compare(last: Reading, now: Reading, *, due: float | None) -> list[MonitoringGapEnded]:
    """What happened between two readings. ``due``: the awake seconds at which the second was to be (None: any time).

    Boot time goes on while the machine sleeps, monotonic time does not; a process that stood still is late.
    """
    passed, awake = now.at.steady - last.at.steady, now.awake - last.awake
    slept = max(0.0, passed - awake)
    still = 0.0 if due is None else max(0.0, now.awake - max(due, last.awake))
    stepped = now.at.wall - last.at.wall - passed
    found = []
    if abs(stepped) >= CLOCK_STEP:
        found.append(MonitoringGapEnded(now.at, Timestamp(now.at.steady, now.at.wall - stepped), _tell_step(stepped)))
    if slept + still >= GAP_AFTER:
        found.append(MonitoringGapEnded(now.at, now.at.plus(-slept - still), _tell_gap(slept, still)))
    return found


def was_not_watching(events: Iterable[MonitoringGapEnded]) -> bool:
    """Whether one of them is a time in which nobody watched, or may be one; else the clock was merely set."""
    return any(is_monitoring_gap(event) for event in events)


def _tell_step(seconds: float) -> str:
    return f"the clock was set {'forward' if seconds > 0 else 'back'} by {in_words(abs(seconds))}"


def _tell_gap(slept: float, still: float) -> str:
    if slept < GAP_AFTER <= still:
        return f"the agent stalled for {in_words(slept + still)}"
    return f"the machine slept for {in_words(slept + still)}"
