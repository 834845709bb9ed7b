"""Which notices an outage makes, and how few."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.fakes.outboxes import Outbox

from connmon_agent.core.link.monitoring_gaps import GAP_CAUSE
from connmon_agent.core.notices import NoticeState, SendAnswer, SendResult
from connmon_agent.core.world import Link, LinkState

HOUR = 3600.0
DAY = 24 * HOUR
FAILED = SendAnswer(SendResult.FAILED, "connection refused")


def test_one_digest_an_outage_once_it_is_over() -> None:
    outbox = Outbox(mail=False, hook=False)
    outbox.live_through()
    over = outbox.now
    outbox.wait(30)
    assert [(notice.channel, notice.kind, when) for when, notice in outbox.sent] == [
        ("mail", "digest", over),
        ("hook", "digest", over),
    ]
    notice = outbox.sent[0][1]
    assert (notice.from_seq, notice.until_seq) == (1, 3)


def test_a_channel_that_works_offline_is_told_at_once() -> None:
    outbox = Outbox(sms=True, mail=False)
    outbox.fall()
    outbox.wait(1)
    assert [(when, notice.channel, notice.kind) for when, notice in outbox.sent] == [(0.0, "sms", "offline")]
    outbox.come_back()
    outbox.wait(5)
    outbox.give_up("service-1")
    outbox.wait(20)
    outbox.settle()
    outbox.wait(30)
    assert outbox.kinds("sms") == ["offline", "gave-up", "digest"]
    assert outbox.kinds("mail") == ["digest"]


@pytest.mark.parametrize("spread", [0, 0.1, 7])
def test_fifty_services_that_give_up_are_one_message(spread: float) -> None:
    outbox = Outbox(services=50, sms=True, mail=False)
    outbox.fall()
    outbox.wait(10)
    outbox.come_back()
    outbox.wait(10)
    for name in list(outbox.world.services):
        outbox.give_up(name)
        outbox.wait(spread)
    outbox.wait(60)
    assert outbox.kinds("sms") == ["offline", "gave-up"]
    assert outbox.kinds("mail") == []
    outbox.settle()
    outbox.wait(60)
    assert outbox.kinds("sms") == ["offline", "gave-up", "digest"]
    assert outbox.kinds("mail") == ["digest"]


def test_who_gives_up_with_the_last_step_is_in_the_digest_alone() -> None:
    outbox = Outbox(sms=True)
    outbox.fall()
    outbox.wait(5)
    outbox.come_back()
    lost = replace(outbox.world.services["service-0"], state="GAVE_UP", since=outbox.at)
    world = replace(outbox.world, services={**outbox.world.services, "service-0": lost}, link=Link(LinkState.ONLINE))
    assert world.outage is not None
    outbox.step(replace(world, outage=replace(world.outage, ended=outbox.at)))
    outbox.wait(60)
    assert outbox.kinds("sms") == ["offline", "digest"]


def test_a_hundred_outages_an_hour_are_one_message_and_one_an_hour() -> None:
    outbox = Outbox(mail=False, sms=True)
    for _ in range(300):
        outbox.live_through(dark=12, hold=12)
        outbox.wait(12)
    hours = outbox.now / HOUR
    assert hours == 3
    outbox.wait(HOUR)
    assert outbox.kinds("mail") == ["digest"] * 4
    assert outbox.kinds("sms").count("digest") == 4
    assert outbox.kinds("sms").count("offline") == 3
    covered = [notice for _, notice in outbox.sent if notice.channel == "mail"]
    assert covered[-1].outage == 300
    assert all(later.from_seq > earlier.until_seq for earlier, later in itertools.pairwise(covered))
    assert covered[0].from_seq == 1 and covered[-1].until_seq == outbox.seq
    assert len(outbox.sent) < 15


def test_a_hundred_relapses_an_hour_are_one_message_and_one_an_hour() -> None:
    outbox = Outbox(mail=False, sms=True)
    outbox.fall()
    outbox.wait(12)
    for _ in range(300):
        outbox.come_back()
        outbox.wait(18)
        outbox.relapse()
        outbox.wait(18)
    assert outbox.kinds("sms") == ["offline", "relapses", "relapses", "relapses"]
    assert outbox.kinds("mail") == ["relapses"] * 2  # it cannot be reached before the first hour is over
    parts = [notice.part for _, notice in outbox.sent if notice.kind == "relapses" and notice.channel == "sms"]
    assert parts == [1, 2, 3]
    outbox.come_back()
    outbox.settle()
    outbox.wait(60)
    assert outbox.kinds("mail") == ["relapses"] * 2 + ["digest"]
    assert not [one for one in outbox.rows.values() if one.unsent]


def test_an_outage_that_lasts_is_told_although_another_one_was_within_the_hour() -> None:
    outbox = Outbox(sms=True)
    outbox.live_through()
    outbox.wait(300)
    outbox.fall()
    began = outbox.now
    outbox.wait(HOUR)
    offline = [when - began for when, notice in outbox.sent if notice.kind == "offline"]
    assert offline[1:] == [600.0]


def test_the_second_digest_within_an_hour_does_not_wait_where_a_service_gave_up() -> None:
    outbox = Outbox(mail=False)
    outbox.live_through()
    outbox.wait(60)
    outbox.fall()
    outbox.come_back()
    outbox.give_up("service-2")
    outbox.settle()
    over = outbox.now
    outbox.wait(30)
    assert [when for when, _ in outbox.sent][1:] == [over]


def test_what_gave_up_before_the_outage_hurries_nothing() -> None:
    outbox = Outbox(mail=False)
    outbox.fall()
    outbox.give_up("service-2")
    outbox.come_back()
    outbox.settle()
    outbox.wait(60)
    outbox.live_through()
    outbox.wait(60)
    assert len(outbox.sent) == 1


def test_a_digest_that_waited_through_three_days_tells_everything_and_alarms_nobody() -> None:
    outbox = Outbox(mail=False, sms=True)
    outbox.answers = {"mail": FAILED, "sms": FAILED}
    outbox.live_through()
    outbox.wait(60)
    outbox.fall()
    outbox.wait(3 * DAY)
    outbox.come_back()
    outbox.wait(12)
    outbox.answers = {}
    outbox.settle()
    over = outbox.now
    outbox.wait(HOUR)
    assert outbox.kinds("mail") == outbox.kinds("sms") == ["digest"]
    for when, notice in outbox.sent:
        assert when == over
        assert (notice.outage, notice.from_seq, notice.until_seq) == (2, 1, outbox.seq)
    ended = {one.number: one for one in outbox.rows.values() if one.state == NoticeState.EXPIRED}
    assert {one.detail for one in ended.values()} <= {
        f"included in notice {notice.number}" for _, notice in outbox.sent
    } | {
        "the link was back before this was sent",
        "outage 1 is over; its digest tells the rest",
        "outage 2 is over; its digest tells the rest",
    }


def test_an_offline_notice_that_could_not_be_sent_is_withdrawn_when_the_link_is_back() -> None:
    outbox = Outbox(sms=True)
    outbox.answers = {"sms": FAILED}
    outbox.fall()
    outbox.wait(100)
    outbox.come_back()
    outbox.answers = {}
    outbox.wait(HOUR)
    assert outbox.sent == []


def test_a_monitoring_gap_that_counts_as_an_outage_alarms_only_where_the_link_does_not_work() -> None:
    outbox = Outbox(sms=True)
    outbox.fall(cause=GAP_CAUSE)
    outbox.wait(5)
    outbox.come_back()
    outbox.settle()
    outbox.wait(30)
    assert outbox.kinds("sms") == ["digest"]
    outbox = Outbox(sms=True)
    outbox.fall(cause=GAP_CAUSE)
    outbox.wait(70)
    assert outbox.kinds("sms") == ["offline"]


def test_a_recovery_that_an_operator_asked_for_is_told_only_where_a_service_gave_up() -> None:
    outbox = Outbox(mail=False, sms=True)
    outbox.order()
    outbox.settle()
    outbox.wait(60)
    assert outbox.sent == []
    outbox.order()
    outbox.give_up("service-0")
    outbox.wait(60)
    outbox.settle()
    outbox.wait(60)
    assert outbox.kinds("mail") == ["digest"]
    assert outbox.kinds("sms") == ["gave-up", "digest"]


def test_the_receivers_wish_holds_for_the_digest_that_takes_over() -> None:
    outbox = Outbox(mail=False)
    outbox.answers = {"mail": replace(FAILED, retry_after=500.0)}
    outbox.live_through()
    outbox.wait(10)
    (first,) = [one for one in outbox.rows.values() if one.unsent]
    outbox.fall()
    outbox.come_back()
    outbox.settle()
    (second,) = [one for one in outbox.rows.values() if one.unsent]
    assert second.number > first.number
    assert second.wait_until == first.wait_until is not None


def test_a_channel_that_was_added_later_is_told_of_the_next_outage() -> None:
    outbox = Outbox(mail=False)
    outbox.live_through()
    outbox.wait(60)
    outbox.channels = {"mail": False, "hook": False}
    outbox.wait(2 * HOUR)
    outbox.live_through()
    outbox.wait(60)
    assert outbox.kinds("hook") == ["digest"]


WAYS = ("fall", "come_back", "relapse", "settle", "give_up", "order", "wait", "long wait", "fail", "work")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WAYS), max_size=60))
def test_every_outage_is_told_once_on_every_channel(ways: list[str]) -> None:
    outbox = Outbox(mail=False, sms=True)
    ended: set[int] = set()
    for way in ways:
        _go(outbox, way)
        outage = outbox.world.outage
        if outage is not None and outage.ended is not None and not outage.by_operator:
            ended.add(outage.id)
    _go(outbox, "work")
    for way in ("come_back", "settle"):
        _go(outbox, way)
    outage = outbox.world.outage
    if outage is not None and outage.ended is not None and not outage.by_operator:
        ended.add(outage.id)
    outbox.wait(2 * HOUR)
    assert not [one for one in outbox.rows.values() if one.unsent]
    for channel in outbox.channels:
        told = [one for _, one in outbox.sent if one.channel == channel and one.kind == "digest"]
        for number in ended:
            opened = outbox.opened[number]
            assert sum(one.from_seq <= opened <= one.until_seq for one in told) == 1, number
        names = [(one.outage, one.kind, one.part) for one in outbox.rows.values() if one.channel == channel]
        assert len(names) == len(set(names))
        alarms = [when for when, one in outbox.sent if one.channel == channel and one.kind in ("offline", "relapses")]
        assert all(later - earlier >= 600 for earlier, later in itertools.pairwise(alarms))


def _go(outbox: Outbox, way: str) -> None:
    """Do it where the link's chart would."""
    state = outbox.world.link.state
    if way == "wait":
        outbox.wait(7)
    elif way == "long wait":
        outbox.wait(2000)
    elif way in ("fail", "work"):
        outbox.answers = dict.fromkeys(outbox.channels, FAILED) if way == "fail" else {}
    elif way == "give_up" and state == LinkState.RECOVERING:
        outbox.give_up("service-1")
    elif (
        (way in ("fall", "order") and state == LinkState.ONLINE)
        or (way == "come_back" and state == LinkState.OFFLINE)
        or (way == "settle" and state == LinkState.RECOVERING)
    ):
        getattr(outbox, way)()
    elif way == "relapse" and state == LinkState.RECOVERING and outbox.world.outage is not None:
        outbox.fall() if outbox.world.outage.by_operator else outbox.relapse()
