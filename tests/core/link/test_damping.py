"""The penalty of a link that flaps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.core.link.damping import (
    count_fall,
    damped_until,
    describe_damping,
    highest_penalty,
    longest_damping,
    penalty_after_outage,
    penalty_at,
    reuse_at,
)
from connmon_agent.core.plan import DampingPlan, LinkPlan
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Link

PLAN = DampingPlan(penalty=1000.0, half_life=900.0, suppress=6000.0, reuse=750.0, ceiling=12000.0)
DAMPED = "restarts of available services are held back"
NOW = Timestamp(10_000.0, 1_795_016_520.0)

plans = st.builds(
    lambda reuse, suppress, ceiling, penalty, half_life: DampingPlan(
        penalty=penalty,
        half_life=half_life,
        suppress=reuse * suppress,
        reuse=reuse,
        ceiling=reuse * suppress * ceiling,
    ),
    reuse=st.floats(1, 1e3),
    suppress=st.floats(1.01, 100),
    ceiling=st.floats(1, 10),
    penalty=st.floats(1, 1e6),
    half_life=st.floats(1, 86400),
)
pauses = st.lists(st.floats(0, 1e6), min_size=1, max_size=30)


def fall(link: Link, now: Timestamp, plan: DampingPlan) -> Link:
    """The link after one more outage."""
    penalty = penalty_after_outage(link, now, plan)
    until = damped_until(link, penalty, now, plan)
    return Link(penalty=penalty, penalized=now, damped_until=until, falls=count_fall(link.falls, now))


def flap(times: int, *, every: float, plan: DampingPlan = PLAN) -> Link:
    """The link after so many outages, the last of them at ``NOW``."""
    link = Link()
    for number in range(times):
        link = fall(link, NOW.plus(-every * (times - 1 - number)), plan)
    return link


@pytest.mark.parametrize(
    ("seconds", "left"), [(0.0, 1000.0), (900.0, 500.0), (1800.0, 250.0), (9000.0, 1000 / 1024), (-5.0, 1000.0)]
)
def test_the_penalty_decays_by_half_in_every_half_life(seconds: float, left: float) -> None:
    link = Link(penalty=1000.0, penalized=NOW)
    assert penalty_at(link, NOW.plus(seconds), PLAN) == pytest.approx(left)


def test_a_link_that_never_failed_has_no_penalty() -> None:
    assert penalty_at(Link(), NOW, PLAN) == 0.0


@pytest.mark.parametrize(
    ("times", "every", "damped"),
    [
        pytest.param(1, 1.0, False, id="one outage"),
        pytest.param(6, 20.0, False, id="six within two minutes"),
        pytest.param(7, 20.0, True, id="the seventh within two minutes"),
        pytest.param(7, 150.0, False, id="seven in a quarter of an hour"),
        pytest.param(100, 600.0, False, id="six an hour, for ever"),
        pytest.param(100, 180.0, True, id="twenty an hour"),
    ],
)
def test_restarts_are_damped_for_what_flaps_and_for_nothing_else(times: int, every: float, damped: bool) -> None:
    assert (flap(times, every=every).damped_until is not None) == damped


def test_restarts_wait_until_the_penalty_has_decayed_to_reuse() -> None:
    link = flap(8, every=5.0)
    assert link.damped_until is not None
    assert penalty_at(link, link.damped_until, PLAN) == pytest.approx(PLAN.reuse)


def test_an_outage_while_restarts_wait_makes_them_wait_longer_although_it_is_below_suppress() -> None:
    link = flap(7, every=5.0)
    later = NOW.plus(2000.0)
    again = fall(link, later, PLAN)
    assert link.damped_until is not None and again.damped_until is not None
    assert again.penalty < PLAN.suppress
    assert again.damped_until.steady > link.damped_until.steady


@pytest.mark.parametrize(("penalty", "seconds"), [(750.0, 0.0), (1.0, 0.0), (1500.0, 900.0), (12000.0, 3600.0)])
def test_when_the_penalty_will_have_decayed(penalty: float, seconds: float) -> None:
    assert reuse_at(penalty, NOW, PLAN).steady == pytest.approx(NOW.steady + seconds)


def test_the_defaults_damp_for_an_hour_at_most() -> None:
    assert longest_damping(DampingPlan()) == pytest.approx(3600.0)


@pytest.mark.parametrize(
    ("half_life", "rise", "confirm_interval", "highest"),
    [(1.0, 1, 0.5, 2000.0), (2.0, 3, 0.5, 2000.0), (900.0, 3, 0.5, 649_700.0)],
    ids=["two rounds in a half-life", "four rounds in a half-life", "the defaults"],
)
def test_how_high_the_fastest_flapping_gets(
    half_life: float, rise: int, confirm_interval: float, highest: float
) -> None:
    plan = DampingPlan(penalty=1000.0, half_life=half_life)
    link = LinkPlan(rise=rise, confirm_interval=confirm_interval)
    assert highest_penalty(plan, link) == pytest.approx(highest, rel=1e-3)


@pytest.mark.parametrize(
    ("link", "told"),
    [
        (Link(), ""),
        (
            Link(damped_until=NOW.plus(2520.0), falls=(1.0, *(NOW.steady - second for second in range(7)))),
            f"{DAMPED} for 42 min, until 16:24 UTC: the link is flapping, 7 outages in the last hour",
        ),
        (
            Link(damped_until=NOW.plus(60.0), falls=(NOW.steady,)),
            f"{DAMPED} for 1 min, until 15:43 UTC: the link is flapping, 1 outage in the last hour",
        ),
        (
            Link(damped_until=NOW.plus(7.0798), falls=(NOW.steady,)),
            f"{DAMPED} for 7.1 s, until 15:42:07 UTC: the link is flapping, 1 outage in the last hour",
        ),
        (
            Link(damped_until=NOW.plus(60.0), falls=(NOW.steady,) * 100),
            f"{DAMPED} for 1 min, until 15:43 UTC: the link is flapping, at least 100 outages in the last hour",
        ),
    ],
    ids=["not damped", "seven times", "once", "for seconds", "very often"],
)
def test_the_reason_says_until_when_and_why(link: Link, told: str) -> None:
    assert describe_damping(link, NOW) == told


def test_only_the_outages_of_the_last_hour_are_counted_and_not_without_end() -> None:
    assert count_fall((NOW.steady - 3600.0, NOW.steady - 3599.0), NOW) == (NOW.steady - 3599.0, NOW.steady)
    assert len(count_fall((NOW.steady,) * 500, NOW)) == 100


@given(plans, pauses)
def test_no_flapping_damps_for_longer_than_the_ceiling_allows(plan: DampingPlan, pauses: list[float]) -> None:
    link, now = Link(), NOW
    for pause in pauses:
        now = now.plus(pause)
        if link.damped_until is not None and link.damped_until.steady <= now.steady:
            link = Link(penalty=link.penalty, penalized=link.penalized, falls=link.falls)  # the timer has ended it
        link = fall(link, now, plan)
        assert 0.0 < link.penalty <= plan.ceiling
        if link.damped_until is not None:
            damped = link.damped_until.steady - now.steady
            assert 0.0 < damped <= longest_damping(plan) + 1e-3


@given(plans, st.floats(0, 1e6), st.floats(0, 1e9), st.floats(0, 1e9))
def test_the_penalty_only_falls_between_outages_and_never_below_zero(
    plan: DampingPlan, penalty: float, first: float, more: float
) -> None:
    link = Link(penalty=penalty, penalized=NOW)
    assert penalty >= penalty_at(link, NOW.plus(first), plan) >= penalty_at(link, NOW.plus(first + more), plan) >= 0.0
