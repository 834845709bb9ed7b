"""Points in time, as the core sees them."""

from __future__ import annotations

from typing import NamedTuple


class Timestamp(NamedTuple):
    """One instant on both clocks.

    ``steady`` decides: seconds that never jump and go on over a restart of the agent and of the machine (the clock
    adapter anchors boot time so). ``wall`` is for people: Unix seconds, wrong whenever the machine's clock is.
    """

    steady: float
    wall: float

    def plus(self, seconds: float) -> Timestamp:
        """The instant ``seconds`` later, on both clocks."""
        return Timestamp(self.steady + seconds, self.wall + seconds)
