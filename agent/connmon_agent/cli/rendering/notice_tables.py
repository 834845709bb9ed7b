"""`notify list`: the outbox as a table and as JSON, and its summary for `status`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import Any

from ...core.notices import Notice, NoticeState, find_failures
from ..wording import count_of, say_date_and_time, say_duration, say_time, write_instant
from .tables import lay_out
from .tones import Paint, Tone, paint_nothing

SCHEMA = 1
WIDTH = 80
RECENT = 10  # notices that have ended which are shown where not all are asked for

_HEAD = ("NO", "STATE", "CHANNEL", "KIND", "OUTAGE", "DETAIL")
_TONES = {
    NoticeState.QUEUED: Tone.UNSURE,
    NoticeState.SENDING: Tone.UNSURE,
    NoticeState.SENT: Tone.GOOD,
    NoticeState.EXPIRED: Tone.QUIET,
    NoticeState.REFUSED: Tone.BAD,
}


def render_notices(
    notices: Sequence[Notice],
    *,
    now: float,
    all_of_them: bool = False,
    width: int = WIDTH,
    paint: Paint = paint_nothing,
    zone: tzinfo | None = None,
) -> str:
    """One line a notice, the newest first: all that are unsent, and the newest that have ended.

    ``now`` is Unix seconds; ``zone`` None: the machine's.
    """
    if not notices:
        return "No notices."
    shown = list(reversed(notices)) if all_of_them else _choose(notices)
    rows = [_HEAD, *(_row(notice, now=now, zone=zone) for notice in shown)]
    head, *lines = lay_out(rows, width=width, limits={2: max(10, width // 5)})
    told = [paint(line, _TONES[NoticeState(one.state)]) for line, one in zip(lines, shown, strict=True)]
    left = len(notices) - len(shown)
    more = [f"\n{count_of(left, 'older notice')} not shown. Run `connmon-agent notify list --all`."] if left else []
    return "\n".join([paint(head, Tone.QUIET), *told, *more])


def notices_document(notices: Sequence[Notice]) -> dict[str, Any]:
    """The notices as JSON values, the oldest first; null: not yet."""
    return {"schema": SCHEMA, "notices": [_document(notice) for notice in notices]}


def outbox_document(notices: Sequence[Notice]) -> dict[str, Any]:
    """The outbox in `status --json`. ``oldest_at`` is when the oldest unsent notice was queued (null: none is),
    ``failures`` has the last notice of each channel that fails.
    """
    unsent = [notice for notice in notices if notice.unsent]
    return {
        "unsent": len(unsent),
        "oldest_at": write_instant(min((notice.queued for notice in unsent), default=None)),
        "failures": [_document(notice) for notice in find_failures(notices)],
    }


def tell_outbox(notices: Sequence[Notice], *, now: float, zone: tzinfo | None) -> Iterator[str]:
    """What people should know of it, in sentences; nothing where all is sent."""
    unsent = [notice for notice in notices if notice.unsent]
    if unsent:
        age = say_duration(now - min(notice.queued.wall for notice in unsent))
        yield f"Notices: {len(unsent)} unsent, oldest {age} old"
    for failed in find_failures(notices):
        ago = say_duration(now - (failed.tried or failed.queued).wall)
        retry = f"; {_tell_due(failed, now=now, zone=zone)}" if failed.state == NoticeState.QUEUED else ""
        yield f"Notices: {failed.channel} failed {ago} ago{retry}: {failed.detail}"


def _choose(notices: Sequence[Notice]) -> list[Notice]:
    ended = [notice for notice in notices if not notice.unsent][-RECENT:]
    return [one for one in reversed(notices) if one.unsent or one in ended]


def _row(notice: Notice, *, now: float, zone: tzinfo | None) -> tuple[str, ...]:
    detail = _tell(notice, now=now, zone=zone)
    return (str(notice.number), notice.state, notice.channel, notice.kind, str(notice.outage), detail)


def _tell(notice: Notice, *, now: float, zone: tzinfo | None) -> str:
    if notice.settled is not None:
        detail = f": {notice.detail}" if notice.detail else ""
        return f"{say_date_and_time(notice.settled.wall, zone=zone)}{detail}"
    if notice.state == NoticeState.SENDING and notice.tried is not None:
        return f"attempt {notice.attempts}, begun {say_duration(now - notice.tried.wall)} ago"
    failure = f"; attempt {notice.attempts} failed: {notice.detail}" if notice.attempts else ""
    return _tell_due(notice, now=now, zone=zone) + failure


def _tell_due(notice: Notice, *, now: float, zone: tzinfo | None) -> str:
    left = notice.due.wall - now
    what = "retry" if notice.attempts else "due"
    if left < 1:
        return f"{what} when the channel can be reached"
    return f"{what} in {say_duration(left)} ({say_time(notice.due.wall, zone=zone)})"


def _document(notice: Notice) -> dict[str, Any]:
    return {
        "number": notice.number,
        "outage": notice.outage,
        "channel": notice.channel,
        "kind": str(notice.kind),
        "part": notice.part,
        "state": str(notice.state),
        "attempts": notice.attempts,
        "detail": notice.detail or None,
        "from_event": notice.from_seq,
        "until_event": notice.until_seq,
        "queued_at": write_instant(notice.queued),
        "due_at": write_instant(notice.due) if notice.unsent else None,
        "tried_at": write_instant(notice.tried),
        "ended_at": write_instant(notice.settled),
    }
