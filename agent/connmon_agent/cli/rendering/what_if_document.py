"""``replay --what-if --json`` and ``--sweep --json``: docs/what-if.schema.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...loading.overrides import Overrides, as_yaml
from ...what_if.clusters import Model
from ...what_if.comparisons import SHORT, Answer, Comparison, Totals
from ...what_if.sweeps import Outcome, find_best
from ...what_if.tallies import OutageSeen
from ..wording import write_instant
from .what_if_text import Settings

SCHEMA = 1


def what_if_document(found: Comparison, *, settings: Settings, model: Model) -> dict[str, Any]:
    """The answer as JSON values: times RFC 3339 in UTC, durations in seconds."""
    difference = found.first_difference
    return {
        "schema": SCHEMA,
        "settings": [{"key": key, "now": now, "what_if": value} for key, now, value in settings],
        "model": model.value,
        "recorded_from": write_instant(found.first),
        "recorded_until": write_instant(found.last),
        "rounds_known_from": write_instant(found.covered_from),
        "events": found.events,
        "rounds": found.rounds,
        "differences": len(found.unlike),
        "first_differing_restart": None
        if difference is None
        else {"at": write_instant(difference.at), "service": difference.service, "recorded": difference.recorded},
        "short_outage": SHORT,
        "recorded": _totals(found.recorded),
        "what_if": _totals(found.what_if),
        "outages": [_answer(one) for one in found.answers],
    }


def sweep_document(
    outcomes: Sequence[Outcome],
    combinations: Sequence[Overrides],
    *,
    current: int | None,
    suggested: int | None,
    model: Model,
) -> dict[str, Any]:
    """Every combination as JSON values."""
    best = find_best(outcomes)
    return {
        "schema": SCHEMA,
        "model": model.value,
        "short_outage": SHORT,
        "combinations": [
            {
                "settings": {one.key: one.text for one in combinations[outcome.number]},
                "best": outcome.number in best,
                "current": outcome.number == current,
                "suggested": outcome.number == suggested,
                "bounded_outages": outcome.bounded,
                "missed_outages": outcome.missed,
                **_totals(outcome.totals),
            }
            for outcome in outcomes
        ],
        "suggestion": None if suggested is None else as_yaml(combinations[suggested]),
    }


def _totals(found: Totals) -> dict[str, Any]:
    return {
        "outages": found.outages,
        "short_outages": found.short,
        "detection_delay": None if found.delay is None else round(found.delay, 3),
        "outage_seconds": round(found.outage_seconds, 3),
        "monitoring_gap_seconds": round(found.gap_seconds, 3),
        "restarts": found.restarts,
        "needless_restarts": found.needless,
        "gave_up": found.gave_up,
    }


def _answer(one: Answer) -> dict[str, Any]:
    low, high = (None, None) if one.delay is None else (round(one.delay[0], 3), round(one.delay[1], 3))
    return {
        "result": one.fate.value,
        "detection": one.exactness.value,
        "end": one.end.value,
        "detection_delay_least": low,
        "detection_delay_most": high,
        "recorded": _outage(one.recorded, one.recorded_restarts),
        "what_if": _outage(one.what_if, one.restarts),
        "hypothetical": one.hypothetical,
    }


def _outage(one: OutageSeen | None, restarts: int) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "id": one.id,
        "started_at": write_instant(one.started),
        "detected_at": write_instant(one.detected),
        "back_at": write_instant(one.back),
        "ended_at": write_instant(one.ended),
        "cause": one.cause,
        "relapses": one.relapses,
        "monitoring_gap": round(one.gap, 3),
        "restarts": restarts,
    }
