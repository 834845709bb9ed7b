"""A report from a state file. Only reads; the file may be a copy, read-only, or of an agent that died."""

from __future__ import annotations

from collections.abc import Iterable

from .. import __version__
from ..core.link.causes import LAYERS
from ..core.link.quality import measure, sample
from ..core.plan import LinkPlan, QualityPlan
from ..errors import ConnmonError
from ..store.records import OutageRow
from ..store.report_reading import ReportReader
from .accounting import Before, Gap, Period, Report, ReportedOutage, add_up, clip, collect_outages, part_of, total_of
from .timeline import Kind, Span, Timeline, Why, read_timeline

WINDOW = 600.0  # seconds before an outage over which its loss and latency are measured


def make_report(reader: ReportReader, period: Period, *, generated: float, title: str) -> Report:
    """The report on ``period``, without the quality before its outages. Raises StoreError."""
    rows = {row.id: row for row in reader.outages()}
    timeline = read_timeline(reader, rows, until=period.until)
    spans = clip(_with_what_is_missing(timeline, period), period)
    outages = collect_outages(timeline, spans, rows)
    months = add_up(spans, outages, period.zone)
    plan, changes = _thresholds(timeline, period)
    return Report(
        period=period,
        generated=generated,
        title=title,
        version=__version__,
        store=reader.name(),
        sums=total_of(months.values()),
        months=months,
        outages=outages,
        gaps=[Gap(part_of(span), span.why) for span in spans if span.why is not None],
        steps=[step for step in timeline.steps if period.since <= step.at.wall <= period.until],
        plan=plan,
        plan_changes=changes,
        ordered=sum(_was_ordered(row, period) for row in rows.values()),
        ends=reader.chain_ends(period.since, period.until),
    )


def measure_before(reader: ReportReader, report: Report, outages: Iterable[ReportedOutage]) -> dict[int, Before]:
    """Loss and latency in the ``WINDOW`` before each outage, where the round log covers it. Raises StoreError."""
    found = {outage.id: _measure(reader, outage.started.steady, report.plan) for outage in outages}
    return {number: before for number, before in found.items() if before is not None}


def _measure(reader: ReportReader, steady: float, plan: LinkPlan) -> Before | None:
    rounds = list(reader.rounds_between(steady - WINDOW, steady))
    samples = [one for round in rounds for one in sample(round.results, now=round.at.steady, kinds=LAYERS)]
    measured_quality = measure(samples, QualityPlan(window=WINDOW), quorum=plan.quorum, few_are_enough=True)
    return (
        None
        if measured_quality is None
        else Before(measured_quality.loss, measured_quality.median_ms, measured_quality.p95_ms, len(rounds))
    )


def _with_what_is_missing(timeline: Timeline, period: Period) -> list[Span]:
    """The intervals, with the time before the first record."""
    if not timeline.spans:
        return []
    first = timeline.spans[0].start
    missing = first.wall - period.since
    if missing <= 0:
        return timeline.spans
    return [Span(Kind.GAP, first.plus(-missing), first, why=Why.NO_RECORD), *timeline.spans]


def _thresholds(timeline: Timeline, period: Period) -> tuple[LinkPlan, int]:
    """Those in force at the end of the period, and how often they changed in it."""
    until = [(wall, plan) for wall, plan in timeline.changes if wall <= period.until]
    within = [plan for wall, plan in until[1:] if wall > period.since]
    return (until[-1][1] if until else LinkPlan()), len(within)


def _was_ordered(row: OutageRow, period: Period) -> bool:
    return row.by_operator and period.since <= row.started.wall <= period.until


def find_beginning(reader: ReportReader) -> float:
    """Since when events are kept, in Unix seconds. Raises ConnmonError where there is none."""
    mark = reader.segments().start
    born = reader.born() if mark is None else mark.at.wall
    if born is None:
        raise ConnmonError(f"{reader.path} has no event yet", hint="Start an agent: `connmon-agent start`")
    return born
