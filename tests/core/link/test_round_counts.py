"""Rounds that only count are carried by the event after them: that decides as if each had been recorded."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.core.link.test_rounds import BAD, BROKEN, ENGINE, GOOD, PLUGGED, PORTAL, START, STEP, UNPLUGGED, event_of
from tests.fakes.sites import plan_of

from connmon_agent.core.events import AgentStarted, Configured, Event, RoundFinished
from connmon_agent.core.link.round_counts import FIELDS, only_counts, with_counts
from connmon_agent.core.steps import Step
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import World
from connmon_agent.store.layout import EVENTS

ROUNDS = (
    GOOD,
    BAD,
    PORTAL,
    BROKEN,
    "tcp+ dns- http-",
    "tcp+ dns+ http-",
    "tcp- dns- http- tcp6+ dns6+",
    "tcp+ dns+ http?",
)
stories = st.lists(st.sampled_from([*ROUNDS, *ROUNDS, UNPLUGGED, PLUGGED, "start"]), max_size=40)


class Life:
    """An agent that records what it must. ``world`` is what it knows, ``recorded`` what the state file holds."""

    def __init__(self, world: World) -> None:
        self.world = self.recorded = world
        self.commits: list[tuple[Event, Step]] = []
        self.counted = 0

    def take(self, event: Event) -> Step:
        step = ENGINE.step(self.world, event)
        if not step.changes(self.world):
            return step
        if isinstance(event, RoundFinished) and only_counts(self.world, step):
            self.counted += 1
        else:
            carrying = with_counts(event, self.recorded.link, self.world.link)
            again = ENGINE.step(self.recorded, EVENTS.from_text(EVENTS.to_text(carrying)))
            assert again == step, "the recorded event decides what the agent decided"
            self.recorded = again.world
            self.commits.append((carrying, again))
        self.world = step.world
        return step


def begin(**link: Any) -> tuple[Life, Timestamp]:
    plan = plan_of("web")
    life = Life(World(store="disk0001"))
    life.take(AgentStarted(START, 1, "0.1.0", "boot-1"))
    life.take(Configured(START, replace(plan, link=replace(plan.link, **link)), ENGINE.chart_hashes))
    return life, START


def event(told: Any, at: Timestamp) -> Event:
    return AgentStarted(at, 2, "0.1.0", "boot-1") if told == "start" else event_of(told, at)


@given(stories, st.integers(1, 4), st.integers(1, 4))
def test_what_is_recorded_decides_as_the_agent_did(story: list[Any], fall: int, rise: int) -> None:
    life, at = begin(fall=fall, rise=rise)
    for told in story:
        at = at.plus(STEP)
        life.take(event(told, at))


@given(stories, st.lists(st.sampled_from(ROUNDS), min_size=1, max_size=12), st.integers(1, 4))
def test_a_kill_takes_no_count_that_the_next_agent_would_have_used(
    story: list[Any], later: list[str], fall: int
) -> None:
    """It decides the same, whether the rounds before it were recorded or not."""
    life, at = begin(fall=fall)
    for told in story:
        at = at.plus(STEP)
        life.take(event(told, at))
    killed, informed = Life(life.recorded), Life(life.world)
    for told in ["start", *later]:
        at = at.plus(STEP)
        one, other = killed.take(event(told, at)), informed.take(event(told, at))
        assert [(t.source, t.dest) for t in one.transitions] == [(t.source, t.dest) for t in other.transitions]
        assert one.world.outage is None or one.world.outage.started == other.world.outage.started  # type: ignore[union-attr]
    assert (killed.world.link.good, killed.world.link.bad) == (informed.world.link.good, informed.world.link.bad)
    assert killed.world.link.doubts == informed.world.link.doubts


@pytest.mark.parametrize(
    ("story", "most"),
    [
        ([GOOD] * 3 + [BAD, GOOD] * 100, 6),
        ([GOOD] * 3 + [BAD, BAD, GOOD, GOOD] * 50, 6),
    ],
    ids=["good and bad take turns", "two of each"],
)
def test_a_link_that_is_bad_in_the_same_way_all_the_time_is_recorded_once(story: list[str], most: int) -> None:
    life, at = begin()
    before = len(life.commits)
    for told in story:
        at = at.plus(STEP)
        life.take(event_of(told, at))
    assert len(life.commits) - before <= most
    assert life.counted > 90


def test_the_counts_of_the_rounds_before_are_in_the_event_that_makes_an_outage() -> None:
    life, at = begin()
    for told in [*[GOOD] * 4, BAD, BAD, BAD]:
        at = at.plus(STEP)
        life.take(event_of(told, at))
    carrying, step = life.commits[-1]
    assert step.world.link.state == "OFFLINE"
    assert life.counted >= 2
    assert carrying.counts.bad == 2  # type: ignore[union-attr]
    assert step.world.outage is not None
    assert step.world.outage.started == at.plus(-2 * STEP)


def test_a_kind_that_is_doubted_for_sure_is_recorded() -> None:
    life, at = begin(fall=3)
    for told in ["tcp+ tcp+ http+ dns-"] * 3:
        at = at.plus(STEP)
        life.take(event_of(told, at))
    assert life.recorded.link.doubts == {"dns": 3}


def test_where_it_is_not_known_what_is_recorded_every_counter_is_carried() -> None:
    life, _ = begin()
    carrying = with_counts(event_of(GOOD, START), None, life.world.link)
    assert all(getattr(carrying.counts, name) == getattr(life.world.link, name) for name in FIELDS)


def test_every_count_is_a_field_of_the_link_of_the_same_type() -> None:
    assert set(FIELDS) <= set(type(World(store="x").link).__struct_fields__)


def test_an_event_without_counts_is_written_as_before() -> None:
    assert "counts" not in EVENTS.to_text(event_of(GOOD, START))
