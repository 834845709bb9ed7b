"""The recorded history as intervals: link up, degraded or down, and times that count as neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from msgspec import UNSET, UnsetType

from ..core.events import AgentStarted, Configured, MeteredSeen, MonitoringGapEnded, RoundFinished
from ..core.link.causes import Background, count_votes
from ..core.link.monitoring_gaps import is_monitoring_gap, longest_silence
from ..core.link.round_counts import RoundCounts
from ..core.observations import ProbeResult
from ..core.plan import LinkPlan
from ..core.steps import Transition
from ..core.timestamps import Timestamp
from ..core.world import BEGINNING, LinkState, World
from ..store.records import AgentRow, OutageRow, Recorded
from ..store.report_reading import BLIND, ReportReader


class Kind(StrEnum):
    """What an interval counts as."""

    UP = "up"
    DEGRADED = "degraded"  # slow, lossy or doubtful: uptime
    DOWN = "down"
    GAP = "gap"  # not monitored, or without a verdict: neither uptime nor downtime


class Why(StrEnum):
    """Why an interval is a monitoring gap."""

    NO_RECORD = "no-record"  # before the first event, or of a time whose events were removed
    NOT_RUNNING = "not-running"
    REBOOTED = "machine-restarted"  # how long it was off is by its clock alone
    SUSPENDED = "suspended"  # the machine slept, or the process stood still
    NO_VERDICT = "no-verdict"  # too few rounds since a start, or no target could be probed


@dataclass(frozen=True, slots=True)
class Span:
    """One interval. ``outage`` is the number of the outage that a DOWN one is part of, ``why`` the reason of a GAP."""

    kind: Kind
    start: Timestamp
    end: Timestamp
    outage: int | None = None
    why: Why | None = None

    @property
    def seconds(self) -> float:
        """How long it was by the clock that is never set."""
        return self.end.steady - self.start.steady


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The wall clock was set at ``at``, by so many seconds (negative: back)."""

    at: Timestamp
    seconds: float


