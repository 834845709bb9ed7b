"""What the metrics and the health of a running agent are made of, gathered in another thread than the agent's.

Everything that is read is a value that the agent exchanges as a whole, so that no lock is needed; nothing is asked of
SQLite.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .. import __version__
from ..core.counters import Counters, LineCounters
from ..core.notices import Notice
from ..core.timestamps import Timestamp
from ..core.world import World
from ..errors import StoreError
from ..metrics.catalog import Observed, Process
from ..metrics.health import Check
from ..settings import EVIDENCE_TARGETS, Settings

# Seconds after which a decision that waits for nothing counts as hung.
STUCK = 10.0


class Watched(Protocol):
    """What is read of the agent."""

    world: World
    last_round: Timestamp | None
    internal_errors: int

    @property
    def trouble(self) -> StoreError | None: ...
    @property
    def in_force(self) -> bool: ...
    @property
    def deciding_since(self) -> float | None: ...


class Counting(Protocol):
    """What is read of the journal's thread."""

    idle_since: float | None

    @property
    def counted(self) -> tuple[Counters, LineCounters]: ...
    @property
    def commits(self) -> tuple[tuple[int, ...], float]: ...
    @property
    def unsent(self) -> tuple[Notice, ...]: ...
    def size(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Gauge:
    """Reads one agent. ``started`` and ``born`` (of the state file) are Unix seconds."""

    agent: Watched
    journal: Counting
    started: float
    born: float | None
    pings: Callable[[], tuple[int, int]] = lambda: (0, 0)  # of the heartbeat: delivered, and not

    def observe(self, loop_lag: float, settings: Settings) -> Observed:
        """All that the metrics are made of."""
        agent, (counters, lines), (commits, seconds) = self.agent, self.journal.counted, self.journal.commits
        process = Process(
            started=self.started,
            loop_lag=loop_lag,
            writable=agent.trouble is None,
            commits=commits,
            commit_seconds=seconds,
            internal_errors=agent.internal_errors,
            pings=self.pings(),
        )
        return Observed(
            version=__version__,
            world=agent.world,
            targets=name_targets(settings),
            journal_bytes=self.journal.size(),
            running=True,
            watched=True,
            counters=counters,
            lines=lines,
            heartbeat=None if agent.last_round is None else agent.last_round.wall,
            born=self.born or self.started,
            channels=tuple(settings.notify.channels),
            unsent=self.journal.unsent,
            process=process,
        )

    def alive(self, now: float) -> list[Check]:
        """What shows that decisions are made, beside a loop that turns. ``now``: the loop's time.

        A decision waits for the disk and for nothing else, however long: one that lasts while nothing is asked of the
        disk will never end.
        """
        began, idle = self.agent.deciding_since, self.journal.idle_since
        stuck = 0.0 if began is None or idle is None else now - max(began, idle)
        return [Check("decisions", f"a decision has been pending for {stuck:.0f} s" if stuck >= STUCK else None)]

    def ready(self) -> list[Check]:
        """What must hold for the agent to do its work, beside a loop that turns."""
        agent = self.agent
        return [
            Check("journal", None if agent.trouble is None else str(agent.trouble)),
            Check("configuration", None if agent.in_force else "the configuration is not in force yet"),
            Check("round", None if agent.last_round is not None else "no probe round has finished yet"),
        ]


def name_targets(settings: Settings) -> tuple[str, ...]:
    """The targets that are counted: those with a vote."""
    return tuple(target.name for target in settings.targets if not isinstance(target, EVIDENCE_TARGETS))
