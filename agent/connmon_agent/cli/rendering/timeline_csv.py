"""`replay --format csv`: one line an event."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from ...csv_cells import defuse_all
from ...store.records import Recorded
from .stories import FORWARD, LINK, with_sentences
from .timeline_document import decision_document

BETWEEN = " | "  # the entries of a cell that has several

FIELDS = (
    "seq", "at", "event", "outage", "link_from", "link_to", "sentences", "transitions", "restarts", "listens",
    "resolutions", "boot_id",
)  # fmt: skip


def timeline_csv(rows: Iterable[Recorded]) -> Iterator[str]:
    """CSV (RFC 4180) with a line of names: what ``replay --json`` has of each event, but triggers, guards and actions.

    ``link_from`` and ``link_to`` are empty where the state of the link did not change.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=FIELDS)
    writer.writeheader()
    for row, sentences in with_sentences(rows):
        writer.writerow(defuse_all(_line(decision_document(row, sentences))))
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def _line(event: dict[str, Any]) -> dict[str, Any]:
    changes = [one for one in event["transitions"] if one["chart"] == LINK and one["source"] != one["dest"]]
    cells = {
        "sentences": event["sentences"],
        "transitions": (
            f"{one['instance']}{', local port' * (one['chart'] == FORWARD)}: {one['source']} -> {one['dest']}"
            for one in event["transitions"]
        ),
        "restarts": (f"{one['service']}: {one['token']}{' again' * one['again']}" for one in event["restarts"]),
        "listens": (f"{one['service']}: {one['port']}" for one in event["listens"]),
        "resolutions": (f"{one['service']}: {one['outcome']} {one['token']}" for one in event["resolutions"]),
    }
    return {
        **{name: event[name] for name in ("seq", "at", "event", "outage", "boot_id")},
        "link_from": changes[0]["source"] if changes else None,
        "link_to": changes[-1]["dest"] if changes else None,
        **{name: BETWEEN.join(entries) for name, entries in cells.items()},
    }
