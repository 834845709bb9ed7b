"""`history`: the outages as a table, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import Any

from ...csv_cells import defuse_all
from ...explain.facts import advise
from ...store.records import OutageRow
from ..wording import say_date_and_time, say_duration, wrap, write_instant
from .tables import INDENT, lay_out
from .tones import Paint, Tone, paint_nothing

SCHEMA = 1
WIDTH = 80

_HEAD = ("NO", "START", "DURATION", "RESTARTS", "RESULT", "CAUSE")


def render_history(
    outages: Sequence[OutageRow],
    *,
    now: float,
    width: int = WIDTH,
    paint: Paint = paint_nothing,
    zone: tzinfo | None = None,
) -> str:
    """One line an outage with its evidence below it, the newest first, and what to do about their causes.

    ``now`` is Unix seconds; ``zone`` None: the machine's.
    """
    if not outages:
        return "No outages recorded."
    newest_first = list(reversed(outages))
    rows = [_HEAD, *(_row(outage, now=now, zone=zone) for outage in newest_first)]
    head, *lines = lay_out(rows, width=width, limits={4: max(10, width // 4)})
    rows_told = zip(_painted(lines, newest_first, paint), newest_first, strict=True)
    told = [line for row, outage in rows_told for line in (row, *_evidence(outage, width))]
    return "\n".join([paint(head, Tone.QUIET), *told, *_advice(newest_first, width)])


def history_document(outages: Sequence[OutageRow], *, note: str | None = None) -> dict[str, Any]:
    """The outages as JSON values, the oldest first. ``note`` says that older ones were removed; None: none were."""
    return {"schema": SCHEMA, "outages": [outage_document(outage) for outage in outages], "note": note}


def outage_document(outage: OutageRow) -> dict[str, Any]:
    """One outage as JSON values; null: not yet. ``duration`` in seconds, without recovery where that has not ended.

    ``monitoring_gap`` is seconds of monitoring gaps, which ``duration`` leaves out.
    """
    return {
        "id": outage.id,
        "started_at": write_instant(outage.started),
        "back_at": write_instant(outage.back),
        "ended_at": write_instant(outage.ended),
        "duration": None if outage.duration is None else round(outage.duration, 3),
        "monitoring_gap": round(outage.monitoring_gap, 3),
        "cause": outage.cause,
        "detail": outage.detail or None,
        "advice": advise(outage.cause) or None,
        "by_operator": outage.by_operator,
        "relapses": outage.relapses,
        "restarts": outage.restarts,
        "result": outage.result,
    }


def history_csv(outages: Sequence[OutageRow]) -> str:
    """The same as CSV (RFC 4180) with a line of names, empty where JSON says null."""
    documents = [outage_document(outage) for outage in outages]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(_FIELDS))
    writer.writeheader()
    writer.writerows(map(defuse_all, documents))
    return text.getvalue()


_FIELDS = (
    "id", "started_at", "back_at", "ended_at", "duration", "monitoring_gap", "cause", "detail", "by_operator",
    "relapses", "restarts", "result", "advice",
)  # fmt: skip


def _row(outage: OutageRow, *, now: float, zone: tzinfo | None) -> tuple[str, ...]:
    open_for = max(0.0, now - outage.started.wall - outage.monitoring_gap)
    duration = say_duration(open_for if outage.duration is None else outage.duration)
    return (
        str(outage.id),
        say_date_and_time(outage.started.wall, zone=zone)[:-3],
        f"{duration} + {say_duration(outage.monitoring_gap)} gap" if outage.monitoring_gap >= 1 else duration,
        str(outage.restarts),
        outage.result,
        outage.cause,
    )


def _evidence(outage: OutageRow, width: int) -> list[str]:
    return wrap(outage.detail, width=width, indent=INDENT * 3) if outage.detail else []


def _advice(outages: Sequence[OutageRow], width: int) -> Iterator[str]:
    """What to do about each cause, once, with how often it was one."""
    often = Counter(outage.cause for outage in outages if advise(outage.cause))
    if often:
        yield from ("", "What to do")
    for cause, times in often.items():
        told = f"{cause}{f' ({times} times)' if times > 1 else ''}: {advise(cause)}"
        yield from wrap(told, width=width, indent=INDENT * 2, first=INDENT)


def _painted(lines: list[str], outages: list[OutageRow], paint: Paint) -> Iterator[str]:
    for line, outage in zip(lines, outages, strict=True):
        yield paint(line, Tone.BAD) if outage.result.startswith(("gave up", "offline")) else line
