"""Which notices a step makes. Pure: the worlds before and after it, and the outbox as it stands, decide.

A channel gets one digest for each outage once it is over, and one that works offline is told at once when an outage
begins and when services give up. So that a flapping link does not flood people, the second message of a kind within an
hour waits for the end of that hour and tells everything up to then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace

from .link.monitoring_gaps import GAP_CAUSE
from .notices import UNSENT, Notice, NoticeKind, NoticeState, expire
from .timestamps import Timestamp
from .world import LinkState, Outage, ServiceState, World

ROLL_UP = 3600.0  # seconds between two digests, or two alarms, on one channel
LASTING = 600.0  # seconds after which an outage is told of although another one was within the hour
GATHERING = 10.0  # seconds in which further services may give up before it is told
AFTER_GAP = 60.0  # seconds for the link to prove that it works, after a monitoring gap that counts as an outage
ALARMS = (NoticeKind.OFFLINE, NoticeKind.RELAPSES)


def has_news(before: World, after: World) -> bool:
    """Whether a step may make notices: quick, since it is asked of every step."""
    if before.link.state != after.link.state:
        return LinkState.OFFLINE in (before.link.state, after.link.state) or before.outage != after.outage
    return before.outage != after.outage or bool(_given_up(before, after))


def decide_notices(
    before: World,
    after: World,
    *,
    at: Timestamp,
    seq: int,
    opened: Callable[[int], int],
    channels: Mapping[str, bool],
    known: Iterable[Notice],
) -> tuple[Notice, ...]:
    """The notices that are new or changed after event ``seq``, in the order of their numbers.

    ``opened`` gives the number of the event that opened an outage. ``channels`` says of each whether it works offline;
    ``known`` are the rows of the outbox, of which old ones that have ended may be missing.
    """
    outbox = _Outbox(known, at, seq)
    for name, works_offline in channels.items():
        channel = _Channel(outbox, name, works_offline)
        for outage in _ended(before, after):
            channel.close_outage(outage, after, opened(outage.id))
        if _is_back(before, after) and works_offline:
            channel.withdraw_alarms("the link was back before this was sent")
        if after.outage is not None and after.outage.ended is None:
            _tell_open_outage(channel, before, after, after.outage, opened)
    return outbox.changed()


def _tell_open_outage(
    channel: _Channel, before: World, after: World, outage: Outage, opened: Callable[[int], int]
) -> None:
    fell = after.link.state == LinkState.OFFLINE != before.link.state
    if fell and not outage.by_operator:
        if before.outage is None or before.outage.id != outage.id:
            channel.open_outage(outage, opened(outage.id))
        else:
            channel.note_relapse(outage, opened(outage.id))
    if _given_up(before, after):
        channel.note_given_up(outage, opened(outage.id))


def _ended(before: World, after: World) -> list[Outage]:
    """The outages that ended with this step. One that the next overtook has ended, too."""
    ended = []
    old, new = before.outage, after.outage
    if old is not None and old.ended is None and (new is None or new.id != old.id):
        ended.append(old)
    if new is not None and new.ended is not None and (old is None or old.id != new.id or old.ended is None):
        ended.append(new)
    return ended


def _is_back(before: World, after: World) -> bool:
    return before.link.state == LinkState.OFFLINE != after.link.state


def _given_up(before: World, after: World) -> list[str]:
    """The services that gave up with this step."""
    if before.services is after.services:
        return []
    return [
        name
        for name, service in after.services.items()
        if service.state == ServiceState.GAVE_UP
        and (name not in before.services or before.services[name].state != ServiceState.GAVE_UP)
    ]


def _lost_in(outage: Outage, world: World) -> bool:
    """Whether a service gave up in this very outage: those of before were told."""
    return any(
        service.state == ServiceState.GAVE_UP and service.since.steady >= outage.started.steady
        for service in world.services.values()
    )


class _Outbox:
    """The rows as they change during one decision."""

    def __init__(self, known: Iterable[Notice], at: Timestamp, seq: int) -> None:
        self.at, self.seq = at, seq
        self.rows = {notice.number: notice for notice in known}
        self._before = dict(self.rows)

    def put(self, notice: Notice) -> Notice:
        self.rows[notice.number] = notice
        return notice

    def next_number(self) -> int:
        return max(self.rows, default=0) + 1

    def changed(self) -> tuple[Notice, ...]:
        return tuple(self.rows[number] for number in sorted(self.rows) if self.rows[number] != self._before.get(number))


class _Channel:
    """One channel's part of the outbox."""

    def __init__(self, outbox: _Outbox, name: str, works_offline: bool) -> None:
        self._outbox, self._name, self._works_offline = outbox, name, works_offline
        self._at = outbox.at

    def open_outage(self, outage: Outage, opened: int) -> None:
        """Only who can be reached now is told: for the others the digest comes soon enough."""
        if self._works_offline:
            due = self._at.plus(AFTER_GAP) if outage.cause == GAP_CAUSE else self._alarm_due()
            self._add(NoticeKind.OFFLINE, outage, opened, due)

    def note_relapse(self, outage: Outage, opened: int) -> None:
        waiting = [one for one in self._rows(*ALARMS) if one.outage == outage.id and one.state in UNSENT]
        if waiting:
            self._extend(waiting)
            return
        if self._works_offline:
            due = self._alarm_due()
        else:
            due = self._due_after(self._last_told(NoticeKind.RELAPSES, outage=outage.id) or self._at)
        self._add_relapses(outage, opened, due)

    def _add_relapses(self, outage: Outage, opened: int, due: Timestamp) -> None:
        """A row that was withdrawn before any attempt is used again."""
        parts = [one for one in self._rows(NoticeKind.RELAPSES) if one.outage == outage.id]
        unused = [one for one in parts if one.attempts == 0 and one.state == NoticeState.EXPIRED]
        if not unused:
            part = max((one.part for one in parts), default=0) + 1
            self._add(NoticeKind.RELAPSES, outage, opened, due, part=part)
            return
        again = replace(unused[0], state=NoticeState.QUEUED, detail="", settled=None)
        self._outbox.put(replace(again, queued=self._at, due=due, until_seq=self._outbox.seq))

    def note_given_up(self, outage: Outage, opened: int) -> None:
        """One message an outage: what gives up later is in the digest."""
        if not self._works_offline:
            return
        told = [one for one in self._rows(NoticeKind.GAVE_UP) if one.outage == outage.id]
        if told:
            self._extend(told)
        else:
            self._add(NoticeKind.GAVE_UP, outage, opened, self._at.plus(GATHERING))

    def close_outage(self, outage: Outage, world: World, opened: int) -> None:
        """The digest tells all that was not sent yet, of this outage and of those before it."""
        lost = _lost_in(outage, world)
        if lost or not outage.by_operator:
            unsent = [one for one in self._rows(NoticeKind.DIGEST) if one.state == NoticeState.QUEUED]
            first = min([opened, *(one.from_seq for one in unsent)])
            last = self._last_told(NoticeKind.DIGEST)
            due = self._at if lost or last is None else self._due_after(last)
            digest = self._add(NoticeKind.DIGEST, outage, first, due)
            waits = [one.wait_until for one in unsent if one.wait_until is not None]
            self._outbox.put(replace(digest, wait_until=max(waits, default=None)))
            for one in unsent:
                if one.number != digest.number:
                    self._outbox.put(expire(one, f"included in notice {digest.number}", self._at))
        for one in self._rows(*ALARMS, NoticeKind.GAVE_UP):
            if one.outage == outage.id and one.state == NoticeState.QUEUED:
                self._outbox.put(expire(one, f"outage {outage.id} is over; its digest tells the rest", self._at))

    def withdraw_alarms(self, why: str) -> None:
        for one in self._rows(*ALARMS):
            if one.state == NoticeState.QUEUED:
                self._outbox.put(expire(one, why, self._at))

    def _rows(self, *kinds: str) -> list[Notice]:
        return [one for one in self._outbox.rows.values() if one.channel == self._name and one.kind in kinds]

    def _add(self, kind: str, outage: Outage, from_seq: int, due: Timestamp, *, part: int = 1) -> Notice:
        """A new row; where there is one of that name, as after a file was tampered with, that one stays."""
        for one in self._rows(kind):
            if (one.outage, one.part) == (outage.id, part):
                return one
        number, seq = self._outbox.next_number(), self._outbox.seq
        return self._outbox.put(Notice(number, outage.id, self._name, kind, from_seq, seq, self._at, due, part))

    def _extend(self, notices: Iterable[Notice]) -> None:
        for one in notices:
            if one.state == NoticeState.QUEUED:
                self._outbox.put(replace(one, until_seq=self._outbox.seq))

    def _last_told(self, *kinds: str, outage: int | None = None) -> Timestamp | None:
        """When the newest of these was sent, or is being sent; None: none was."""
        told = [
            self._at if one.state == NoticeState.SENDING else one.settled
            for one in self._rows(*kinds)
            if one.state in (NoticeState.SENT, NoticeState.SENDING) and outage in (None, one.outage)
        ]
        return max((when for when in told if when is not None), default=None)

    def _due_after(self, last: Timestamp) -> Timestamp:
        return self._at.plus(max(0.0, last.steady + ROLL_UP - self._at.steady))

    def _alarm_due(self) -> Timestamp:
        """At once, unless there was an alarm within the hour: then only an outage that lasts is told of before."""
        last = self._last_told(*ALARMS)
        if last is None:
            return self._at
        return min(self._due_after(last), self._at.plus(LASTING))
