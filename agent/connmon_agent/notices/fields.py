"""The fields of a notice by name, for templates of webhooks and for the variables of commands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..core.notice_fields import FIELDS, PLACEHOLDER
from ..core.timestamps import Timestamp
from ..wall_times import in_utc
from .jobs import Notice
from .outage_facts import OutageFacts
from .texts import Text, offline_seconds

Fields = Mapping[str, Any]  # of JSON's types, by the names of core.notice_fields


def make_fields(notice: Notice, text: Text, *, site: str, id: str, facts: OutageFacts | None) -> Fields:
    """Every field; ``facts`` None: there is no outage, and what is about one is null."""
    row = None if facts is None else facts.row
    values: dict[str, Any] = {
        "subject": text.subject,
        "body": text.body,
        "site": site,
        "kind": notice.kind,
        "channel": notice.channel,
        "number": notice.number,
        "id": id,
        "outage": notice.outage,
        "state": None if facts is None else facts.link,
        "cause": None if row is None else row.cause,
        "started": None if row is None else _write(row.started),
        "ended": None if row is None else _write(row.ended),
        "duration": None if row is None or facts is None else round(offline_seconds(row, facts), 3),
        "gap": None if row is None else round(row.monitoring_gap, 3),
        "restarts": None if row is None else row.restarts,
        "gave_up": [] if facts is None else [one.name for one in facts.gave_up],
        "remedy": text.remedy,
    }
    return {name: values[name] for name in FIELDS}


def fill(template: str, fields: Fields) -> Any:
    """The values of ``template``, which is JSON, with each field in braces replaced.

    A text that is one field and nothing else becomes its value, with its type; within a text it becomes text.
    """
    return _fill(json.loads(template), fields)


def as_text(value: Any) -> str:
    """A field within a text, or in a variable: nothing for null, names with commas for a list."""
    if value is None:
        return ""
    return ", ".join(value) if isinstance(value, list) else str(value)


def _fill(value: Any, fields: Fields) -> Any:
    if isinstance(value, dict):
        return {key: _fill(each, fields) for key, each in value.items()}
    if isinstance(value, list):
        return [_fill(each, fields) for each in value]
    if not isinstance(value, str):
        return value
    whole = re.fullmatch(PLACEHOLDER, value)
    if whole is not None and whole[1] in fields:
        return fields[whole[1]]
    return PLACEHOLDER.sub(lambda found: found[0][0] if found[1] is None else as_text(fields.get(found[1])), value)


def _write(at: Timestamp | None) -> str | None:
    """RFC 3339 in UTC."""
    return None if at is None else in_utc(at.wall).isoformat(timespec="seconds")
