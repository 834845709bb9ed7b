"""What a timeline needs of the state file: which state everything entered when, of many events, in little time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from ..core.events import AgentStarted, MonitoringGapEnded
from ..core.link.monitoring_gaps import is_monitoring_gap
from .checkpoints import Segments
from .layout import EVENT_COLUMNS, EVENTS, EventRow
from .reading import Reader, read_outage
from .records import OutageRow, Recorded
from .round_blocks import RecordedRound, unpack_rounds

LITTLE = 100  # events a query: in this process memory is scarce
_NO_MORE = 2**63 - 1  # SQLite's largest integer

# Only the state that was entered: of a whole step, decoding takes ten times as long.
_TELLING = """
    SELECT seq, steady, wall, kind, step, CASE WHEN kind IN ('AgentStarted', 'WentBlind') THEN body END
    FROM event WHERE seq > ? AND seq <= ? AND
    (instr(step, '"dest"') OR instr(step, '"resolutions":[{') OR kind IN ('AgentStarted', 'WentBlind')) ORDER BY seq
"""


class Entry(msgspec.Struct):
    """A state that an instance of a chart (link, service, forward) entered."""

    chart: str
    instance: str
    dest: str


class Restarted(msgspec.Struct):
    """A restart that was decided. ``again``: the request was sent once more."""

    service: str
    token: str
    again: bool = False


class Resolved(msgspec.Struct):
    """What became of a restart, or of an order to listen."""

    token: str
    outcome: str


class _BriefStep(msgspec.Struct):
    transitions: list[Entry] = []
    effects: list[Restarted] = []
    resolutions: list[Resolved] = []


class Change(NamedTuple):
    """What one event changed. ``gap`` is how many seconds before it nobody watched (0: somebody did)."""

    seq: int
    wall: float
    entries: list[Entry]
    restarts: list[Restarted]
    resolved: list[Resolved]
    gap: float = 0.0
    clock_step: bool = False  # the wall clock was set


# What has something to tell: a transition, a restart, a note, a refused order, or a kind that always has.
_TOLD = """
    (instr(step, '"dest"') OR instr(step, '"effects":[{') OR instr(step, '"notes":[[') OR instr(step, '"refusal":"')
     OR kind IN ('AgentStarted', 'AgentStopped', 'Ordered', 'WentBlind'))
