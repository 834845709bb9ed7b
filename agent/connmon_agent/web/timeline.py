"""The timeline: link, services, ports, restarts and quality over any time, in an answer of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import groupby
from math import ceil
from pathlib import Path
from threading import Lock
from typing import Any

from msgspec import Raw

from ..core.counters import ASIDE
from ..core.demands import find_silence
from ..core.world import ForwardState, LinkState, ServiceState, World
from ..errors import NothingRecorded
from ..http_server import Refusal
from ..presence import find_agent
from ..store.checkpoints import Mark
from ..store.history_reading import Change, HistoryReader
from ..store.round_blocks import RecordedRound
from .answers import encode
from .marks import Marks
from .spans import GAP, NO_RECORD, Lane, count_spans
from .views import Document

SCHEMA = 1
LONGEST = 20 * 366 * 86_400.0  # seconds
SHORTEST = 1.0
FEWEST, USUAL, MOST = 20, 400, 1000  # buckets
LONGEST_ANSWER = 200_000  # bytes
LONG = 3 * 86_400.0  # seconds; so long a timeline takes a while to make, and is kept
KEPT = 30.0  # seconds
MOST_KEPT = 2  # besides the newest
MOST_OUTAGES = 300  # that are listed one by one
MOST_BLOCKS = 144  # of rounds that are unpacked: a day of them
MOST_POINTS = 300  # of the quality

LINK_STATES = ("ONLINE", "RECOVERING", "STARTING", "DEGRADED", "OFFLINE", GAP, NO_RECORD)
SERVICE_STATES = (
    "READY", "WAITING", "UNKNOWN", "RESTARTING", "VERIFYING", "BACKOFF", "GAVE_UP", GAP, NO_RECORD,
)  # fmt: skip
PORT_STATES = ("OPEN", "LISTENING", "CLOSED", "CONFLICT", GAP, NO_RECORD)
_LINK, _FORWARD = "link", "forward"


@dataclass(frozen=True, slots=True)
class TimelineWish:
    """From when to when, in Unix seconds, in how many buckets at most."""

    since: float
    until: float
    buckets: int

    @property
    def key(self) -> tuple[int, ...]:
        """What is the same for wishes that differ by less than can be seen."""
        return round(self.since / KEPT), round(self.until / KEPT), self.buckets

    @property
    def bucket(self) -> float:
        """Seconds a bucket."""
        return (self.until - self.since) / self.buckets


class TimelineView:
    """Makes timelines from the state file ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._making = Lock()
        self._known: dict[tuple[int, ...], tuple[float, Raw]] = {}

    def wish(self, since: float, until: float, buckets: int | None) -> TimelineWish:
        """What is asked for. Raises Refusal."""
        if not SHORTEST <= until - since <= LONGEST:
            message = "until must be after since, by at most 20 years"
            raise Refusal(HTTPStatus.BAD_REQUEST, f"{message} (got {since:.0f} to {until:.0f})")
        return TimelineWish(since, until, min(max(buckets or USUAL, FEWEST), MOST))

    def make(self, wish: TimelineWish, now: float) -> Document | Raw:
        """The timeline as JSON values. Raises StoreError; a file that is not there yet is one in which nothing is.

        One is made at a time, and whoever asks for the same long one soon after gets the same.
        """
        with self._making:
            known = self._known.get(wish.key)
            if known is not None and 0 <= now - known[0] < KEPT:
                return known[1]
            found = self._make(wish, now)
            if wish.until - wish.since < LONG:
                return found
            text = Raw(encode(found))
            self._known = {**dict(list(self._known.items())[-MOST_KEPT:]), wish.key: (now, text)}
            return text

    def _make(self, wish: TimelineWish, now: float) -> Document:
        try:
            with HistoryReader(self._path) as reader:
                return _Timeline(reader, wish, now, alive=find_agent(self._path.parent) is not None).make()
        except NothingRecorded:
            return _write(wish, now, seq=0, kept_since=None, tracks=[_empty(wish)], outages=(0, []))


