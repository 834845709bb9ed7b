"""What becomes of a notice: attempts, pauses, and its end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from connmon_agent.core.notices import (
    EXPIRY,
    Notice,
    NoticeKind,
    NoticeState,
    SendAnswer,
    SendResult,
    begin_attempt,
    end_attempt,
    find_staleness,
    may_send,
    pause_after,
)
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Link, LinkState, Outage, World

FAILED = SendAnswer(SendResult.FAILED, "connection refused")


def at(seconds: float) -> Timestamp:
    return Timestamp(1000.0 + seconds, 1_790_000_000.0 + seconds)


def queued(kind: str = NoticeKind.DIGEST, outage: int = 1) -> Notice:
    return Notice(1, outage, "mail", kind, 10, 20, at(0), at(0))


def world(state: LinkState, *, outage: int = 1, ended: bool = False) -> World:
    return World(
        store="k7", link=Link(state), outage=Outage(outage, at(-60), "unreachable", ended=at(0) if ended else None)
    )


def test_pauses_double_from_ten_seconds_to_a_quarter_of_an_hour() -> None:
    pauses = [pause_after(attempts) for attempts in range(1, 12)]
    assert pauses[:8] == [10, 20, 40, 80, 160, 320, 640, 900]
    assert set(pauses[8:]) == {900}
    assert pause_after(10**9) == 900


def test_an_attempt_that_fails_is_made_again_and_says_why() -> None:
    begun = begin_attempt(queued(), at(5))
    assert (begun.state, begun.attempts, begun.tried) == (NoticeState.SENDING, 1, at(5))
    failed = end_attempt(begun, FAILED, at(7))
    assert (failed.state, failed.due, failed.detail) == (NoticeState.QUEUED, at(17), "connection refused")
    assert failed.settled is None


@pytest.mark.parametrize(
    ("result", "state"), [(SendResult.SENT, NoticeState.SENT), (SendResult.REFUSED, NoticeState.REFUSED)]
)
def test_what_was_sent_or_refused_for_good_has_ended(result: SendResult, state: NoticeState) -> None:
    ended = end_attempt(begin_attempt(queued(), at(5)), SendAnswer(result, "550 no such user"), at(6))
    assert (ended.state, ended.settled, ended.unsent) == (state, at(6), False)


def test_the_receivers_wish_is_obeyed_where_it_is_longer_than_the_pause() -> None:
    begun = begin_attempt(queued(), at(0))
    assert end_attempt(begun, replace(FAILED, retry_after=120.0), at(1)).due == at(121)
    assert end_attempt(begun, replace(FAILED, retry_after=120.0), at(1)).wait_until == at(121).steady
    assert end_attempt(begun, replace(FAILED, retry_after=2.0), at(1)).due == at(11)


def test_after_seven_days_it_is_given_up_whatever_the_wall_clock_says() -> None:
    late = Timestamp(at(EXPIRY - 1).steady, at(0).wall - 1e6)
    ended = end_attempt(begin_attempt(queued(), late), FAILED, late)
    assert ended.state == NoticeState.EXPIRED
    assert "7 days: connection refused" in ended.detail
    early = Timestamp(at(60).steady, at(0).wall + 1e6)
    assert end_attempt(begin_attempt(queued(), early), FAILED, early).state == NoticeState.QUEUED


@given(st.lists(st.tuples(st.floats(0, 60), st.none() | st.floats(0, 1e6)), max_size=60))
def test_a_notice_ends_within_seven_days_and_a_minute(attempts: list[tuple[float, float | None]]) -> None:
    notice, now = queued(), at(0)
    for took, asked in attempts:
        if not notice.unsent:
            break
        now = Timestamp(max(now.steady, notice.due.steady), max(now.wall, notice.due.wall))
        begun = begin_attempt(notice, now)
        now = now.plus(took)
        notice = end_attempt(begun, replace(FAILED, retry_after=asked), now)
        assert notice.due.steady - notice.queued.steady < EXPIRY
        assert notice.state == NoticeState.EXPIRED or notice.due.steady >= now.steady + max(10, asked or 0)


@pytest.mark.parametrize(
    ("kind", "now", "works_offline", "stale"),
    [
        (NoticeKind.OFFLINE, world(LinkState.OFFLINE), True, False),
        (NoticeKind.OFFLINE, world(LinkState.RECOVERING), True, True),
        (NoticeKind.OFFLINE, world(LinkState.ONLINE, ended=True), True, True),
        (NoticeKind.OFFLINE, world(LinkState.OFFLINE, outage=2), True, True),
        (NoticeKind.OFFLINE, world(LinkState.RECOVERING), False, True),  # `works_offline` was removed meanwhile
        (NoticeKind.GAVE_UP, world(LinkState.RECOVERING), True, False),
        (NoticeKind.GAVE_UP, world(LinkState.ONLINE, ended=True), True, True),
        (NoticeKind.RELAPSES, world(LinkState.RECOVERING), False, False),
        (NoticeKind.RELAPSES, world(LinkState.RECOVERING), True, True),
        (NoticeKind.DIGEST, world(LinkState.OFFLINE, outage=2), False, False),
    ],
)
def test_a_late_alarm_is_not_sent_and_a_late_digest_is(kind: str, now: World, works_offline: bool, stale: bool) -> None:
    assert (find_staleness(queued(kind), now, at(10), works_offline=works_offline) is not None) is stale


def test_nothing_is_sent_when_it_is_a_week_old_but_what_could_not_be_tried() -> None:
    online, offline = world(LinkState.ONLINE, ended=True), world(LinkState.OFFLINE, outage=2)
    why = find_staleness(queued(), online, at(EXPIRY), works_offline=False)  # its channel may have been removed
    assert why == "not sent within 7 days: no attempt was completed"
    assert find_staleness(queued(), offline, at(EXPIRY), works_offline=False) is None


def test_only_a_channel_that_works_offline_is_tried_while_the_link_is_down() -> None:
    for state in LinkState:
        alarm, lacking = queued(NoticeKind.GAVE_UP), state in (LinkState.OFFLINE, LinkState.STARTING)
        assert may_send(alarm, world(state), works_offline=True)
        assert may_send(alarm, world(state), works_offline=False) is not lacking


def test_a_digest_waits_for_that_of_the_outage_that_is_under_way() -> None:
    for state in (LinkState.OFFLINE, LinkState.RECOVERING):
        assert not may_send(queued(), world(state, outage=2), works_offline=True)
    assert may_send(queued(), world(LinkState.ONLINE, outage=2, ended=True), works_offline=False)
