"""Reports of state files that the real engine and the real journal wrote, and of long histories as values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path

from connmon_agent.core.plan import LinkPlan
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.reports.accounting import Gap as ReportedGap
from connmon_agent.reports.accounting import Period, Report, add_up, clip, collect_outages, part_of, total_of
from connmon_agent.reports.collecting import make_report, measure_before
from connmon_agent.reports.timeline import Kind, Span, Timeline
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.records import OutageRow
from connmon_agent.store.report_reading import ReportReader

LONGEST_WORDS = "<&\"'>" * 100  # of a probe's reason: what takes the most room once it is escaped


def report_on(folder: Path, since: float, until: float, *, zone: tzinfo | None = UTC, title: str = "") -> Report:
    """The report on a state file, with the quality before every outage."""
    with ReportReader(folder / DATABASE_FILE) as reader:
        report = make_report(reader, Period(since, until, zone, "UTC"), generated=until, title=title)
        return replace(report, before=measure_before(reader, report, report.outages))


def report_of(spans: Iterable[Span], outages: Iterable[OutageRow], period: Period) -> Report:
    """The report on a history that is given as intervals."""
    rows = {row.id: row for row in outages}
    timeline = Timeline(list(spans))
    clipped = clip(timeline.spans, period)
    found = collect_outages(timeline, clipped, rows)
    for outage in found:
        timeline.opened.setdefault(outage.id, ())
    months = add_up(clipped, found, period.zone)
    gaps = [ReportedGap(part_of(span), span.why) for span in clipped if span.why is not None]
    return Report(
        period, period.until, "", "0.1.0", "k7k7k7k7", total_of(months.values()), months, found, gaps, [], LinkPlan(),
        plan_changes=0, ordered=0, ends=None,
    )  # fmt: skip


def outages_in_a_row(count: int, *, start: float, every: float, long: float) -> tuple[list[Span], list[OutageRow]]:
    """``count`` outages, one each ``every`` seconds, each of another length; evidence and cause as long as any."""
    spans, rows = [], []
    at = Timestamp(1000.0, start)
    for number in range(1, count + 1):
        down, up = at.plus(every / 2), at.plus(every / 2 + long * number / count)
        after = at.plus(every)
        spans += [Span(Kind.UP, at, down), Span(Kind.DOWN, down, up, outage=number), Span(Kind.UP, up, after)]
        rows.append(OutageRow(number, down, up, up, "unreachable", False, 0, 0, "recovered", detail=LONGEST_WORDS))
        at = after
    return spans, rows
