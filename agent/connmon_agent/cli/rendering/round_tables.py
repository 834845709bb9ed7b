"""`history --rounds`: what the probes found, round by round, as a table, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import tzinfo
from statistics import median
from typing import Any

from ...core.observations import ProbeResult
from ...csv_cells import defuse_all
from ...store.round_blocks import RecordedRound
from ..wording import say_date_and_time, write_instant
from .tables import lay_out

SCHEMA = 1
AT_ONCE = 500  # rounds whose columns are as wide as each other's; more would have to be held in memory

_HEAD = ("TIME", "ANSWERED", "MEDIAN", "NO ANSWER")
_FIELDS = ("at", "target", "kind", "ok", "latency_ms", "failure", "attempts", "family", "proxy")


def render_rounds(rounds: Iterable[RecordedRound], *, width: int, zone: tzinfo | None = None) -> Iterator[str]:
    """One line a round, the oldest first. ``zone`` None: the machine's."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for round in rounds:
        rows.append(_row(round, zone))
        if len(rows) > AT_ONCE:
            yield from lay_out(rows, width=width)
            rows = []
    if len(rows) > 1 or (rows and rows[0] is not _HEAD):
        yield from lay_out(rows, width=width)
    elif rows:
        yield "No rounds recorded in this period."


def rounds_document(rounds: Iterable[RecordedRound]) -> dict[str, Any]:
    """The rounds as JSON values, the oldest first; null: not known, or none."""
    return {
        "schema": SCHEMA,
        "rounds": [
            {"at": write_instant(round.at), "probes": [_probe_document(result) for result in round.results]}
            for round in rounds
        ],
    }


def rounds_csv(rounds: Iterable[RecordedRound]) -> Iterator[str]:
    """One line a probe as CSV (RFC 4180), after a line of names; empty where JSON says null."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=_FIELDS)
    writer.writeheader()
    for round in rounds:
        documents = ({"at": write_instant(round.at), **_probe_document(result)} for result in round.results)
        writer.writerows(map(defuse_all, documents))
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def _probe_document(result: ProbeResult) -> dict[str, Any]:
    return {
        "target": result.name,
        "kind": result.kind,
        "ok": result.ok,
        "latency_ms": None if result.latency_ms is None else round(result.latency_ms, 1),
        "failure": None if result.failure is None else str(result.failure),
        "attempts": result.attempts,
        "family": result.family,
        "proxy": result.proxy,
    }


def _row(found: RecordedRound, zone: tzinfo | None) -> tuple[str, ...]:
    latencies = [result.latency_ms for result in found.results if result.ok and result.latency_ms is not None]
    failed = [_describe_failure(result) for result in found.results if not result.ok]
    return (
        say_date_and_time(found.at.wall, zone=zone),
        f"{sum(result.ok for result in found.results)}/{len(found.results)}",
        f"{median(latencies):.0f} ms" if latencies else "-",
        ", ".join(failed) or "-",
    )


def _describe_failure(result: ProbeResult) -> str:
    return result.name if result.failure is None else f"{result.name} ({result.failure})"
