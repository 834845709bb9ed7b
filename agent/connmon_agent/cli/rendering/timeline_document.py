"""`replay --json`: the recorded events with their decisions, and the sentences that tell them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from ...core.steps import Transition
from ...store.records import OutageRow, Recorded
from ..wording import write_instant
from .outage_tables import outage_document
from .stories import with_sentences
from .summaries import Summaries, Summary

SCHEMA = 1


def write_timeline(
    rows: Iterable[Recorded], *, outage: OutageRow | None, note: str | None = None, ascii: bool = False
) -> Iterator[str]:
    """The timeline as one JSON document (docs/replay.schema.json), event by event: a year does not fit into memory.

    ``outage`` None: the rows are of a span of time, not of an outage. ``note`` says that events of it were removed;
    None: none were. ``ascii``: escape all other characters.
    """
    summaries = Summaries()
    yield _write(_head(outage), ascii).removesuffix("\n}") + ',\n  "events": ['
    before = "\n    "
    for row, sentences in with_sentences(rows):
        summaries.add(row)
        yield before + _write(decision_document(row, sentences), ascii).replace("\n", "\n    ")
        before = ",\n    "
    yield "]" if before == "\n    " else "\n  ]"
    yield "," + _write(_foot(summaries.summaries(), note), ascii).removeprefix("{") + "\n"


def _write(document: dict[str, Any], ascii: bool) -> str:
    return json.dumps(document, indent=2, ensure_ascii=ascii)


def _head(outage: OutageRow | None) -> dict[str, Any]:
    return {"schema": SCHEMA, "outage": None if outage is None else outage_document(outage)}


def _foot(summaries: Iterable[Summary], note: str | None) -> dict[str, Any]:
    return {"services": [_summary(summary) for summary in summaries], "note": note}


def records_by_event(rows: Iterable[Recorded]) -> dict[int, list[str]]:
    """The sentences that tell the events, by their numbers."""
    return {row.seq: sentences for row, sentences in with_sentences(rows)}


def decision_document(row: Recorded, sentences: list[str]) -> dict[str, Any]:
    """One event with its decisions as JSON values, as docs/replay.schema.json describes them."""
    return {
        "seq": row.seq,
        "at": write_instant(row.at),
        "boot_id": row.boot_id,
        "event": type(row.event).__name__,
        "outage": row.outage,
        "sentences": sentences,
        "transitions": [_transition(transition) for transition in row.transitions],
        "restarts": [
            {"service": effect.service, "token": effect.token, "again": effect.again, "reason": effect.reason}
            for effect in row.effects
        ],
        "listens": [
            {"service": order.service, "port": order.port, "token": order.token, "reason": order.reason or None}
            for order in row.listens
        ],
        "resolutions": [
            {"service": one.service, "token": one.token, "outcome": one.outcome, "reason": one.reason}
            for one in row.resolutions
        ],
    }


def _transition(transition: Transition) -> dict[str, Any]:
    return {
        "chart": transition.chart,
        "instance": transition.instance,
        "trigger": transition.trigger,
        "source": transition.source,
        "dest": transition.dest,
        "guards": [{"name": name, "answer": answer} for name, answer in transition.guards],
        "actions": list(transition.actions),
        "reason": transition.reason,
    }


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "name": summary.service,
        "state": summary.state,
        "restarts": summary.restarts,
        "reason": summary.reason,
    }
