"""Keeping the log readable: repeated lines are counted, and no area writes more than ten lines a second.

Decisions are exempt: each is one commit to the disk, which bounds them, and `replay` and the log must agree.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ...core.timestamps import Timestamp
from ..log_records import LogRecord
from .sinks import append

MOST = 10  # lines of an area within WINDOW
WINDOW = 1.0  # seconds
SAID = 3  # times that the same line is written within FOLD; then it is only counted
FOLD = 60.0  # seconds
MOST_KNOWN = 200  # lines whose repeats are counted, in each area


@dataclass(slots=True)
class _Repeated:
    record: LogRecord
    said: int = 1
    more: int = 0


@dataclass(slots=True)
class _Area:
    times: deque[float] = field(default_factory=lambda: deque(maxlen=MOST))  # of the newest lines
    dropped: int = 0
    known: dict[tuple[str, str, str], _Repeated] = field(default_factory=dict)  # oldest first

    def is_busy(self, now: float) -> bool:
        return len(self.times) == MOST and 0 <= now - self.times[0] < WINDOW


class Throttle:
    """Decides which sentences are written. Times are those of the sentences."""

    def __init__(self) -> None:
        self._areas: dict[str, _Area] = {}

    def admit(self, record: LogRecord) -> Iterator[LogRecord]:
        """What is to be written now that ``record`` came: it, or nothing; before it, how often others repeated."""
        area = self._areas.setdefault(record.part, _Area())
        yield from self._settle(area, record.at)
        if record.mark is not None and record.mark.seq is not None:
            area.times.append(record.at.steady)
            yield record
        elif not self._is_repeat(area, record):
            yield from self._limit(area, record)

    def settle(self, now: Timestamp) -> Iterator[LogRecord]:
        """How often lines repeated whose minute is over."""
        for area in self._areas.values():
            yield from self._settle(area, now)

    def _is_repeat(self, area: _Area, record: LogRecord) -> bool:
        key = (record.level, record.about, record.text)
        known = area.known.get(key)
        if known is None:
            if len(area.known) >= MOST_KNOWN:
                del area.known[next(iter(area.known))]
            area.known[key] = _Repeated(record)
            return False
        if known.said < SAID:
            known.said += 1
            return False
        known.more += 1
        return True

    def _settle(self, area: _Area, now: Timestamp) -> Iterator[LogRecord]:
        while area.known:
            key, known = next(iter(area.known.items()))
            if 0 <= now.steady - known.record.at.steady < FOLD:
                return
            if known.more and area.is_busy(now.steady):
                return
            del area.known[key]
            if known.more:
                remark = f"repeated {known.more} times in {now.steady - known.record.at.steady:.0f} s"
                yield from self._limit(area, replace(append(known.record, remark), at=now))

    def _limit(self, area: _Area, record: LogRecord) -> Iterator[LogRecord]:
        now = record.at.steady
        if area.is_busy(now):
            area.dropped += 1
            return
        area.times.append(now)
        if area.dropped:
            remark = f"{area.dropped} lines of {record.part} were dropped before this one: more than {MOST} per second"
            record, area.dropped = append(record, remark), 0
        yield record
