"""What stands on the pages of a report, whatever writes them: headings, facts, sentences and tables of texts.

A report of a year with ten thousand outages is read by people: the longest are listed, and the rest is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeVar

from . import formats
from .accounting import Before, Gap, Month, Report, ReportedOutage, Sums, total_of
from .texts import Texts, name_cause, side_of

MOST_OUTAGES = 150
MOST_GAPS = 50
MOST_CAUSES = 15
MOST_MONTHS = 36  # of more than that, years are listed
OUTAGE_BYTES = 170_000  # of the listed outages' texts in HTML, so that a page stays below 300 kB

_Listed = TypeVar("_Listed")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts below a head. ``name`` tells writers which it is; ``numeric`` are the columns that are figures."""

    name: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numeric: frozenset[int] = frozenset()
    total: bool = False  # the last row is the sum of the others


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what is below it: pairs of label and value, sentences, and a table (None: none)."""

    heading: str
    facts: Sequence[tuple[str, str]] = ()
    sentences: Sequence[str] = ()
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """The whole report in one language."""

    language: str
    heading: str
    title: str  # of whoever asked for it; empty: none
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]


def listed_outages(texts: Texts, report: Report) -> list[ReportedOutage]:
    """The outages that are listed by themselves, in the order of time: all, or the longest."""
    longest = sorted(report.outages, key=lambda outage: -outage.down_ms)[:MOST_OUTAGES]
    room, found = OUTAGE_BYTES, []
    for outage in longest:
        room -= sum(len(escape(cell).encode()) for cell in _outage_row(texts, report, outage, {}))
        if room < 0:
            break
        found.append(outage)
    return sorted(found, key=lambda outage: outage.id)


def lay_out(texts: Texts, report: Report) -> Document:
    """The document. ``report.before`` has the quality before each of ``listed_outages``."""
    period = report.period
    span = " ".join(
        (
            formats.instant(texts, period.since, period.zone),
            texts.to,
            formats.instant(texts, period.until, period.zone),
        )
    )
    created = f"{formats.instant(texts, report.generated, period.zone)}, connmon-agent {report.version}"
    return Document(
        texts.language,
        texts.heading,
        report.title,
        ((texts.period, span), (texts.created, created)),
        (
            Section(texts.summary, _summary(texts, report), table=None),
            *([Section(texts.by_cause, table=_causes(texts, report))] if report.outages else []),
            Section(texts.by_month, table=_months(texts, report)),
            _outage_section(texts, report),
            _gap_section(texts, report),
            Section(
                texts.accounting,
                sentences=(
                    *formats.accounting(texts, report),
                    *formats.time_zone(texts, report),
                    *formats.clock_steps(texts, report),
                ),
            ),
            _proof(texts, report),
        ),
    )


def _summary(texts: Texts, report: Report) -> list[tuple[str, str]]:
    sums = report.sums
    longest = max((outage.down_ms for outage in report.outages), default=0)
    facts = [
        (texts.availability, formats.percent(texts, sums.availability)),
        (texts.downtime, formats.duration(texts, sums.down)),
        (texts.outages, formats.number(texts, len(report.outages))),
        (texts.relapses, formats.number(texts, sum(outage.row.relapses for outage in report.outages))),
        (texts.longest_outage, formats.duration(texts, longest) if longest else "–"),
        (texts.uptime, formats.duration(texts, sums.up)),
        (texts.degraded, formats.duration(texts, sums.degraded)),
        (texts.gaps, formats.duration(texts, sums.gap)),
        (texts.monitored, formats.percent(texts, sums.monitored / sums.total if sums.total else None)),
    ]
    return [*facts, (texts.ordered, formats.number(texts, report.ordered))] if report.ordered else facts


def _causes(texts: Texts, report: Report) -> Table:
    causes = report.causes()
    rows = [
        (
            name_cause(texts, cause),
            texts.sides[side_of(cause)],
            formats.number(texts, count),
            formats.duration(texts, ms),
        )
        for cause, count, ms in causes[:MOST_CAUSES]
    ]
    if rest := causes[MOST_CAUSES:]:
        count, ms = sum(one[1] for one in rest), sum(one[2] for one in rest)
        other = texts.causes["other"]
        rows.append((other, "–", formats.number(texts, count), formats.duration(texts, ms)))
    return Table("causes", (texts.cause, texts.side, texts.count, texts.downtime), rows, frozenset({2, 3}))


def _months(texts: Texts, report: Report) -> Table:
    months = group_by_year(report.months) if len(report.months) > MOST_MONTHS else report.months
    rows = [_sums_row(texts, _name_month(texts, month), sums) for month, sums in months.items()]
    if len(rows) > 1:
        rows.append(_sums_row(texts, texts.total, report.sums))
    head = (texts.month, texts.availability, texts.outages, texts.downtime, texts.uptime, texts.gaps)
    return Table("months", head, rows, frozenset({1, 2, 3, 4, 5}), total=len(rows) > 1)


def group_by_year(months: Mapping[Month, Sums]) -> dict[Month, Sums]:
    """The sums of each year, as of a month 0."""
    years: dict[int, list[Sums]] = {}
    for (year, _), sums in months.items():
        years.setdefault(year, []).append(sums)
    return {(year, 0): total_of(some) for year, some in years.items()}


def _name_month(texts: Texts, month: Month) -> str:
    return formats.month_name(texts, month) if month[1] else str(month[0])


def _sums_row(texts: Texts, name: str, sums: Sums) -> tuple[str, ...]:
    return (
        name,
        formats.percent(texts, sums.availability),
        formats.number(texts, sums.outages),
        *(formats.duration(texts, ms) for ms in (sums.down, sums.up, sums.gap)),
    )


def _outage_section(texts: Texts, report: Report) -> Section:
    if not report.outages:
        return Section(texts.outage_list, sentences=(texts.no_outages,))
    listed = listed_outages(texts, report)
    names = {outage.id for outage in listed}
    rest = [outage.down_ms for outage in report.outages if outage.id not in names]
    head = (texts.number, texts.start, texts.end, texts.duration, texts.cause, texts.evidence, texts.before)
    rows = [_outage_row(texts, report, outage, report.before) for outage in listed]
    said = _say_rest(texts, texts.shown_longest, len(rows), rest)
    return Section(texts.outage_list, sentences=said, table=Table("outages", head, rows, frozenset({0})))


def _outage_row(texts: Texts, report: Report, outage: ReportedOutage, before: Mapping[int, Before]) -> tuple[str, ...]:
    zone = report.period.zone
    return (
        str(outage.id),
        formats.describe_start(texts, outage, zone),
        formats.describe_end(texts, outage, report.period),
        formats.describe_downtime(texts, outage),
        formats.cut_evidence(f"{name_cause(texts, outage.row.cause)} ({texts.sides[side_of(outage.row.cause)]})"),
        formats.cut_evidence(formats.describe_evidence(texts, outage)),
        formats.describe_before(texts, before.get(outage.id)),
    )


def _gap_section(texts: Texts, report: Report) -> Section:
    if not report.gaps:
        return Section(texts.gap_list, sentences=(texts.no_gaps,))
    listed = sorted(_longest(report.gaps, MOST_GAPS, lambda gap: gap.part.ms), key=lambda gap: gap.part.start)
    rest = sorted((gap.part.ms for gap in report.gaps), reverse=True)[MOST_GAPS:]
    rows = [_gap_row(texts, report, gap) for gap in listed]
    head = (texts.start, texts.end, texts.duration_of_gap, texts.reason)
    said = _say_rest(texts, texts.gap_longest, len(rows), rest)
    return Section(texts.gap_list, sentences=said, table=Table("gaps", head, rows))


def _gap_row(texts: Texts, report: Report, gap: Gap) -> tuple[str, ...]:
    start, end = (formats.instant(texts, wall, report.period.zone) for wall in (gap.part.start, gap.part.end))
    return start, end, formats.duration(texts, gap.part.ms), texts.whys[gap.why]


def _say_rest(texts: Texts, sentence: str, shown: int, rest: Sequence[int]) -> tuple[str, ...]:
    if not rest:
        return ()
    counts = {"shown": shown, "all": shown + len(rest), "rest": len(rest)}
    told = {name: formats.number(texts, count) for name, count in counts.items()}
    return (sentence.format(**told, time=formats.duration(texts, sum(rest)), most=formats.duration(texts, max(rest))),)


def _longest(items: Iterable[_Listed], most: int, length: Callable[[_Listed], int]) -> list[_Listed]:
    return sorted(items, key=lambda item: -length(item))[:most]


def _proof(texts: Texts, report: Report) -> Section:
    facts = []
    if report.ends is None:
        facts.append((texts.first_event, texts.no_events))
    else:
        for label, event in zip((texts.first_event, texts.last_event), report.ends, strict=True):
            when = formats.instant(texts, event.at.wall, report.period.zone)
            facts.append((label, f"{event.seq} ({when}), SHA-256 {event.hash}"))
    period = report.period
    facts.append(("--since", formats.utc(period.since)))
    facts.append(("--until", formats.utc(period.until)))
    return Section(texts.proof, facts, [one.format(store=report.store) for one in texts.how_to_verify])
