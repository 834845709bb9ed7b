"""What the probes take on the line, hour by hour: in memory, for people. It decides nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ..core.observations import LineUsage, ProbeResult
from ..core.timestamps import Timestamp

HOUR, HOURS = 3600.0, 24  # the newest so many hours are remembered


class LineUsageMeter:
    """Fed with each round; a new agent begins anew."""

    def __init__(self) -> None:
        self._hours: deque[tuple[float, int]] = deque(maxlen=HOURS)  # when each began (steady seconds), and its bytes

    def see(self, at: Timestamp, results: Iterable[ProbeResult]) -> LineUsage:
        """What the rounds took, with the one that ended ``at``, over the last day or since the start."""
        spent = sum(result.bytes for result in results)
        if not self._hours or at.steady - self._hours[-1][0] >= HOUR:
            self._hours.append((at.steady, 0))
        began, before = self._hours.pop()
        self._hours.append((began, before + spent))
        return LineUsage(sum(bytes for _, bytes in self._hours), at.steady - self._hours[0][0])
