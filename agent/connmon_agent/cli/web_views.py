"""What the page shows, in the words of `status`, `replay`, `explain` and `history`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ..errors import ConnmonError, NothingRecorded
from ..store.history_reading import HistoryReader
from ..store.reading import Reader
from ..web.views import Document, StateView, Wish
from .kept import tell_kept
from .own_commands import run_command
from .rendering.outage_tables import outage_document
from .rendering.page_document import page_document, pulse_document, quiet_part
from .rendering.timeline_document import decision_document, records_by_event
from .status import take_snapshot

SCHEMA = 1


class FileViews:
    """``web.views.Views`` of the state file ``path``. ``orders``: the page may give some."""

    def __init__(self, path: Path, *, orders: bool) -> None:
        self._path = path
        self._orders = orders

    def state(self) -> StateView:
        seq = 0
        try:
            with Reader(self._path) as reader:
                seq = reader.newest()
        except NothingRecorded:
            pass
        document = page_document(take_snapshot(self._path), seq=seq, orders=self._orders)
        return StateView(document, seq, quiet_part(document), pulse_document(document))

    def decisions(self, wish: Wish) -> Document:
        try:
            with HistoryReader(self._path) as reader:
                rows = reader.told(
                    since=wish.since, until=wish.until, outage=wish.outage, instance=wish.instance,
                    before=wish.before, limit=wish.limit,
                )  # fmt: skip
                note = tell_kept(reader.segments())
        except NothingRecorded:
            rows, note = [], None
        records = records_by_event(rows[::-1])
        return {
            "schema": SCHEMA,
            "decisions": [decision_document(row, records.get(row.seq, [])) for row in rows],
            "next": rows[-1].seq if len(rows) == wish.limit else None,
            "note": note,
        }

    def decision(self, seq: int) -> Document:
        return self._ask(str(seq))

    def explain(self, what: str) -> Document:
        if what.isdecimal():
            raise ConnmonError(f"no service {what[:100]!r}", hint="Decisions are in /api/decisions/NUMBER")
        return self._ask(what)

    def _ask(self, what: str) -> Document:
        """What `explain` says. It runs in a process of its own: it decides everything since the last checkpoint again,
        which takes a processor for a moment, and charts and engine would take a fifth of the memory of this process.
        """
        document: Document = json.loads(run_command(self._path.parent, "explain", "--json", "--", what))
        return document

    def outages(self, before: int | None, limit: int) -> Document:
        try:
            with HistoryReader(self._path) as reader:
                total, page = reader.outage_page(before, limit)
                note = tell_kept(reader.segments())
        except NothingRecorded:
            total, page, note = 0, [], None
        return {
            "schema": SCHEMA,
            "outages": [outage_document(outage) for outage in page],
            "total": total,
            "next": page[-1].id if len(page) == limit and page[-1].id > 1 else None,
            "note": note,
        }

    def news(self, after: int, limit: int) -> Sequence[tuple[int, Document]] | None:
        with HistoryReader(self._path) as reader:
            if reader.newest() - after > limit:
                return None
            rows = reader.told(after=after, limit=limit)[::-1]
        records = records_by_event(rows)
        return [(row.seq, decision_document(row, records.get(row.seq, []))) for row in rows]