class _Timeline:
    def __init__(self, reader: HistoryReader, wish: TimelineWish, now: float, *, alive: bool) -> None:
        self._reader, self._wish, self._now, self._alive = reader, wish, now, alive
        self._world = reader.world() or World(store="")
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._wall = float("-inf")  # of the newest change
        self._recorded = False
        self._marks = Marks(wish.since, wish.until, wish.bucket)

    def make(self) -> Document:
        reader, wish = self._reader, self._wish
        segments = reader.segments()
        mark = segments.find_at(wish.since) or segments.start
        after = 0 if mark is None else mark.seq
        kept_since = reader.kept_since(segments)
        self._begin(mark, None if mark is None else reader.checkpoint(mark).world)
        for change in reader.changes(after, wish.until):
            self._take(change)
        self._finish()
        sampled, points = self._measure()
        outages = reader.outage_bounds(wish.since, wish.until, MOST_OUTAGES)
        while True:
            tracks = [*self._write_lanes(), self._marks.write(), {
                "kind": "quality", "name": "quality", "sampled": sampled, "points": points,
            }]  # fmt: skip
            found = _write(
                wish, self._now, seq=reader.newest(), kept_since=kept_since, tracks=tracks, outages=outages,
                bucket=self._bucket,
            )  # fmt: skip
            size = len(encode(found))
            if size <= LONGEST_ANSWER:
                return found
            self._coarsen(size)

    @property
    def _bucket(self) -> float:
        return self._lanes[_LINK, _LINK].bucket

    def _lane(self, chart: str, name: str) -> Lane:
        """The lane of one thing, which is in its first state where it is new."""
        kind = chart if chart in (_LINK, _FORWARD) else "service"
        lane = self._lanes.get((kind, name))
        if lane is None:
            wish = self._wish
            states = {_LINK: LINK_STATES, _FORWARD: PORT_STATES}.get(kind, SERVICE_STATES)
            lane = self._lanes[kind, name] = Lane(states, wish.since, wish.until, wish.bucket)
            if self._recorded:
                lane.enter(_first_state(kind), self._wall, 0)
        return lane

    def _begin(self, mark: Mark | None, world: World | None) -> None:
        """Everything in the state in which the checkpoint has it; without one nothing was recorded yet."""
        self._lane(_LINK, _LINK)
        for plan in self._world.plan.services:
            self._lane("service", plan.name)
        for plan in self._world.plan.services:
            if plan.forward:
                self._lane(_FORWARD, plan.name)
        if mark is None or world is None:
            return
        self._recorded, self._wall = True, mark.at.wall
        self._lane(_LINK, _LINK).enter(world.link.state, self._wall, 0)
        for name, service in world.services.items():
            self._lane("service", name).enter(service.state, self._wall, 0)
        for name, forward in world.forwards.items():
            self._lane(_FORWARD, name).enter(forward.state, self._wall, 0)

    def _take(self, change: Change) -> None:
        if change.clock_step or change.wall < self._wall:
            for lane in self._lanes.values():
                lane.cut_back(change.wall)
        self._wall = change.wall
        if not self._recorded:
            self._recorded = True
            for (kind, _), lane in self._lanes.items():
                lane.enter(_first_state(kind), change.wall, change.seq)
        elif change.gap > 0:
            for lane in self._lanes.values():
                lane.interrupt(change.wall - change.gap, change.wall, change.seq)
        for entry in change.entries:
            self._lane(entry.chart, entry.instance).enter(entry.dest, change.wall, change.seq)
        for restart in change.restarts:
            if not restart.again:
                self._marks.add(change.wall, change.seq, restart.service, restart.token)
        for resolved in change.resolved:
            self._marks.resolve(resolved.token, resolved.outcome)

    def _finish(self) -> None:
        watched, seq = self._find_end(), self._reader.newest()
        now = max(self._now, watched)
        for lane in self._lanes.values():
            lane.finish(watched if self._recorded else now, now, seq)

    def _find_end(self) -> float:
        """Until when somebody has watched, in Unix seconds."""
        agent = self._reader.agent()
        if agent is None:
            return self._wall
        if self._alive and find_silence(self._world, agent.heartbeat, self._now) is None:
            return self._now
        return max(self._wall, (agent.stopped or agent.heartbeat).wall)

    def _coarsen(self, size: int) -> None:
        """Longer spans, so that the answer gets shorter; of far too many things not all are told."""
        before, window = count_spans(self._lanes.values()), self._wish.until - self._wish.since
        bucket = self._bucket * max(1.1, size / LONGEST_ANSWER)
        while bucket < 2 * window:
            self._marks.coarsen(bucket)
            for lane in self._lanes.values():
                lane.coarsen(bucket)
            if count_spans(self._lanes.values()) < before:
                return
            bucket *= 1.5
        for name in list(self._lanes)[: len(self._lanes) // 2 : -1]:
            del self._lanes[name]

    def _write_lanes(self) -> Iterator[Document]:
        for (kind, name), lane in self._lanes.items():
            shown = "port" if kind == _FORWARD else kind
            spans = Raw(encode(list(lane.write())))  # as text they take a fifth of the memory
            yield {"kind": shown, "name": name, "states": list(lane.states), "spans": spans}

    def _measure(self) -> tuple[bool, list[list[Any]]]:
        wish = self._wish
        width = max(wish.bucket, (wish.until - wish.since) / MOST_POINTS)
        complete, rounds = self._reader.some_rounds(wish.since, wish.until, MOST_BLOCKS)
        return not complete, list(_average(rounds, wish.since, width))


def _first_state(kind: str) -> str:
    if kind == _LINK:
        return LinkState.STARTING
    return ForwardState.CLOSED if kind == _FORWARD else ServiceState.UNKNOWN


def _average(rounds: Iterable[RecordedRound], since: float, width: float) -> Iterator[list[Any]]:
    """The quality of each bucket: its middle, the share of probes that failed, median and p95 of the others."""
    for place, some in groupby(rounds, key=lambda round: int((round.at.wall - since) // width)):
        results = [result for round in some for result in round.results if result.kind not in ASIDE]
        if not results:
            continue
        times = sorted(result.latency_ms for result in results if result.ok and result.latency_ms is not None)
        loss = round(sum(not result.ok for result in results) / len(results), 3)
        figures = [round(times[ceil(share * len(times)) - 1], 1) for share in (0.5, 0.95)] if times else [None, None]
        yield [round((place + 0.5) * width), loss, *figures]


def _write(
    wish: TimelineWish,
    now: float,
    *,
    seq: int,
    kept_since: float | None,
    tracks: list[Document],
    outages: tuple[int, list[tuple[Any, ...]]],
    bucket: float | None = None,
) -> Document:
    count, rows = outages
    spans = [[row[0], *(None if at is None else round(at - wish.since, 1) for at in row[1:])] for row in rows]
    return {
        "schema": SCHEMA,
        "since": round(wish.since, 3),
        "until": round(wish.until, 3),
        "now": round(now, 3),
        "seq": seq,
        "kept_since": kept_since,
        "bucket": round(wish.bucket if bucket is None else bucket, 3),
        "tracks": tracks,
        "outages": {"count": count, "spans": spans if count <= MOST_OUTAGES else None},
    }


def _empty(wish: TimelineWish) -> Document:
    spans = [[0, round(wish.until - wish.since, 1), LINK_STATES.index(NO_RECORD), 0]]
    return {"kind": _LINK, "name": _LINK, "states": list(LINK_STATES), "spans": spans}
