"""What the journal no longer holds, in words: its oldest part is removed after a time."""

from __future__ import annotations

from typing import Any

from ..errors import ConnmonError
from ..store.checkpoints import Mark, Segments
from .wording import say_date_and_time, write_instant

HINT = "Set journal.keep and journal.max_size in the configuration to keep events longer"


def document_mark(mark: Mark | None) -> dict[str, Any] | None:
    """The event after which the journal is kept as JSON values; None: all of it is."""
    return None if mark is None else {"seq": mark.seq, "at": write_instant(mark.at)}


def tell_kept(segments: Segments) -> str | None:
    """``Events before 2026-09-21 14:13:20 were removed (journal.keep, journal.max_size).``; None: none were."""
    if segments.start is None:
        return None
    return (
        f"Events before {say_date_and_time(segments.start.at.wall, zone=None)} were removed"
        " (journal.keep, journal.max_size)."
    )


def require_kept(segments: Segments, seq: int) -> None:
    """Raise ConnmonError: event ``seq`` was removed."""
    if segments.start is not None and seq <= segments.kept_after:
        since = say_date_and_time(segments.start.at.wall, zone=None)
        raise ConnmonError(
            f"event {seq} was removed: the journal begins after event {segments.kept_after}, on {since}", hint=HINT
        )
