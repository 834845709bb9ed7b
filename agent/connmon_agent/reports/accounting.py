"""The sums of a report. Every interval is a whole number of milliseconds, and anyone who adds them up gets the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import NamedTuple

from ..core.observations import ProbeResult
from ..core.plan import LinkPlan
from ..core.timestamps import Timestamp
from ..store.records import OutageRow
from ..store.report_reading import BLIND, ChainLink
from ..wall_times import in_zone, seconds_of
from .timeline import ClockStep, Kind, Span, Timeline, Why

Month = tuple[int, int]  # year and month


class Before(NamedTuple):
    """The link's quality before an outage: share of lost probes (0 to 1), latencies of the answers (None: none came),
    and how many rounds tell so.
    """

    loss: float
    median_ms: float | None
    p95_ms: float | None
    rounds: int


class Part(NamedTuple):
    """One interval within the period. ``start`` and ``end`` are Unix seconds; their difference is another one than
    ``ms``, the milliseconds by the clock that is never set, where the wall clock was.
    """

    start: float
    end: float
    ms: int


class Gap(NamedTuple):
    """One monitoring gap within the period."""

    part: Part
    why: Why


@dataclass(frozen=True, slots=True)
class ReportedOutage:
    """One outage, as far as it lies in the period.

    ``parts`` are the times in which the link was down: more than one where it relapsed, or where a monitoring gap lies
    in between. ``began_before``: it began before the period, at ``started``. ``ended`` may be after the period; None:
    no good round has ended it, and it is ``ongoing``, or a monitoring gap follows to the end. ``gap_ms`` of monitoring
    gaps lie in it. ``found`` is what the round that opened it found (empty: not known).
    """

    row: OutageRow
    parts: tuple[Part, ...]
    started: Timestamp
    ended: Timestamp | None
    began_before: bool
    ongoing: bool
    gap_ms: int
    found: tuple[ProbeResult, ...]

    @property
    def id(self) -> int:
        """Its number, as `history` shows it."""
        return self.row.id

    @property
    def down_ms(self) -> int:
        """Milliseconds of downtime within the period."""
        return sum(part.ms for part in self.parts)


class Sums(NamedTuple):
    """Milliseconds by what they count as; ``up`` includes ``degraded``."""

    up: int = 0
    degraded: int = 0
    down: int = 0
    gap: int = 0
    outages: int = 0  # that began then

    @property
    def monitored(self) -> int:
        """Milliseconds with a verdict."""
        return self.up + self.down

    @property
    def total(self) -> int:
        return self.monitored + self.gap

    @property
    def availability(self) -> float | None:
        """Uptime as a share of the monitored time (0 to 1); None: none of the time was monitored."""
        return self.up / self.monitored if self.monitored else None


@dataclass(frozen=True, slots=True)
class Period:
    """What is reported on: from ``since`` to ``until`` (Unix seconds), with local times in ``zone`` (None: the
    machine's), which is called ``zone_name``.
    """

    since: float
    until: float
    zone: tzinfo | None
    zone_name: str


@dataclass(frozen=True, slots=True)
class Report:
    """All that a report says, in no language. ``before`` has the quality before those outages that are listed.

    ``ordered`` counts recoveries that an operator ordered without an outage. ``ends``: the first and the last event of
    the period (None: there is none). ``plan_changes`` counts how often the thresholds changed in the period.
    """

    period: Period
    generated: float
    title: str
    version: str
    store: str
    sums: Sums
    months: Mapping[Month, Sums]
    outages: Sequence[ReportedOutage]
    gaps: Sequence[Gap]
    steps: Sequence[ClockStep]
    plan: LinkPlan
    plan_changes: int
    ordered: int
    ends: tuple[ChainLink, ChainLink] | None
    before: Mapping[int, Before] = field(default_factory=dict)

    def causes(self) -> list[tuple[str, int, int]]:
        """Each cause with its outages and its milliseconds of downtime, the longest first."""
        often, long = Counter[str](), Counter[str]()
        for outage in self.outages:
            often[outage.row.cause] += 1
            long[outage.row.cause] += outage.down_ms
        return [(cause, often[cause], ms) for cause, ms in sorted(long.items(), key=lambda item: (-item[1], item[0]))]


def clip(spans: Iterable[Span], period: Period) -> list[Span]:
    """The parts of ``spans`` within the period, by the wall clock of each."""
    found = []
    for span in spans:
        early = max(0.0, period.since - span.start.wall)
        late = max(0.0, span.start.wall + span.seconds - period.until)
        if early + late < span.seconds:
            start, end = span.start.plus(early), span.start.plus(span.seconds - late)
            found.append(Span(span.kind, start, end, span.outage, span.why))
    return found


def part_of(span: Span) -> Part:
    """The span in milliseconds: of a sequence of spans without a break, their sum is that of the whole."""
    return Part(span.start.wall, span.end.wall, _milliseconds(span.end) - _milliseconds(span.start))


def _milliseconds(at: Timestamp) -> int:
    return round(at.steady * 1000)


def collect_outages(timeline: Timeline, clipped: Sequence[Span], rows: Mapping[int, OutageRow]) -> list[ReportedOutage]:
    """The outages that lie in the period at least in part, in the order of their beginning."""
    whole: dict[int, tuple[Timestamp, Timestamp]] = {}
    for span in timeline.spans:
        if span.outage is not None:
            whole[span.outage] = whole.get(span.outage, (span.start, span.end))[0], span.end
    verdicts = [span for span in timeline.spans if span.kind is not Kind.GAP]
    open_one = verdicts[-1].outage if verdicts else None  # no verdict has ended it
    places: dict[int, list[int]] = {}
    for place, span in enumerate(clipped):
        if span.outage is not None:
            places.setdefault(span.outage, []).append(place)
    found = []
    for number, some in places.items():
        started, ended = whole[number]
        if rows[number].cause != BLIND:
            started = min(started, rows[number].started)  # where the journal begins in the middle of it
        between = clipped[some[0] : some[-1] + 1]
        found.append(
            ReportedOutage(
                row=rows[number],
                parts=tuple(part_of(clipped[place]) for place in some),
                started=started,
                ended=None if number == open_one else ended,
                began_before=started.steady < clipped[some[0]].start.steady,
                ongoing=number == open_one and timeline.spans[-1].kind is not Kind.GAP,
                gap_ms=sum(part_of(span).ms for span in between if span.kind is Kind.GAP),
                found=timeline.opened.get(number, ()),
            )
        )
    return found


def add_up(clipped: Iterable[Span], outages: Iterable[ReportedOutage], zone: tzinfo | None) -> dict[Month, Sums]:
    """The sums of each month in local time."""
    months: dict[Month, Counter[str]] = {}
    for span in clipped:
        for month, ms in split_by_month(part_of(span), zone):
            months.setdefault(month, Counter())[span.kind] += ms
    for outage in outages:
        if not outage.began_before:
            months[_month_of(outage.parts[0].start, zone)]["outages"] += 1
    return {month: _sums_of(counts) for month, counts in sorted(months.items())}


def _sums_of(counts: Counter[str]) -> Sums:
    degraded = counts[Kind.DEGRADED]
    return Sums(counts[Kind.UP] + degraded, degraded, counts[Kind.DOWN], counts[Kind.GAP], counts["outages"])


def total_of(months: Iterable[Sums]) -> Sums:
    """The sums of all months together."""
    return Sums(*map(sum, zip(Sums(), *months, strict=True)))


def split_by_month(part: Part, zone: tzinfo | None) -> Iterator[tuple[Month, int]]:
    """The part's milliseconds by month in local time."""
    start, left = part.start, part.ms
    month = _month_of(start, zone)
    while left > 0 and (turn := _begin_of_next(month, zone)) < part.end:
        ms = min(left, max(0, round((turn - start) * 1000)))
        yield month, ms
        start, left, month = turn, left - ms, _next(month)
    yield month, left


def _month_of(wall: float, zone: tzinfo | None) -> Month:
    local = in_zone(wall, zone)
    return local.year, local.month


def _next(month: Month) -> Month:
    year, number = month
    return (year + 1, 1) if number == 12 else (year, number + 1)


def _begin_of_next(month: Month, zone: tzinfo | None) -> float:
    year, number = _next(month)
    return float("inf") if year > 9999 else seconds_of(datetime(year, number, 1), zone)  # noqa: DTZ001 - local


def find_offset_changes(period: Period) -> list[tuple[float, float, float]]:
    """Where the offset to UTC changes in the period, to the second: Unix seconds, seconds before and after."""
    day, found = 86400.0, []
    at, before = period.since, offset_of(period.since, period.zone)
    while at < period.until:
        following = min(at + day, period.until)
        after = offset_of(following, period.zone)
        if after != before:
            found.append((_find_turn(at, following, before, period.zone), before, after))
        at, before = following, after
    return found


def _find_turn(low: float, high: float, before: float, zone: tzinfo | None) -> float:
    first, last = int(low), int(high)
    while last - first > 1:
        middle = (first + last) // 2
        first, last = (middle, last) if offset_of(middle, zone) == before else (first, middle)
    return float(last)


def offset_of(wall: float, zone: tzinfo | None) -> float:
    """Seconds by which local time is ahead of UTC then."""
    offset = in_zone(wall, zone).utcoffset()
    return 0.0 if offset is None else offset.total_seconds()
