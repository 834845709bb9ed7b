"""Which lines are logged: a level for all areas, and others for some of them for a while."""

from __future__ import annotations

from dataclasses import dataclass

from ..log_records import AREAS

LEVELS = ("debug", "info", "warning", "error")
LONGEST = 24 * 3600.0  # seconds for which an area may have a level of its own
USUAL = 600.0  # seconds, where nothing is said


@dataclass(frozen=True, slots=True)
class AreaLevel:
    """The level of one area. ``left`` is in seconds; None: it is the configured one."""

    area: str
    level: str
    left: float | None = None


class Levels:
    """The levels in force. Times are steady seconds, given by whoever asks.

    What is set here is not kept: the next start has the configured level everywhere.
    """

    def __init__(self, level: str) -> None:
        self.configured = level
        self._own: dict[str, tuple[str, float]] = {}  # by area, until when

    def set(self, area: str, level: str, *, until: float) -> None:
        """Give ``area`` a level of its own until then."""
        self._own[area] = (level, until)

    def reset(self) -> None:
        """Go back to the configured level everywhere."""
        self._own.clear()

    def wants(self, area: str, level: str, now: float) -> bool:
        """Whether a line of this level is logged."""
        return LEVELS.index(level) >= LEVELS.index(self._level(area, now))

    def show(self, now: float) -> tuple[AreaLevel, ...]:
        """The level of every area."""
        shown = []
        for area in AREAS:
            level = self._level(area, now)
            own = self._own.get(area)
            shown.append(AreaLevel(area, level, None if own is None else own[1] - now))
        return tuple(shown)

    def _level(self, area: str, now: float) -> str:
        own = self._own.get(area)
        if own is None:
            return self.configured
        if now >= own[1]:
            del self._own[area]
            return self.configured
        return own[0]
