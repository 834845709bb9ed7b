"""`replay --json`: the recorded events with their decisions, and the sentences that tell them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.steps import Transition
from ...store.records import OutageRow, Recorded
from ..wording import write_instant
from .outage_tables import outage_document
from .stories import tell
from .summaries import Summary, summarise

SCHEMA = 1


def timeline_document(rows: Sequence[Recorded], *, outage: OutageRow | None, note: str | None = None) -> dict[str, Any]:
    """The timeline as JSON values. ``outage`` None: the rows are of a span of time, not of an outage.

    ``note`` says that events of it were removed; None: none were.
    """
    records = records_by_event(rows)
    return {
        "schema": SCHEMA,
        "outage": None if outage is None else outage_document(outage),
        "events": [decision_document(row, records.get(row.seq, [])) for row in rows],
        "services": [_summary(summary) for summary in summarise(rows)],
        "note": note,
    }


def records_by_event(rows: Sequence[Recorded]) -> dict[int, list[str]]:
    """The sentences that tell the events, by their numbers."""
    found: dict[int, list[str]] = {}
    for entry in tell(rows):
        for line in (entry.line, *entry.chapters):
            found.setdefault(line.seq, []).append(line.record)
    return found


def decision_document(row: Recorded, records: list[str]) -> dict[str, Any]:
    """One recorded event as JSON values; ``records`` are the sentences that tell it."""
    return {
        "seq": row.seq,
        "at": write_instant(row.at),
        "boot_id": row.boot_id,
        "event": type(row.event).__name__,
        "outage": row.outage,
        "sentences": records,
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
