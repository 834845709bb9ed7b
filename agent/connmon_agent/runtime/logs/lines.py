"""A line of the log, and its two forms: text for people, JSON for programs. Both are made from one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from textwrap import indent

from ...texts import LONGEST_RECORD, make_safe
from ...wall_times import in_utc, in_zone
from ..sentences import Sentence

Form = Callable[[Sentence], str]


def clean(sentence: Sentence) -> Sentence:
    """``sentence`` without credentials, printable and bounded, which is how everything that is logged must be."""
    text = make_safe(sentence.text, LONGEST_RECORD, lines=True)
    detail = make_safe(sentence.detail, LONGEST_RECORD, lines=True)
    if text is sentence.text and detail is sentence.detail:
        return sentence
    return Sentence(sentence.at, sentence.level, sentence.about, text, detail, sentence.area, sentence.mark)


def to_text(sentence: Sentence) -> str:
    """``2026-11-23 19:04:05 warning  link: ONLINE -> DEGRADED: ... [118]``, in local time.

    The number is the event's: ``connmon-agent explain 118``. A traceback follows below its line, indented.
    """
    moment = in_zone(sentence.at.wall)
    text = " ".join(sentence.text.splitlines())  # an answer of the API may have many
    number = f" [{sentence.mark.seq}]" if sentence.mark and sentence.mark.seq is not None else ""
    line = f"{moment:%Y-%m-%d %H:%M:%S} {sentence.level:<8} {sentence.about}: {text}{number}"
    return f"{line}\n{indent(sentence.detail, '    ')}" if sentence.detail else line


def to_json(sentence: Sentence) -> str:
    """One JSON object a line, always with the same keys; see docs/log-line.schema.json."""
    mark = sentence.mark
    moment = in_utc(sentence.at.wall)
    entry = {
        "time": moment.isoformat(timespec="microseconds"),
        "level": sentence.level,
        "area": sentence.part,
        "about": sentence.about,
        "text": sentence.text,
        "kind": mark.kind if mark else None,
        "event": mark.seq if mark else None,
        "outage": mark.outages[-1] if mark and mark.outages else None,
        "traceback": sentence.detail or None,
    }
    return json.dumps(entry, ensure_ascii=False)


FORMS: dict[str, Form] = {"text": to_text, "json": to_json}
