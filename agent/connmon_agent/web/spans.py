"""The states of one thing over time, as few spans as a picture can show: short stays beside each other become one."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

GAP, NO_RECORD = "GAP", "NO_RECORD"


@dataclass(slots=True)
class Span:
    """From ``start`` to ``end``, ``count`` stays in all.

    ``stays`` holds the seconds in each state of the lane, and then for each the number of the event that began the
    first stay in it (0: it is not known).
    """

    start: float
    end: float
    stays: array[float]
    count: int = 1

    def absorb(self, other: Span) -> None:
        """Add what follows."""
        self.end = other.end
        self.count += other.count
        states = len(self.stays) // 2
        for place in range(states):
            if other.stays[place]:
                self.stays[states + place] = (
                    self.stays[states + place] if self.stays[place] else other.stays[states + place]
                )
                self.stays[place] += other.stays[place]

    @property
    def present(self) -> list[int]:
        """The places of the states in it, among those of the lane."""
        return [place for place in range(len(self.stays) // 2) if self.stays[place]]

    def share(self, place: int) -> float:
        """The part of the time in that state, 0 to 1."""
        return self.stays[place] / ((self.end - self.start) or 1.0)


@dataclass(slots=True)
class Lane:
    """What one thing was, in spans of which none but a single stay is longer than ``bucket`` seconds.

    ``states`` are all that it can be in, the best first, GAP and NO_RECORD among them. Only what is between ``since``
    and ``until`` is kept.
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
        """It is in ``state`` from now on. What is no state of it is passed over."""
        if state == self.state or state not in self.states:
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
            place, stays = self.states.index(self.state), array("d", bytes(16 * len(self.states)))
            stays[place], stays[len(self.states) + place] = end - start, self.seq
            self._append(Span(start, end, stays))

    def _append(self, span: Span) -> None:
        last = self.spans[-1] if self.spans else None
        if last is not None and last.count == span.count == 1 and last.present == span.present:
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
        gap, digits = self.states.index(GAP), 1 if self.bucket < 600 else 0
        for span in self.spans:
            present = span.present
            worst = max(present, key=lambda place: (self.states[place] not in (GAP, NO_RECORD), place))
            times = (_brief(at - self.since, digits) for at in (span.start, span.end))
            exact = [*times, worst, int(span.stays[len(self.states) + worst])]
            shares = (round(span.share(place), 2) for place in (worst, gap))
            yield exact if len(present) == 1 and span.count == 1 else [*exact, span.count, *shares]


def _brief(seconds: float, digits: int) -> float | int:
    rounded = round(seconds, digits)
    return int(rounded) if rounded == int(rounded) else rounded


def count_spans(lanes: Iterable[Lane]) -> int:
    """How many spans there are in all."""
    return sum(len(lane.spans) for lane in lanes)
