"""What the page shows, in the words of `status`, `replay`, `explain` and `history`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import ConnmonError, NothingRecorded
from ..store.history_reading import HistoryReader
from ..store.reading import Reader
from ..web.views import Document, StateView, Wish
from .explain import NOW, explain_link_now, explain_recorded, explain_service_now
from .kept import tell_kept
from .rendering.explanation_document import event_document, link_document, service_document
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
        with Reader(self._path) as reader:
            return event_document(explain_recorded(reader, seq))

    def explain(self, what: str) -> Document:
        snapshot = take_snapshot(self._path)
        if snapshot.events == 0:
            raise ConnmonError("nothing has been recorded yet", hint="Run `connmon-agent start`")
        with Reader(self._path) as reader:
            if what == NOW:
                return link_document(explain_link_now(reader, snapshot))
            return service_document(explain_service_now(reader, snapshot, what))

    def outages(self, before: int | None, limit: int) -> Document:
        try:
            with Reader(self._path) as reader:
                found, note = reader.outages(), tell_kept(reader.segments())
        except NothingRecorded:
            found, note = [], None
        older = [outage for outage in found if before is None or outage.id < before]
        page = older[: -limit - 1 : -1]
        return {
            "schema": SCHEMA,
            "outages": [outage_document(outage) for outage in page],
            "total": len(found),
            "next": page[-1].id if len(page) < len(older) else None,
            "note": note,
        }

    def news(self, after: int, limit: int) -> Sequence[tuple[int, Document]] | None:
        with HistoryReader(self._path) as reader:
            if reader.newest() - after > limit:
                return None
            rows = reader.told(after=after, limit=limit)[::-1]
        records = records_by_event(rows)
        return [(row.seq, decision_document(row, records.get(row.seq, []))) for row in rows]
