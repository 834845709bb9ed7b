"""Notices on their way: the real agent through outages, with everything that can fail while it sends."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace
from tests.fakes.messengers import LIMIT, FakeMessenger, Name
from tests.fakes.sites import Killed, Site, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.notices import Notice, NoticeState, SendAnswer, SendResult

FAILED = SendAnswer(SendResult.FAILED, "connection refused")
REFUSED = SendAnswer(SendResult.REFUSED, "550 no such user")
DAY = 86_400.0


def run(story: Callable[[Site], Awaitable[None]], *, every: float | None = None, **channels: bool) -> Site:
    """Live through ``story`` on a site with these channels. ``every``: for long stories the link is probed so many
    seconds apart, and there are no services.
    """
    plan = plan_of("web") if every is None else plan_of()
    if every is not None:
        plan = replace(plan, link=replace(plan.link, check_interval=every, offline_interval=every))
    site = Site(plan, fast=True)
    site.notify(**channels)

    async def live() -> None:
        await site.start()
        await story(site)
        await site.stop()

    run_virtually(live())
    return site


def states(site: Site) -> list[tuple[Name, str]]:
    rows = site.disk.notices.values()
    return [((one.outage, one.channel, str(one.kind), one.part), str(one.state)) for one in rows]


def test_a_digest_goes_out_within_seconds_of_online() -> None:
    times: list[float] = []

    async def story(site: Site) -> None:
        await site.live_through_outage()
        times.append(asyncio.get_running_loop().time())
        await site.wait(30)

    site = run(story, mail=False, hook=False)
    assert states(site) == [((1, "mail", "digest", 1), "sent"), ((1, "hook", "digest", 1), "sent")]
    assert {when - times[0] < 30 for when, _ in site.messenger.arrived} == {True}
    assert [notice.attempts for _, notice in site.messenger.attempts] == [1, 1]
    said = [record for record in site.said if record.about == "notices"]
    assert sorted((record.level, record.text) for record in said) == [
        ("info", "hook: digest of outage 1 (notice 2) sent"),
        ("info", "mail: digest of outage 1 (notice 1) sent"),
    ]


def test_without_channels_nothing_is_queued() -> None:
    async def story(site: Site) -> None:
        await site.live_through_outage()

    assert run(story).disk.notices == {}


def test_who_works_offline_is_told_while_the_link_is_down_and_nobody_else_is_tried() -> None:
    async def story(site: Site) -> None:
        await site.lose_link()
        await site.wait(60)
        assert site.messenger.names("sms") == [(1, "sms", "offline", 1)]
        site.link.up = True
        await site.until_link("ONLINE")
        await site.wait(30)

    site = run(story, mail=False, sms=True)
    assert site.messenger.names("sms") == [(1, "sms", "offline", 1), (1, "sms", "digest", 1)]
    assert [notice.channel for _, notice in site.messenger.attempts].count("mail") == 1


def test_a_failed_attempt_is_made_again_after_pauses_that_double() -> None:
    async def story(site: Site) -> None:
        site.messenger.answers["mail"] = [FAILED] * 5
        await site.live_through_outage()
        await site.wait(1000)

    site = run(story, mail=False)
    times = [when for when, _ in site.messenger.attempts]
    pauses = [round(later - earlier) for earlier, later in itertools.pairwise(times)]
    assert pauses == [10, 20, 40, 80, 160]
    assert states(site) == [((1, "mail", "digest", 1), "sent")]
    levels = [record.level for record in site.said if record.about == "notices"]
    assert levels == ["warning", "debug", "debug", "debug", "debug", "info"]


def test_a_refusal_for_good_ends_it_and_the_next_notice_is_sent() -> None:
    async def story(site: Site) -> None:
        site.messenger.answers["mail"] = [REFUSED]
        await site.live_through_outage()
        await site.wait(3600)
        await site.live_through_outage()
        await site.wait(30)

    site = run(story, mail=False)
    assert states(site) == [((1, "mail", "digest", 1), "refused"), ((2, "mail", "digest", 1), "sent")]
    assert site.disk.notices[1].detail == "550 no such user"


def test_a_channel_that_is_stuck_or_fails_delays_no_other() -> None:
    async def story(site: Site) -> None:
        site.messenger.hangs.add("stuck")
        site.messenger.answers["bad"] = [FAILED] * 1000
        await site.live_through_outage()
        await site.wait(30)
        assert site.messenger.names("mail") == [(1, "mail", "digest", 1)]
        await site.wait(2 * DAY)

    site = run(story, every=300, stuck=False, bad=False, mail=False)
    stuck = [when for when, notice in site.messenger.attempts if notice.channel == "stuck"]
    assert len(stuck) > 100
    assert all(later - earlier >= LIMIT for earlier, later in itertools.pairwise(stuck)), "one attempt at a time"


def test_the_wish_of_a_receiver_holds_for_the_whole_channel() -> None:
    async def story(site: Site) -> None:
        site.messenger.answers["mail"] = [SendAnswer(SendResult.FAILED, "429", retry_after=5000.0)]
        await site.live_through_outage()
        await site.wait(60)
        await site.live_through_outage()
        await site.wait(6000)

    site = run(story, mail=False)
    first, second = (when for when, _ in site.messenger.attempts)
    assert second - first >= 5000
    assert [name[0] for name in site.messenger.names("mail")] == [2]


def test_it_is_given_up_after_seven_days() -> None:
    async def story(site: Site) -> None:
        site.messenger.answers["mail"] = [FAILED] * 10_000
        await site.live_through_outage()
        await site.wait(7.1 * DAY)

    site = run(story, every=300, mail=False)
    (notice,) = site.disk.notices.values()
    assert (notice.state, notice.detail) == ("expired", "not sent within 7 days: connection refused")
    assert 650 < len(site.messenger.attempts) < 700


def test_a_digest_that_was_queued_before_three_days_offline_is_told_with_them() -> None:
    async def story(site: Site) -> None:
        site.messenger.answers["mail"] = [FAILED] * 1000
        await site.live_through_outage()
        await site.lose_link()
        await site.wait(3 * DAY)
        site.messenger.answers.clear()
        site.link.up = True
        await site.until_link("ONLINE")
        await site.wait(30)

    site = run(story, every=300, mail=False)
    assert site.messenger.names("mail") == [(2, "mail", "digest", 1)]
    assert site.messenger.arrived[0][1].from_seq == site.disk.opened[1]


def test_a_notice_is_not_sent_before_the_attempt_is_recorded_nor_again_where_its_end_cannot_be() -> None:
    async def story(site: Site) -> None:
        def fill_up(notice: Notice) -> None:
            if notice.state == NoticeState.SENT:
                site.disk.attempted, site.disk.fail = None, "full"

        site.disk.attempted = fill_up
        await site.live_through_outage()
        await site.until(lambda: site.disk.fail is not None)
        await site.wait(100)
        assert states(site) == [((1, "mail", "digest", 1), "sending")]
        site.disk.fail = None
        await site.wait(100)

    site = run(story, mail=False)
    assert states(site) == [((1, "mail", "digest", 1), "sent")]
    assert len(site.messenger.arrived) == 1


def test_an_agent_that_stops_lets_the_attempt_end() -> None:
    async def story(site: Site) -> None:
        await site.live_through_outage()
        await site.until(lambda: bool(site.messenger.attempts))

    site = run(story, mail=False)
    assert states(site) == [((1, "mail", "digest", 1), "sent")]


def test_an_attempt_that_holds_up_the_end_is_cut_off_and_made_again() -> None:
    async def story(site: Site) -> None:
        site.messenger.hangs.add("mail")
        await site.live_through_outage()
        await site.until(lambda: bool(site.messenger.attempts))
        began = asyncio.get_running_loop().time()
        await site.stop()
        assert asyncio.get_running_loop().time() - began < 5
        assert states(site) == [((1, "mail", "digest", 1), "sending")]
        site.messenger.hangs.clear()
        await site.start()
        await site.until_link("ONLINE")
        await site.wait(30)

    site = run(story, mail=False)
    assert states(site) == [((1, "mail", "digest", 1), "sent")]
    assert [notice.attempts for _, notice in site.messenger.attempts] == [1, 2]


class Broken(FakeMessenger):
    """A mistake of ours."""

    async def send(self, notice: Notice) -> SendAnswer:
        await super().send(notice)
        raise RuntimeError("boom")


def test_a_mistake_of_ours_is_reported_and_made_once_a_quarter_of_an_hour() -> None:
    async def story(site: Site) -> None:
        await site.live_through_outage()
        await site.wait(3600)

    site = Site(plan_of("web"))
    site.messenger = Broken(up=lambda: True)
    site.notify(mail=False)

    async def live() -> None:
        await site.start()
        await story(site)
        await site.stop()

    run_virtually(live())
    assert 4 <= len(site.messenger.attempts) <= 5
    assert any("internal error in the task send notices to mail" in record.text for record in site.said)


def test_a_mistake_of_ours_while_one_is_given_up_is_not_made_again_at_once_either() -> None:
    blunders: list[NoticeState | str] = []

    async def story(site: Site) -> None:
        def blunder(notice: Notice) -> None:
            if notice.state == NoticeState.EXPIRED:
                blunders.append(notice.state)
                raise RuntimeError("boom")

        site.disk.attempted = blunder
        site.messenger.hangs.add("sms")  # so that the alarm is still on its way when the link is back
        await site.live_through_outage()
        await site.wait(3600)

    run(story, sms=True)
    assert 3 <= len(blunders) <= 5


def killed_at(nth: int) -> tuple[Site, bool]:
    """A life with two channels, killed at the ``nth`` commit or record of an attempt after the link is back; whether
    there was one so late.
    """
    site = Site(plan_of("web"))
    site.notify(mail=False, sms=True)
    left = nth

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0 and not site.disk.dead:
            site.die()
            raise Killed

    async def live() -> None:
        await site.start()
        await site.until_link("ONLINE")
        site.disk.before = site.disk.attempted = count
        site.link.up = False
        for _ in range(200):
            await site.wait(0.1)
            if site.disk.dead:
                await come_again()
        site.link.up = True
        for _ in range(2000):
            await site.wait(0.1)
            if site.disk.dead:
                await come_again()
        await site.stop()

    async def come_again() -> None:
        site.disk.before = site.disk.attempted = None
        await site.kill()
        await site.wait(3)
        await site.start()

    run_virtually(live())
    return site, left <= 0


@pytest.mark.parametrize("nth", range(1, 40))
def test_killed_at_any_write_no_notice_is_lost_and_one_a_channel_at_most_arrives_twice(nth: int) -> None:
    site, died = killed_at(nth)
    assert set(site.messenger.names("mail")) == {(1, "mail", "digest", 1)}
    assert (1, "sms", "digest", 1) in site.messenger.names("sms")
    for channel in site.messenger.channels:
        names = site.messenger.names(channel)
        assert len(names) - len(set(names)) <= int(died)
    assert not site.disk.unsent


def test_some_of_those_kills_made_a_message_arrive_twice_and_the_last_came_after_everything() -> None:
    lives = [killed_at(nth) for nth in range(1, 40)]
    assert not lives[-1][1]
    assert [site for site, _ in lives if len(site.messenger.arrived) > 3]


@pytest.mark.parametrize("after", [0.05, 0.15, 0.25, 0.35, 0.45])
def test_killed_while_a_message_is_on_its_way_it_is_sent_again(after: float) -> None:
    async def story(site: Site) -> None:
        await site.live_through_outage()
        await site.until(lambda: bool(site.messenger.attempts))
        await site.wait(after)
        await site.kill()
        await site.wait(3)
        await site.start()
        await site.until_link("ONLINE")
        await site.wait(30)

    site = run(story, mail=False)
    names = site.messenger.names("mail")
    assert set(names) == {(1, "mail", "digest", 1)}
    assert len(names) - 1 == site.messenger.unheard <= 1
    assert states(site) == [((1, "mail", "digest", 1), "sent")]
