"""In what two agents on the same record differ, and what had to be assumed to tell."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.timestamps import Timestamp

SOFT_JOIN = 30.0  # seconds between two assumed rounds that belong together


@dataclass(frozen=True, slots=True)
class Difference:
    """The first restart that only one of both agents requested."""

    at: Timestamp
    service: str
    recorded: bool  # the recording agent requested it


@dataclass
class Assumed:
    """The times in which a round was assumed that was not recorded as it would have been, as spans of steady time."""

    spans: list[tuple[float, float]] = field(default_factory=list)

    def add(self, since: float, until: float) -> None:
        """Take in one more span, which is not before the last one."""
        if self.spans and since - self.spans[-1][1] <= SOFT_JOIN:
            self.spans[-1] = (self.spans[-1][0], max(until, self.spans[-1][1]))
        else:
            self.spans.append((since, until))

    def touches(self, since: float, until: float) -> bool:
        """Whether any of them lies between these times."""
        return any(first <= until and last >= since for first, last in self.spans)
