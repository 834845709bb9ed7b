"""How long a target takes to answer as a rule, so that its silence is noticed soon and its slowness is no silence."""

from __future__ import annotations

from collections import deque

# Of the answers of a target, so many are remembered.
REMEMBERED = 20
# A target is late after so many times the slowest of them; TCP's own timer (RFC 6298) takes about as much.
SLACK = 1.5
# No target is late before this share of the timeout: 250 ms with the default one, as much as RFC 8305 (section 5) waits
# for an address before it tries the next one.
SHORTEST_SHARE = 0.25


class UsualTimes:
    """The times that targets took to answer, by their names."""

    def __init__(self) -> None:
        self._answers: dict[str, deque[float]] = {}

    def note(self, name: str, seconds: float) -> None:
        """The target has answered in so many seconds."""
        self._answers.setdefault(name, deque(maxlen=REMEMBERED)).append(seconds)

    def late_after(self, name: str, timeout: float) -> float:
        """Seconds after which the target is late; never more than its ``timeout``."""
        slowest = max(self._answers.get(name, ()), default=0.0)
        return min(timeout, max(SHORTEST_SHARE * timeout, SLACK * slowest))
