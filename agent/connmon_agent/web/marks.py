"""Restarts over time: those that are closer to each other than can be shown are one mark."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .views import Document

FAILED = ("refused", "abandoned")


@dataclass(slots=True)
class _Mark:
    """``count`` restarts from ``start`` to ``end``, ``bad`` of them in vain. ``service`` None: of several ones."""

    start: float
    end: float
    count: int
    bad: int
    seq: int
    service: str | None

    def absorb(self, other: _Mark) -> None:
        self.end = other.end
        self.count += other.count
        self.bad += other.bad
        self.service = self.service if self.service == other.service else None


@dataclass(slots=True)
class Marks:
    """The restarts between ``since`` and ``until``."""

    since: float
    until: float
    bucket: float
    marks: list[_Mark] = field(default_factory=list)
    open: dict[str, _Mark] = field(default_factory=dict)  # by token: those of which nothing is known yet

    def add(self, wall: float, seq: int, service: str, token: str) -> None:
        """A restart was decided."""
        if self.since <= wall <= self.until:
            self._append(_Mark(wall, wall, 1, 0, seq, service))
            self.open[token] = self.marks[-1]

    def resolve(self, token: str, outcome: str) -> None:
        """This came of it."""
        mark = self.open.pop(token, None)
        if mark is not None and outcome in FAILED:
            mark.bad += 1

    def coarsen(self, bucket: float) -> None:
        """Make do with fewer marks."""
        self.bucket = bucket
        marks, self.marks = self.marks, []
        for mark in marks:
            self._append(mark)

    def write(self) -> Document:
        """As JSON values, in seconds after ``since``."""
        return {"kind": "attempts", "name": "attempts", "marks": [self._write(mark) for mark in self.marks]}

    def _append(self, mark: _Mark) -> None:
        last = self.marks[-1] if self.marks else None
        if last is not None and 0 <= mark.end - last.start <= self.bucket:
            last.absorb(mark)
        else:
            self.marks.append(mark)

    def _write(self, mark: _Mark) -> list[Any]:
        start, end = (round(at - self.since, 1) for at in (mark.start, mark.end))
        return [start, end, mark.count, mark.bad, mark.seq, mark.service]
