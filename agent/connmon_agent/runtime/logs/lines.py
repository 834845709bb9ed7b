"""A line of the log, and its two forms: text for people, JSON for programs. Both are made from one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from textwrap import indent

from ...texts import LONGEST_RECORD, make_safe
from ...wall_times import in_utc, in_zone
from ..log_records import LogRecord

Form = Callable[[LogRecord], str]


def clean(record: LogRecord) -> LogRecord:
    """``record`` without credentials, printable and bounded, which is how everything that is logged must be."""
    text = make_safe(record.text, LONGEST_RECORD, lines=True)
    detail = make_safe(record.detail, LONGEST_RECORD, lines=True)
    if text is record.text and detail is record.detail:
        return record
    return LogRecord(record.at, record.level, record.about, text, detail, record.area, record.mark)


def to_text(record: LogRecord) -> str:
    """``2026-11-23 19:04:05 warning  link: ONLINE -> DEGRADED: ... [118]``, in local time.

    The number is the event's: ``connmon-agent explain 118``. A traceback follows below its line, indented.
    """
    timestamp = in_zone(record.at.wall)
    text = " ".join(record.text.splitlines())  # an answer of the API may have many
    number = f" [{record.mark.seq}]" if record.mark and record.mark.seq is not None else ""
    line = f"{timestamp:%Y-%m-%d %H:%M:%S} {record.level:<8} {record.about}: {text}{number}"
    return f"{line}\n{indent(record.detail, '    ')}" if record.detail else line


def to_json(record: LogRecord) -> str:
    """One JSON object a line, always with the same keys; see docs/log-line.schema.json."""
    mark = record.mark
    timestamp = in_utc(record.at.wall)
    entry = {
        "time": timestamp.isoformat(timespec="microseconds"),
        "level": record.level,
        "area": record.part,
        "about": record.about,
        "text": record.text,
        "kind": mark.kind if mark else None,
        "event": mark.seq if mark else None,
        "outage": mark.outages[-1] if mark and mark.outages else None,
        "traceback": record.detail or None,
    }
    return json.dumps(entry, ensure_ascii=False)


FORMS: dict[str, Form] = {"text": to_text, "json": to_json}
