"""The states of one thing over time, as few spans as a picture can show: short stays beside each other become one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

GAP, NO_RECORD = "GAP", "NO_RECORD"


@dataclass(slots=True)
class Span:
    """From ``start`` to ``end``: for how many seconds in which state, ``count`` stays in all.

    ``began`` is the number of the event that began the first stay in each state (0: it is not known).
    """

    start: float
    end: float
    seconds: dict[str, float]
    began: dict[str, int]
    count: int = 1

    def absorb(self, other: Span) -> None:
        """Add what follows."""
        self.end = other.end
        self.count += other.count
        for state, seconds in other.seconds.items():
            self.seconds[state] = self.seconds.get(state, 0.0) + seconds
            self.began.setdefault(state, other.began[state])


@dataclass(slots=True)
class Lane:
    """What one thing was, in spans of which none but a single stay is longer than ``bucket`` seconds.

    ``states`` are all that it can be in, the best first; what is not among them comes last. Only what is between
    ``since`` and ``until`` is kept.
    """

    states: Sequence[str]
    since: float
    until: float
    bucket: float
    state: str = NO_RECORD
    seq: int = 0
    at: float = float("-inf")  # since when it is in ``state``
    spans: list[Span] = field(default_factory=list)

    def enter(self, state: str, at: float, seq: int) -> None:
        """It is in ``state`` from now on."""
        if state == self.state:
            return
        self._close(at)
        self.state, self.seq = state, seq

    def interrupt(self, since: float, until: float, seq: int) -> None:
        """Nobody watched between; then it goes on as it was."""
        state, before = self.state, self.seq
        since = max(since, self.at)
        if until <= since:
            return
        self._close(since)
        self.state, self.seq = GAP, seq
        self._close(until)
        self.state, self.seq = state, before

    def cut_back(self, at: float) -> None:
        """The clock was set back: what was later than ``at`` is told anew."""
        while self.spans and self.spans[-1].start >= at:
            self.spans.pop()
        if self.spans and self.spans[-1].end > at:
            self.spans[-1].end = at
        self.at = min(self.at, at)

    def finish(self, watched: float, now: float, seq: int) -> None:
        """Up to ``watched`` it goes on, and then nobody watches. After ``now`` there is nothing yet."""
        if watched < now:
            self.enter(GAP, max(self.at, watched), seq)
        self.enter(NO_RECORD, max(self.at, now), 0)
        self._close(self.until)

    def _close(self, at: float) -> None:
        """End the stay at ``at``."""
        start, end = max(self.at, self.since), min(at, self.until)
        self.at = max(self.at, at)
        if end > start:
            self._append(Span(start, end, {self.state: end - start}, {self.state: self.seq}))

    def _append(self, span: Span) -> None:
        last = self.spans[-1] if self.spans else None
        if last is not None and last.count == span.count == 1 and last.seconds.keys() == span.seconds.keys():
            last.absorb(span)
            last.count = 1
        elif last is not None and span.end - last.start <= self.bucket:
            last.absorb(span)
        else:
            self.spans.append(span)

    def coarsen(self, bucket: float) -> None:
        """Make do with longer spans."""
        self.bucket = bucket
        spans, self.spans = self.spans, []
        for span in spans:
            self._append(span)

    def write(self) -> Iterator[list[Any]]:
        """The spans as numbers, in seconds after ``since``; see docs/web.md."""
        places = {state: place for place, state in enumerate(self.states)}
        digits = 1 if self.bucket < 600 else 0
        for span in self.spans:
            worst = max(span.seconds, key=lambda state: _rank(state, places))
            times = _brief(span.start - self.since, digits), _brief(span.end - self.since, digits)
            exact = [*times, places.get(worst, len(places)), span.began[worst]]
            length = (span.end - span.start) or 1.0
            shares = (round(span.seconds.get(state, 0.0) / length, 2) for state in (worst, GAP))
            yield exact if len(span.seconds) == 1 and span.count == 1 else [*exact, span.count, *shares]


def _rank(state: str, places: dict[str, int]) -> tuple[bool, int]:
    """What is no state of the thing itself counts only where there is no other."""
    return state not in (GAP, NO_RECORD), places.get(state, len(places))


def _brief(seconds: float, digits: int) -> float | int:
    rounded = round(seconds, digits)
    return int(rounded) if rounded == int(rounded) else rounded


def count_numbers(lanes: Iterable[Lane]) -> int:
    """How many spans there are in all."""
    return sum(len(lane.spans) for lane in lanes)
