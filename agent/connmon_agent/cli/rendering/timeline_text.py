"""`replay` for people: what happened, in order, each restart as one story."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo

from ...explain.facts import advise
from ...store.records import OutageRow, Recorded
from ..wording import count_of, say_date, say_date_and_time, say_duration, say_time, wrap
from .stories import Entry, Line, tell
from .summaries import summarise
from .tables import INDENT, lay_out

WIDTH = 80

_CLOCK = 10  # columns of "10:00:12  "
_LABEL = 12  # columns of "  Restarts  "


def render_timeline(
    rows: Sequence[Recorded], *, outage: OutageRow | None, width: int = WIDTH, zone: tzinfo | None = None
) -> str:
    """The timeline of ``rows`` in lines of at most ``width`` columns, under the head of ``outage`` (None: without)."""
    blocks = [
        list(_head(outage, width, zone)) if outage is not None else [],
        *_days(tell(rows), width, zone),
        list(_foot(rows, width)),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) or "No events in this period."


def title_of(outage: OutageRow) -> str:
    """``Outage 3``, or ``Requested recovery 3``."""
    return f"{'Requested recovery' if outage.by_operator else 'Outage'} {outage.id}"


def _head(outage: OutageRow, width: int, zone: tzinfo | None) -> Iterator[str]:
    yield f"{title_of(outage)}, {say_date_and_time(outage.started.wall, zone=zone)}"
    for label, text in _facts(outage, zone):
        first = f"{INDENT}{label}".ljust(_LABEL)
        yield from wrap(text, width=width, indent=" " * _LABEL, first=first)


def _facts(outage: OutageRow, zone: tzinfo | None) -> Iterator[tuple[str, str]]:
    yield "Cause", f"{outage.cause}: {outage.detail}" if outage.detail else outage.cause
    if advice := advise(outage.cause):
        yield "To do", advice
    if outage.back is not None and not outage.by_operator:
        dark = say_duration(outage.back.steady - outage.started.steady)
        yield "Link", f"back at {say_time(outage.back.wall, zone=zone)}, after {dark}"
    if outage.monitoring_gap >= 1:
        yield "Gap", f"monitoring gap of {say_duration(outage.monitoring_gap)}, not counted"
    if outage.relapses:
        yield "Relapses", str(outage.relapses)
    yield "Restarts", str(outage.restarts)
    if outage.ended is not None:
        whole = say_duration(outage.ended.steady - outage.started.steady)
        yield "End", f"{say_time(outage.ended.wall, zone=zone)}, after {whole}"
    yield "Result", outage.result


def _days(entries: list[Entry], width: int, zone: tzinfo | None) -> Iterator[list[str]]:
    """One block a day, because a time of day alone would lie after midnight."""
    day, block = "", list[str]()
    for entry in entries:
        today = say_date(entry.line.at.wall, zone=zone)
        if today != day:
            yield block
            day, block = today, [today]
        block += _entry(entry, width, zone)
    yield block


def _entry(entry: Entry, width: int, zone: tzinfo | None) -> Iterator[str]:
    yield from _line(entry.line, width, zone, depth=0)
    for chapter in entry.chapters:
        yield from _line(chapter, width, zone, depth=1)


def _line(line: Line, width: int, zone: tzinfo | None, *, depth: int) -> list[str]:
    margin = " " * (depth * _CLOCK)
    clock = f"{say_time(line.at.wall, zone=zone)}  "
    return wrap(line.record, width=width, indent=margin + " " * _CLOCK, first=margin + clock)


def _foot(rows: Sequence[Recorded], width: int) -> Iterator[str]:
    summaries = summarise(rows)
    if summaries:
        yield "Services"
        table = [(one.service, one.state, count_of(one.restarts, "restart"), one.reason) for one in summaries]
        yield from lay_out(table, width=width, limits={0: width // 4 + 3})
