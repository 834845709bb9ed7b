"""Keeping the log readable: repeated lines are counted, and no area writes more than ten lines a second.

Decisions are exempt: each is one commit to the disk, which bounds them, and `replay` and the log must agree.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ...core.moments import Moment
from ..sentences import Sentence
from .sinks import append

MOST = 10  # lines of an area within WINDOW
WINDOW = 1.0  # seconds
SAID = 3  # times that the same line is written within FOLD; then it is only counted
FOLD = 60.0  # seconds
MOST_KNOWN = 200  # lines whose repeats are counted, in each area


@dataclass(slots=True)
class _Repeated:
    sentence: Sentence
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

    def admit(self, sentence: Sentence) -> Iterator[Sentence]:
        """What is to be written now that ``sentence`` came: it, or nothing; before it, how often others repeated."""
        area = self._areas.setdefault(sentence.part, _Area())
        yield from self._settle(area, sentence.at)
        if sentence.mark is not None and sentence.mark.seq is not None:
            area.times.append(sentence.at.steady)
            yield sentence
        elif not self._is_repeat(area, sentence):
            yield from self._limit(area, sentence)

    def settle(self, now: Moment) -> Iterator[Sentence]:
        """How often lines repeated whose minute is over."""
        for area in self._areas.values():
            yield from self._settle(area, now)

    def _is_repeat(self, area: _Area, sentence: Sentence) -> bool:
        key = (sentence.level, sentence.about, sentence.text)
        known = area.known.get(key)
        if known is None:
            if len(area.known) >= MOST_KNOWN:
                del area.known[next(iter(area.known))]
            area.known[key] = _Repeated(sentence)
            return False
        if known.said < SAID:
            known.said += 1
            return False
        known.more += 1
        return True

    def _settle(self, area: _Area, now: Moment) -> Iterator[Sentence]:
        while area.known:
            key, known = next(iter(area.known.items()))
            if 0 <= now.steady - known.sentence.at.steady < FOLD:
                return
            if known.more and area.is_busy(now.steady):
                return
            del area.known[key]
            if known.more:
                remark = f"repeated {known.more} times in {now.steady - known.sentence.at.steady:.0f} s"
                yield from self._limit(area, replace(append(known.sentence, remark), at=now))

    def _limit(self, area: _Area, sentence: Sentence) -> Iterator[Sentence]:
        now = sentence.at.steady
        if area.is_busy(now):
            area.dropped += 1
            return
        area.times.append(now)
        if area.dropped:
            remark = (
                f"{area.dropped} lines of {sentence.part} were dropped before this one: more than {MOST} per second"
            )
            sentence, area.dropped = append(sentence, remark), 0
        yield sentence
