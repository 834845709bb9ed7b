"""What a bench brings: measured values, what is held against them, and the peer beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure has to hold: its median at most (or ``least``: at least) ``bound``, in the figure's unit."""

    bound: float
    least: bool = False

    def holds(self, values: Sequence[float]) -> bool:
        """Whether the median of ``values`` keeps the limit."""
        middle = median(values)
        return middle >= self.bound if self.least else middle <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.least else '<='} {say_number(self.bound)}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table.

    ``values`` are the single measurements; none: it was not measured, and ``note`` says why. ``limit`` None: measured
    for information, or a peer. ``peer`` marks what was measured of another program in the same run.
    """

    what: str
    unit: str
    values: tuple[float, ...] = ()
    limit: Limit | None = None
    peer: bool = False
    note: str = ""

    @property
    def held(self) -> bool | None:
        """Whether the limit is kept; None: there is none, or nothing was measured."""
        return None if self.limit is None or not self.values else self.limit.holds(self.values)

    def as_document(self) -> dict[str, object]:
        """The figure as JSON values, every single measurement included."""
        summary = {name: measure(self.values) for name, measure in SUMMARY.items()} if self.values else {}
        return {
            "what": self.what,
            "unit": self.unit,
            "peer": self.peer,
            "n": len(self.values),
            **summary,
            "limit": None if self.limit is None else str(self.limit),
            "held": self.held,
            "note": self.note,
            "values": list(self.values),
        }


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: the smallest value that so many percent of ``values`` do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


SUMMARY: dict[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "median": median,
    "p95": lambda values: percentile(values, 95),
    "max": max,
}


def say_number(value: float) -> str:
    """Three significant digits, and whole numbers whole."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