"""


class HistoryReader(Reader):
    """A Reader with the queries of a timeline. Every method raises StoreError where the file cannot be read."""

    def changes(self, after: int, until: float) -> Iterator[Change]:
        """What changed after event ``after``, oldest first, up to ``until`` (Unix seconds)."""
        decode, newest = msgspec.json.Decoder(_BriefStep).decode, self.newest()
        for first in range(after, newest, LITTLE):
            rows = self._rows(_TELLING, first, min(first + LITTLE, newest))
            for row in rows:
                yield self._change(row, decode)
            if rows and rows[0][2] > until:
                return

    def _change(self, row: tuple[Any, ...], decode: Any) -> Change:
        seq, steady, wall, _, step, body = row
        brief: _BriefStep = self._decoded(f"event {seq}", decode, step)
        told = seq, wall, brief.transitions, brief.effects, brief.resolutions
        if body is None:
            return Change(*told)
        event = self._decoded(f"event {seq}", EVENTS.from_text, body)
        if isinstance(event, AgentStarted):
            # By the wall clock, as all of a timeline: another boot has another steady clock.
            gap = 0.0 if event.heartbeat is None else wall - event.heartbeat.wall
            return Change(*told, max(0.0, gap))
        assert isinstance(event, MonitoringGapEnded)
        if event.since.steady >= event.at.steady:
            return Change(*told, clock_step=True)
        return Change(*told, steady - event.since.steady if is_monitoring_gap(event) else 0.0)

    def told(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        outage: int | None = None,
        instance: str | None = None,
        before: int | None = None,
        after: int = 0,
        limit: int,
    ) -> list[Recorded]:
        """The newest ``limit`` events that have something to tell, newest first; None: no bound.

        ``since`` and ``until`` in Unix seconds, ``before`` and ``after`` numbers of events. ``instance`` is what a
        transition or note is about: ``link``, or a service's name.
        """
        low = float("-inf") if since is None else since
        high = float("inf") if until is None else until
        spans = list(self.segments().find_spans(low, high))
        first, last = max(spans[0][0], after), spans[-1][1]
        end = min(self.newest() if last is None else last, _NO_MORE if before is None else before - 1)
        query = f"SELECT {EVENT_COLUMNS} FROM event WHERE seq > ? AND seq <= ?"
        values: list[object] = [first, end, low, high]
        query += f" AND wall >= ? AND wall <= ? AND {_TOLD}"
        if outage is not None:
            opened, closed = self._span(outage)
            query, values = f"{query} AND seq >= ? AND seq <= ?", [*values, opened, closed]
        if instance is not None:
            name = msgspec.json.encode(instance).decode()
            query += " AND (instr(step, ?) OR instr(step, ?) OR instr(step, ?))"
            values += [f'"instance":{name}', f'"service":{name}', f"[{name},"]
        rows = self._rows(f"{query} ORDER BY seq DESC LIMIT ?", *values, limit)
        return [self._recorded(EventRow._make(row)) for row in rows]

    def outage_page(self, before: int | None, limit: int) -> tuple[int, list[OutageRow]]:
        """How many outages there are, and those before number ``before`` (None: all), newest first, up to ``limit``."""
        row = self._first("SELECT count(*) FROM outage")
        query = f"{self._outages_query()} WHERE id < ? ORDER BY id DESC LIMIT ?"
        rows = self._rows(query, _NO_MORE if before is None else before, limit)
        return (0 if row is None else int(row[0])), [read_outage(one) for one in rows]

    def outage_bounds(self, since: float, until: float, most: int) -> tuple[int, list[tuple[Any, ...]]]:
        """How many outages touch this time, and id, start, back and end (Unix seconds, None: not yet) of ``most``."""
        within = "FROM outage WHERE started_wall <= ? AND coalesce(ended_wall, 1e12) >= ?"
        row = self._first(f"SELECT count(*) {within}", until, since)
        query = f"SELECT id, started_wall, back_wall, ended_wall {within} ORDER BY id LIMIT ?"
        return (0 if row is None else int(row[0])), self._rows(query, until, since, most)

    def kept_since(self, segments: Segments) -> float | None:
        """When the oldest event that is kept was, in Unix seconds; None: there is none."""
        return self.born() if segments.start is None else segments.start.at.wall

    def some_rounds(self, since: float, until: float, most: int) -> tuple[bool, Iterator[RecordedRound]]:
        """Whether all rounds of this time were taken, and the rounds: of at most ``most`` blocks, evenly chosen."""
        if not self._has("round_block"):
            return True, iter(())
        query = "SELECT id FROM round_block WHERE latest_wall >= ? AND earliest_wall <= ? ORDER BY id"
        ids = [row[0] for row in self._rows(query, since, until)]
        chosen = ids if len(ids) <= most else [ids[place * len(ids) // most] for place in range(most)]
        return len(chosen) == len(ids), self._read_rounds(chosen, since, until)

    def _read_rounds(self, blocks: list[int], since: float, until: float) -> Iterator[RecordedRound]:
        for number in blocks:
            for (body,) in self._rows("SELECT body FROM round_block WHERE id = ?", number):
                yield from self._within(body, since, until)
        for (body,) in self._rows("SELECT body FROM round_tail ORDER BY id"):
            yield from self._within(body, since, until)

    def _within(self, body: bytes, since: float, until: float) -> Iterator[RecordedRound]:
        rounds: list[RecordedRound] = self._decoded("the round log", unpack_rounds, body)
        return (round for round in rounds if since <= round.at.wall <= until)
