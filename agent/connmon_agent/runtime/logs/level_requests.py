"""The request of ``log level``: which lines the running agent logs, shown and set through the control socket.

    {"order": "log-level"}                                          -> {"configured": "info", "areas": [...]}
    {"order": "log-level", "levels": {"probes": "debug"}, "for": 600}
    {"order": "log-level", "reset": true}

The answer is always what holds from then on, an area as {"area": "probes", "level": "debug", "left": 600.0}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict

from ...core.timestamps import Timestamp
from ...errors import ConnmonError
from ..log_records import AREAS, LogRecord
from .levels import LEVELS, LONGEST, USUAL, Levels

LOG_LEVEL = "log-level"  # the order's name


class LevelRequests:
    """Answers them; what is changed is logged with who did it."""

    def __init__(self, levels: Levels, *, now: Callable[[], Timestamp], say: Callable[[LogRecord], None]) -> None:
        self._levels = levels
        self._now = now
        self._say = say

    async def answer(self, arguments: Mapping[str, object], by: str) -> Mapping[str, object]:
        """A ``control.Handler``. Raises ConnmonError: an area, a level or a time is none."""
        now = self._now()
        wanted, seconds = _read_levels(arguments.get("levels", {})), _read_seconds(arguments.get("for", USUAL))
        if arguments.get("reset") is True:
            self._levels.reset()
            self._tell(now, f"{by} reset all log levels to {self._levels.configured}")
        for area, level in wanted.items():
            self._levels.set(area, level, until=now.steady + seconds)
            self._tell(now, f"{by} set the log level of {area} to {level} for {seconds:g} s")
        areas = [asdict(one) for one in self._levels.show(now.steady)]
        return {"configured": self._levels.configured, "areas": areas}

    def _tell(self, now: Timestamp, text: str) -> None:
        self._say(LogRecord(now, "info", "agent", text))


def _read_levels(given: object) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise ConnmonError("levels must map areas to levels")
    for area, level in given.items():
        if area not in AREAS:
            raise ConnmonError(f"{area} is not a log area", hint=f"Use {', '.join(AREAS)}")
        if level not in LEVELS:
            raise ConnmonError(f"{level} is not a log level", hint=f"Use {', '.join(LEVELS)}")
    return dict(given)


def _read_seconds(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 1 <= given <= LONGEST:
        raise ConnmonError(f"the time must be 1 s to {LONGEST / 3600:g} h")
    return float(given)
