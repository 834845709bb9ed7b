"""The report for programs: JSON (docs/report.schema.json) and CSV. Both hold every outage and every monitoring gap."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from ..csv_cells import defuse_all
from . import formats
from .accounting import Before, Gap, Part, Report, ReportedOutage, Sums
from .texts import Texts, name_cause, side_of

SCHEMA = 1

FIELDS = (
    "record", "outage", "part", "start", "end", "seconds", "cause", "side", "cause_text", "evidence", "recorded_detail",
    "relapses", "ongoing", "began_before", "loss_before", "median_ms_before", "p95_ms_before", "note",
)  # fmt: skip


def write_json(texts: Texts, report: Report) -> str:
    """One JSON document."""
    return json.dumps(json_document(texts, report), indent=2, ensure_ascii=False) + "\n"


def json_document(texts: Texts, report: Report) -> dict[str, Any]:
    """The report as JSON values; null: not known, or none. Times are RFC 3339 in UTC."""
    period, ends = report.period, report.ends
    return {
        "schema": SCHEMA,
        "language": texts.language,
        "title": report.title or None,
        "created_at": formats.utc(report.generated),
        "version": report.version,
        "period": {
            "since": formats.utc(period.since),
            "until": formats.utc(period.until),
            "time_zone": period.zone_name,
        },
        "accounting": formats.accounting(texts, report),
        "thresholds": {
            "quorum": report.plan.quorum,
            "fall": report.plan.fall,
            "rise": report.plan.rise,
            "check_interval": report.plan.check_interval,
            "changes": report.plan_changes,
        },
        "summary": _sums(report.sums) | {"outages": len(report.outages), "ordered_recoveries": report.ordered},
        "months": [
            {"month": f"{year:04}-{month:02}", **_sums(sums), "outages": sums.outages}
            for (year, month), sums in report.months.items()
        ],
        "causes": [
            {"cause": cause, "side": side_of(cause), "outages": count, "downtime": ms / 1000}
            for cause, count, ms in report.causes()
        ],
        "outages": [_outage(texts, report, outage) for outage in report.outages],
        "gaps": [{**_part(gap.part), "reason": str(gap.why)} for gap in report.gaps],
        "clock_steps": [{"at": formats.utc(step.at.wall), "seconds": round(step.seconds, 3)} for step in report.steps],
        "proof": {
            "state_file": report.store,
            "first_event": None if ends is None else _event(*ends[0]),
            "last_event": None if ends is None else _event(*ends[1]),
            "verify": "connmon-agent replay --verify",
        },
    }


def write_csv(texts: Texts, report: Report) -> str:
    """CSV (RFC 4180): a line of names, the period, then a line for each time down and each gap in the order of time.

    The column ``seconds`` of the lines ``outage`` adds up to the downtime, that of the lines ``gap`` to the monitoring
    gaps, and what is left of the line ``period`` is uptime.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=FIELDS)
    writer.writeheader()
    writer.writerows(map(defuse_all, _lines(texts, report)))
    return text.getvalue()


def _lines(texts: Texts, report: Report) -> Iterator[dict[str, Any]]:
    period = report.period
    whole = Part(period.since, period.until, report.sums.total)
    yield {"record": "period", **_csv_part(whole), "note": report.title}
    lines = [line for outage in report.outages for line in _outage_lines(texts, report, outage)]
    lines += [_gap_line(texts, gap) for gap in report.gaps]
    yield from sorted(lines, key=lambda line: str(line["start"]))
    for step in report.steps:
        note = f"clock set by {step.seconds:+.3f} s"
        yield {"record": "clock", "start": formats.utc(step.at.wall), "note": note}
    for event in report.ends or ():
        note = f"event {event.seq} of {report.store}, SHA-256 {event.hash}"
        yield {"record": "event", "start": formats.utc(event.at.wall), "note": note}


def _outage_lines(texts: Texts, report: Report, outage: ReportedOutage) -> Iterator[dict[str, Any]]:
    before = _before(report.before.get(outage.id)) or {}
    for number, part in enumerate(outage.parts, start=1):
        line = {"record": "outage", "outage": outage.id, "part": number, **_csv_part(part)}
        if number == 1:
            line |= {
                "cause": outage.row.cause,
                "side": side_of(outage.row.cause),
                "cause_text": name_cause(texts, outage.row.cause),
                "evidence": formats.describe_evidence(texts, outage),
                "recorded_detail": outage.row.detail,
                "relapses": outage.row.relapses,
                "ongoing": str(outage.ongoing).lower(),
                "began_before": str(outage.began_before).lower(),
                "loss_before": before.get("loss"),
                "median_ms_before": before.get("median_ms"),
                "p95_ms_before": before.get("p95_ms"),
            }
        yield line


def _gap_line(texts: Texts, gap: Gap) -> dict[str, Any]:
    return {"record": "gap", **_csv_part(gap.part), "cause": str(gap.why), "cause_text": texts.whys[gap.why]}


def _csv_part(part: Part) -> dict[str, Any]:
    return {"start": formats.utc(part.start), "end": formats.utc(part.end), "seconds": f"{part.ms / 1000:.3f}"}


def _sums(sums: Sums) -> dict[str, Any]:
    return {
        "availability": None if sums.availability is None else int(sums.availability * 1e7) / 1e7,
        "uptime": sums.up / 1000,
        "degraded": sums.degraded / 1000,
        "downtime": sums.down / 1000,
        "gaps": sums.gap / 1000,
    }


def _outage(texts: Texts, report: Report, outage: ReportedOutage) -> dict[str, Any]:
    return {
        "id": outage.id,
        "started_at": formats.utc(outage.started.wall),
        "ended_at": None if outage.ended is None else formats.utc(outage.ended.wall),
        "ongoing": outage.ongoing,
        "began_before": outage.began_before,
        "downtime": outage.down_ms / 1000,
        "gaps": outage.gap_ms / 1000,
        "relapses": outage.row.relapses,
        "cause": outage.row.cause,
        "side": side_of(outage.row.cause),
        "cause_text": name_cause(texts, outage.row.cause),
        "evidence": formats.describe_evidence(texts, outage),
        "recorded_detail": outage.row.detail or None,
        "before": _before(report.before.get(outage.id)),
        "parts": [_part(part) for part in outage.parts],
    }


def _part(part: Part) -> dict[str, Any]:
    return {"start": formats.utc(part.start), "end": formats.utc(part.end), "seconds": part.ms / 1000}


def _before(before: Before | None) -> dict[str, Any] | None:
    if before is None:
        return None
    latencies = {"median_ms": before.median_ms, "p95_ms": before.p95_ms}
    rounded = {name: None if value is None else round(value, 1) for name, value in latencies.items()}
    return {"rounds": before.rounds, "loss": round(before.loss, 4), **rounded}


def _event(seq: int, at: Any, hash: str) -> dict[str, Any]:
    return {"seq": seq, "at": formats.utc(at.wall), "sha256": hash}
