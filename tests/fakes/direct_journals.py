"""The real journal on virtual time: a thread of its own would take none of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import UNSET, UnsetType

from connmon_agent.core.events import Event
from connmon_agent.core.link.round_counts import RoundCounts
from connmon_agent.core.notices import Notice
from connmon_agent.core.observations import InternalErrors, LineUsage, LogLoss, MeasuredQuality, ProbeResult, Traffic
from connmon_agent.core.steps import Step
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import World
from connmon_agent.store.journal import SqliteJournal


class DirectJournal:
    """The port Journal, whose calls are done at once."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    @property
    def damage(self) -> str | None:
        return self._journal.damage

    @property
    def set_aside(self) -> Path | None:
        return self._journal.set_aside

    def load(self) -> World:
        return self._journal.load()

    async def commit(self, event: Event, step: Step) -> int:
        return self._journal.commit(event, step)

    async def note_round(
        self,
        at: Timestamp,
        results: Sequence[ProbeResult],
        measured_quality: MeasuredQuality | None = None,
        usage: LineUsage | None = None,
        probed: Sequence[ProbeResult] = (),
        counts: RoundCounts | UnsetType = UNSET,
    ) -> None:
        self._journal.note_round(at, results, measured_quality, usage, probed, counts)

    async def note_traffic(self, at: Timestamp, traffic: Sequence[Traffic]) -> None:
        self._journal.note_traffic(at, traffic)

    async def note_errors(self, errors: InternalErrors) -> None:
        self._journal.note_errors(errors)

    async def note_log_loss(self, loss: LogLoss) -> None:
        self._journal.note_log_loss(loss)

    @property
    def unsent(self) -> tuple[Notice, ...]:
        return self._journal.unsent

    async def note_attempt(self, notice: Notice) -> bool:
        return self._journal.note_attempt(notice)

    async def last_sign_of_life(self) -> Timestamp | None:
        return self._journal.last_sign_of_life()

    async def reopen(self) -> World:
        return self._journal.reopen()
