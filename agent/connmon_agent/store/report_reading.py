"""What a report needs of the state file besides the rest: few of many events, and the rounds before an instant."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from ..core.timestamps import Timestamp
from ..core.world import World
from .layout import EVENT_COLUMNS, EventRow
from .reading import PAGE, Reader
from .records import AgentRow, Recorded
from .round_blocks import RecordedRound, unpack_rounds

# Outages are in the order of time, and so are their windows: a block is unpacked once where it serves several of them.
BLOCKS_KEPT = 4
BLIND = "blind"  # the cause of an outage that `after_gap: restart` made of a monitoring gap

# Every change of the link's state and note on it, of what is watched, and of how it is judged. In an outage that is a
# monitoring gap (`after_gap: restart`) every event: only they show since when the link was down, if it was.
_DECISIVE = f"""
    SELECT {EVENT_COLUMNS} FROM event WHERE seq > ? AND seq <= ? AND (
        kind IN ('AgentStarted', 'AgentStopped', 'Configured', 'WentBlind', 'MeteredSeen')
        OR instr(step, '"link"')
        OR outage IN (SELECT id FROM outage WHERE cause = ?)
    ) ORDER BY seq
"""
_SPAN = "SELECT min(seq), max(seq) FROM event WHERE seq > ? AND wall >= ? AND wall <= ?"


class ChainLink(NamedTuple):
    """One event as evidence: its number, when it was, and its SHA-256, which covers every event before it."""

    seq: int
    at: Timestamp
    hash: str


class ReportReader(Reader):
    """A Reader with the queries of a report. Every method raises StoreError where the file cannot be read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._block = lru_cache(maxsize=BLOCKS_KEPT)(self._read_block)

    def decisive(self) -> Iterator[Recorded]:
        """The events from which uptime, downtime and monitoring gaps follow, oldest first.

        Raises StoreError too where the agent removes the oldest of them while they are read.
        """
        first, end = self.segments().kept_after, self.newest()
        for after in range(first, end, PAGE):
            for row in self._rows(_DECISIVE, after, min(after + PAGE, end), BLIND):
                yield self._recorded(EventRow._make(row))
        self._require_kept(first + 1, first + 2)

    def beginning(self) -> tuple[Timestamp, World, AgentRow | None] | None:
        """Since when events are kept, with the world and the agent of then; None: since the first event of all.

        Raises Divergence: the checkpoint is not as it was written.
        """
        mark = self.segments().start
        if mark is None:
            return None
        body = self.checkpoint(mark)
        return mark.at, body.world, body.agent

    def instant_before(self, seq: int) -> Timestamp | None:
        """When the event before number ``seq`` was; None: there is none."""
        row = self._first("SELECT steady, wall FROM event WHERE seq = ?", seq - 1)
        return None if row is None else Timestamp(*row)

    def chain_ends(self, since: float, until: float) -> tuple[ChainLink, ChainLink] | None:
        """The first and the last event from ``since`` to ``until`` (Unix seconds, both included); None: none is."""
        span = self._first(_SPAN, self.segments().kept_after, since, until)
        if span is None or span[0] is None:
            return None
        query = "SELECT seq, steady, wall, hash FROM event WHERE seq IN (?, ?) ORDER BY seq"
        found = [ChainLink(seq, Timestamp(steady, wall), hash) for seq, steady, wall, hash in self._rows(query, *span)]
        return found[0], found[-1]

    def name(self) -> str:
        """The random name of the state file, by which two of them are told apart."""
        row = self._first("SELECT value FROM meta WHERE key = 'store'")
        return "" if row is None else str(row[0])

    def rounds_between(self, first: float, before: float) -> Iterator[RecordedRound]:
        """The logged rounds from ``first`` to before ``before`` (steady seconds), oldest first."""
        ids, starts, reached = self._blocks
        for place in range(bisect_left(reached, first), len(ids)):
            if starts[place] >= before:
                return
            yield from (one for one in self._block(ids[place]) if first <= one.at.steady < before)
        yield from (one for one in self._tail if first <= one.at.steady < before)

    @cached_property
    def _blocks(self) -> tuple[list[int], list[float], list[float]]:
        """Of each block its number, its first steady time, and the latest one up to and with it."""
        if not self._has("round_block"):
            return [], [], []
        rows = self._rows("SELECT id, first_steady, last_steady FROM round_block ORDER BY id")
        return [row[0] for row in rows], [row[1] for row in rows], list(accumulate((row[2] for row in rows), max))

    @cached_property
    def _tail(self) -> list[RecordedRound]:
        if not self._has("round_tail"):
            return []
        rows = self._rows("SELECT id, body FROM round_tail ORDER BY id")
        return [one for number, body in rows for one in self._unpacked(f"round {number} of the newest", body)]

    def _read_block(self, number: int) -> list[RecordedRound]:
        rows = self._rows("SELECT body FROM round_block WHERE id = ?", number)  # the writer may have removed it
        return [one for (body,) in rows for one in self._unpacked(f"block {number} of the rounds", body)]

    def _unpacked(self, what: str, body: bytes) -> list[RecordedRound]:
        found: list[RecordedRound] = self._decoded(what, unpack_rounds, body)
        return found