@dataclass(slots=True)
class Timeline:
    """The intervals, without a break and in order, and what was found beside them.

    ``opened`` maps an outage's number to what the round that opened it found. ``changes`` are the thresholds that came
    into force, each with its wall time.
    """

    spans: list[Span] = field(default_factory=list)
    steps: list[ClockStep] = field(default_factory=list)
    opened: dict[int, tuple[ProbeResult, ...]] = field(default_factory=dict)
    changes: list[tuple[float, LinkPlan]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Now:
    """The interval that is open."""

    kind: Kind
    since: Timestamp
    outage: int | None = None
    why: Why | None = None


_KINDS: dict[str, Kind] = {
    LinkState.ONLINE: Kind.UP,
    LinkState.RECOVERING: Kind.UP,
    LinkState.DEGRADED: Kind.DEGRADED,
    LinkState.OFFLINE: Kind.DOWN,
}


def read_timeline(reader: ReportReader, outages: Mapping[int, OutageRow], *, until: float) -> Timeline:
    """The intervals from the first event that is kept to ``until`` (Unix seconds), or to the last record where that is
    later. ``outages`` are all, by their number. Raises StoreError.
    """
    builder = _Builder(outages, reader.instant_before)
    beginning = reader.beginning()
    if beginning is not None:
        builder.begin(*beginning)
    for row in reader.decisive():
        builder.add(row)
    builder.finish(reader.agent(), reader.world(), until)
    return builder.timeline


class _Builder:
    def __init__(self, outages: Mapping[int, OutageRow], instant_before: Callable[[int], Timestamp | None]) -> None:
        self.timeline = Timeline()
        self._outages = outages
        self._instant_before = instant_before
        self._now: _Now | None = None
        self._bad_since: Timestamp | None = None  # the first of the newest bad rounds; None: the newest was good
        self._plan = LinkPlan()
        self._metered: bool | None = None
        self._boot = ""
        self._pid = 0
        self._latest = self._floor = BEGINNING

    def begin(self, at: Timestamp, world: World, agent: AgentRow | None) -> None:
        """Begin in the middle: with the state that a checkpoint holds."""
        kind, outage = _KINDS.get(world.link.state), None
        if world.outage is not None:
            self.timeline.opened[world.outage.id] = ()  # what comes of it now is a relapse
        if kind is Kind.DOWN and world.outage is not None:
            outage = world.outage.id
            kind = None if world.outage.cause == BLIND and not world.link.bad else kind
        self._now = _Now(Kind.GAP, at, outage, Why.NO_VERDICT) if kind is None else _Now(kind, at, outage)
        self._plan, self._metered, self._boot = world.plan.link, world.link.metered, world.boot
        self.timeline.changes.append((at.wall, self._plan))
        self._pid = agent.pid if agent is not None else 0
        self._latest = at

    def add(self, row: Recorded) -> None:
        """One more event."""
        if self._now is None:
            self._now = _Now(Kind.GAP, row.at, why=Why.NO_VERDICT)
        match row.event:
            case AgentStarted():
                self._note_start(row, row.event)
            case MonitoringGapEnded():
                self._note_gap(row.event)
            case Configured(plan=plan):
                self._note_plan(row, plan.link)
            case MeteredSeen(metered=metered):
                self._metered = metered
            case RoundFinished(results=results):
                self._note_verdict(row, results)
                if self._bad_since is not None:
                    self._go_down_since(row.at, results)
        self._note_failure(row.event.counts)
        for transition in row.transitions:
            if transition.chart == "link" and transition.instance == "link":
                self._follow(row, transition)
        self._latest = row.at

    def finish(self, agent: AgentRow | None, world: World | None, until: float) -> None:
        """Close the last interval where the record ends; what is missing up to ``until`` is a gap."""
        if self._now is None:
            return
        if world is not None:
            self._go_down_since(world.link.first_failure)
        end, stopped = self._latest, False
        if agent is not None:
            stopped = agent.stopped is not None
            end = max(end, agent.stopped or agent.heartbeat)
        missing = until - end.wall
        if missing > 0 and not stopped and missing <= self._silence():
            end = end.plus(missing)
        self._close(end)
        if missing > 0 and end.wall < until:
            self._append(Span(Kind.GAP, end, end.plus(missing), why=Why.NOT_RUNNING))

    def _note_start(self, row: Recorded, event: AgentStarted) -> None:
        rebooted = self._boot not in ("", event.boot_id)
        since = event.heartbeat
        if since is None and self._pid not in (0, event.pid):  # an older agent did not record it
            since = self._instant_before(row.seq)
        self._boot, self._pid = event.boot_id, event.pid
        if since is not None and (rebooted or row.at.steady - since.steady > self._silence()):
            self._insert_gap(since, row.at, Why.REBOOTED if rebooted else Why.NOT_RUNNING)

    def _note_gap(self, event: MonitoringGapEnded) -> None:
        if event.since.steady < event.at.steady:
            if is_monitoring_gap(event):
                self._insert_gap(event.since, event.at, Why.SUSPENDED)
            return
        self.timeline.steps.append(ClockStep(event.at, event.at.wall - event.since.wall))
        now = self._close(event.since)
        self._now = replace(now, since=event.at)

    def _note_plan(self, row: Recorded, plan: LinkPlan) -> None:
        if plan != self._plan or not self.timeline.changes:
            self.timeline.changes.append((row.at.wall, plan))
        self._plan = plan

    def _note_failure(self, counts: RoundCounts | UnsetType) -> None:
        """The first bad round after an outage that began as a monitoring gap, for which the agent wrote no event."""
        if counts is not UNSET and counts.first_failure is not UNSET:
            self._go_down_since(counts.first_failure)

    def _go_down_since(self, at: Timestamp | None, results: tuple[ProbeResult, ...] = ()) -> None:
        """After an outage that began as a monitoring gap: from here on the link is known to be down."""
        now = self._now
        if at is None or now is None or now.why is not Why.NO_VERDICT or now.outage is None:
            return
        if at.steady >= now.since.steady:
            self.timeline.opened.setdefault(now.outage, results)
            self._enter(_Now(Kind.DOWN, at, outage=now.outage))

    def _follow(self, row: Recorded, transition: Transition) -> None:
        kind = _KINDS.get(transition.dest)  # None: STARTING, or a state that only another chart has
        if kind is None or transition.trigger == "round_inconclusive":
            self._enter(_Now(Kind.GAP, row.at, why=Why.NO_VERDICT))
        elif kind is not Kind.DOWN:
            self._enter(_Now(kind, row.at))
        elif transition.source != transition.dest:
            self._go_down(row, transition)

    def _go_down(self, row: Recorded, transition: Transition) -> None:
        """An outage and a relapse of it are dated back to their first bad round."""
        outage = row.outage
        known = None if outage is None else self._outages.get(outage)
        if known is None:  # begun since the outages were read
            self._enter(_Now(Kind.GAP, row.at, why=Why.NO_VERDICT))
            return
        if transition.trigger == "monitoring_gap_ended":  # by `after_gap: restart`; no round has shown it yet
            self._enter(_Now(Kind.GAP, row.at, outage=outage, why=Why.NO_VERDICT))
            return
        first, now = self._bad_since, self._now
        start = row.at if first is None or now is None or first < now.since else first
        if outage not in self.timeline.opened:
            start = max(min(start, known.started), self._floor)
            self.timeline.opened[known.id] = row.event.results if isinstance(row.event, RoundFinished) else ()
        self._enter(_Now(Kind.DOWN, start, outage=outage))

    def _note_verdict(self, row: Recorded, results: tuple[ProbeResult, ...]) -> None:
        """Since when rounds are bad: this one tells it, or is the first, or goes on what an earlier one began."""
        votes = count_votes(results, Background(self._plan.quorum))
        told = row.event.counts.first_failure if row.event.counts is not UNSET else UNSET
        if votes.answered >= votes.needed:
            self._bad_since = None
        elif isinstance(told, Timestamp):
            self._bad_since = told
        elif self._bad_since is None:
            self._bad_since = row.at

    def _enter(self, now: _Now) -> None:
        self._close(now.since)
        self._now = now

    def _insert_gap(self, since: Timestamp, until: Timestamp, why: Why) -> None:
        """What was seen before it goes on after it, until a round says otherwise."""
        self._bad_since = None
        since = max(since, self._floor)  # a part of it may be recorded already
        now = self._close(since)
        self._append(Span(Kind.GAP, since, until, why=why))
        self._now, self._floor = replace(now, since=until), until

    def _close(self, at: Timestamp) -> _Now:
        """End the open interval at ``at``, and take back what was recorded after it."""
        now, spans = self._now, self.timeline.spans
        assert now is not None
        if at.steady > now.since.steady:
            self._append(Span(now.kind, now.since, at, now.outage, now.why))
            return now
        while spans and spans[-1].end.steady > at.steady:
            last = spans.pop()
            if last.start.steady < at.steady:
                self._append(replace(last, end=last.start.plus(at.steady - last.start.steady)))
        return now

    def _append(self, span: Span) -> None:
        """One more interval, as a part of the one before where nothing but the state's name changed."""
        spans = self.timeline.spans
        span = span if span.kind is Kind.DOWN else replace(span, outage=None)
        if span.end.steady <= span.start.steady:
            return
        if spans and _is_continued(spans[-1], span):
            spans[-1] = replace(spans[-1], end=span.end)
        else:
            spans.append(span)

    def _silence(self) -> float:
        metered = self._plan.metered if self._plan.metered is not None else bool(self._metered)
        return longest_silence(self._plan, metered=metered)


def _is_continued(span: Span, after: Span) -> bool:
    same = (span.kind, span.outage, span.why) == (after.kind, after.outage, after.why)
    return same and span.end == after.start  # the same instant by both clocks: none was set in between
