"""Notices: messages to people about an outage, one row each in the outbox, and what becomes of a row.

The outbox is no part of the world: no decision rests on it, and a replay does not make it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from .timestamps import Timestamp
from .world import LinkState, World

FIRST_PAUSE, LONGEST_PAUSE = 10.0, 900.0  # seconds before the second attempt, and the most between two
EXPIRY = 7 * 86_400.0  # seconds after which an unsent notice is given up, by the steady clock


class NoticeKind(StrEnum):
    DIGEST = "digest"  # the outage is over: all of it
    OFFLINE = "offline"  # it began
    GAVE_UP = "gave-up"  # services have used all their restart attempts, and the outage goes on
    RELAPSES = "relapses"  # it goes on, and the link was back in between


class NoticeState(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"  # an attempt is under way, or an agent died during one: then it is sent again
    SENT = "sent"
    EXPIRED = "expired"  # it was not sent in time, another notice tells the same, or it was dropped
    REFUSED = "refused"  # the receiver refused it for good


UNSENT = (NoticeState.QUEUED, NoticeState.SENDING)


class Notice(Struct, frozen=True):
    """One message on one channel. ``outage``, ``channel``, ``kind`` and ``part`` name it for good.

    ``number`` is its row in this state file. ``part`` counts the messages of one kind about one outage, from 1; only
    RELAPSES has several. It tells of events ``from_seq`` to ``until_seq``; a digest may cover earlier outages, too.
    ``detail`` is why the newest attempt failed, or how the notice ended. ``tried`` is when the newest attempt began,
    ``settled`` when the notice ended (None: not yet). ``wait_until``: steady seconds before which the receiver wants
    no message on this channel (None: it did not say).
    """

    number: int
    outage: int
    channel: str
    kind: str
    from_seq: int
    until_seq: int
    queued: Timestamp
    due: Timestamp
    part: int = 1
    state: str = NoticeState.QUEUED
    attempts: int = 0
    detail: str = ""
    tried: Timestamp | None = None
    settled: Timestamp | None = None
    wait_until: float | None = None

    @property
    def unsent(self) -> bool:
        """Whether it is still to be sent."""
        return self.state in UNSENT


class SendResult(StrEnum):
    SENT = "sent"
    REFUSED = "refused"  # it will never be taken
    FAILED = "failed"  # it may be taken later


class SendAnswer(Struct, frozen=True):
    """How one attempt ended. ``retry_after``: seconds that the receiver asks for (None: it does not)."""

    result: SendResult
    detail: str = ""
    retry_after: float | None = None


def begin_attempt(notice: Notice, at: Timestamp) -> Notice:
    """The notice while an attempt is under way."""
    return replace(notice, state=NoticeState.SENDING, attempts=notice.attempts + 1, tried=at)


def end_attempt(notice: Notice, answer: SendAnswer, at: Timestamp) -> Notice:
    """The notice after an attempt."""
    if answer.result is SendResult.SENT:
        return replace(notice, state=NoticeState.SENT, detail=answer.detail, settled=at, wait_until=None)
    if answer.result is SendResult.REFUSED:
        return replace(notice, state=NoticeState.REFUSED, detail=answer.detail, settled=at, wait_until=None)
    asked = max(0.0, answer.retry_after or 0.0)
    due = at.plus(max(pause_after(notice.attempts), asked))
    if due.steady - notice.queued.steady >= EXPIRY:
        return expire(notice, f"not sent within 7 days: {answer.detail}", at)
    wait = at.steady + asked if asked else None
    return replace(notice, state=NoticeState.QUEUED, detail=answer.detail, due=due, wait_until=wait)


def pause_after(attempts: int) -> float:
    """Seconds from a failed attempt to the next one, after so many attempts."""
    return min(FIRST_PAUSE * 2.0 ** min(max(attempts - 1, 0), 10), LONGEST_PAUSE)


def expire(notice: Notice, why: str, at: Timestamp) -> Notice:
    """The notice as it ends unsent."""
    return replace(notice, state=NoticeState.EXPIRED, detail=why, settled=at, wait_until=None)


def find_staleness(notice: Notice, world: World, at: Timestamp, *, works_offline: bool) -> str | None:
    """Why ``notice`` is not to be sent any more, in words; None: it is. A late alarm would be a false one."""
    aged = at.steady - notice.queued.steady >= EXPIRY
    if aged and may_send(notice, world, works_offline=works_offline):
        return f"not sent within 7 days: {notice.detail or 'no attempt was completed'}"
    if notice.kind == NoticeKind.DIGEST:
        return None
    outage = world.outage
    if outage is None or outage.id != notice.outage or outage.ended is not None:
        return f"outage {notice.outage} is over; its digest tells the rest"
    # Of relapses a channel that needs the link hears when it is back: it can only then.
    is_alarm = notice.kind == NoticeKind.OFFLINE or (works_offline and notice.kind == NoticeKind.RELAPSES)
    if is_alarm and not _is_down(world):
        return "the link was back before this was sent"
    return None


def may_send(notice: Notice, world: World, *, works_offline: bool) -> bool:
    """Whether ``notice`` is to be tried now. Without a link an attempt would only take power and time. A digest that
    the next outage overtook waits for that one's, which tells both.
    """
    outage = world.outage
    open_now = outage is not None and outage.ended is None and not outage.by_operator
    if notice.kind == NoticeKind.DIGEST and open_now:
        return False
    return works_offline or world.link.state not in (LinkState.OFFLINE, LinkState.STARTING)


def _is_down(world: World) -> bool:
    return world.link.state == LinkState.OFFLINE


def find_failures(notices: Sequence[Notice]) -> list[Notice]:
    """Of each channel that is in trouble the notice that failed last: no later one was sent. The newest first."""
    newest: dict[str, Notice] = {}
    for one in notices:
        ended = one.state == NoticeState.SENT or _has_failed(one)
        if ended and one.tried is not None and _tried(newest.get(one.channel)) <= one.tried.steady:
            newest[one.channel] = one
    return sorted((one for one in newest.values() if _has_failed(one)), key=_tried, reverse=True)


def _tried(notice: Notice | None) -> float:
    """When it was tried last, in steady seconds; before everything, where it was not."""
    return float("-inf") if notice is None or notice.tried is None else notice.tried.steady


def _has_failed(notice: Notice) -> bool:
    if notice.state == NoticeState.REFUSED:
        return True
    return notice.attempts > 0 and notice.state in (NoticeState.QUEUED, NoticeState.EXPIRED) and bool(notice.detail)
