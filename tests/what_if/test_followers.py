"""The fast way through very many rounds is the core's own: the same world after every round, whatever the rounds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.fakes.charts import real_charts
from tests.fakes.mornings import at, plan_of

from connmon_agent.core.engine import Engine
from connmon_agent.core.events import AgentStarted, Configured, EvidenceChanged, RoundFinished
from connmon_agent.core.observations import Evidence, Failure, ProbeResult
from connmon_agent.core.plan import LinkPlan
from connmon_agent.core.world import World
from connmon_agent.what_if.followers import Follower

ENGINE = Engine(real_charts(), fast=True)
CHARTS = {name: chart.sha256 for name, chart in real_charts().items()}
NO_CARRIER = Evidence(carrier=False, default_route=True, interface="eth0")
WELL = Evidence(carrier=True, default_route=True, interface="eth0")


def results_of(*answers: bool | None) -> tuple[ProbeResult, ...]:
    """Five targets of three kinds and two IP versions; None: the probe itself fails."""
    kinds = (("tcp", "ipv4"), ("tcp", "ipv6"), ("dns", "ipv4"), ("http", "ipv4"), ("icmp", "ipv6"))
    return tuple(
        ProbeResult(
            f"{kind} {number}", kind, ok is True, family=family,
            failure=None if ok else Failure.SILENT if ok is False else Failure.BROKEN,
        )
        for number, ((kind, family), ok) in enumerate(zip(kinds, answers, strict=True))
    )  # fmt: skip


PATTERNS = [
    results_of(True, True, True, True, True),
    results_of(False, False, False, False, False),
    results_of(None, None, None, None, None),
    results_of(True, False, True, True, False),
    results_of(False, True, False, False, True),
    results_of(True, True, False, True, True),
    results_of(False, False, False, True, False),
    results_of(True, False, False, False, False),
]

plans = st.builds(
    LinkPlan,
    quorum=st.integers(1, 3),
    fall=st.integers(1, 4),
    rise=st.integers(1, 4),
    boot_grace=st.sampled_from((0.0, 60.0)),
)
# A round of each number, so often in a row; minus one and two: the carrier goes and comes.
lives = st.lists(st.tuples(st.integers(-2, len(PATTERNS) - 1), st.integers(1, 12)), max_size=40)


def begin(plan: LinkPlan) -> World:
    world = ENGINE.step(World(store="k7"), AgentStarted(at(0), 1, "1", "boot-1", CHARTS)).world
    return ENGINE.step(world, Configured(at(0), replace(plan_of("web"), link=plan), CHARTS)).world


@settings(max_examples=150, deadline=None)
@given(plan=plans, life=lives)
def test_every_round_is_decided_as_the_core_decides_it(plan: LinkPlan, life: list[tuple[int, int]]) -> None:
    world = begin(plan)
    follower, second = Follower(world, ENGINE), 0.0
    for number, times in life:
        for _ in range(times):
            second += 0.5
            if number < 0:
                event = EvidenceChanged(at(second), NO_CARRIER if number == -1 else WELL)
                world = ENGINE.step(world, event).world
                follower.step(event)
                continue
            step = ENGINE.step(world, RoundFinished(at(second), PATTERNS[number]))
            taken = follower.take_round(at(second), PATTERNS[number], number)
            if taken is not None:
                assert taken == (world, step)
            else:
                assert not step.transitions
                assert not step.notes
            world = step.world
            assert follower.world == world
            assert follower.state == world.link.state


@settings(max_examples=60, deadline=None)
@given(plan=plans, life=lives)
def test_rounds_that_are_known_to_change_nothing_change_nothing(plan: LinkPlan, life: list[tuple[int, int]]) -> None:
    follower, second = Follower(begin(plan), ENGINE), 0.0
    for number, times in life:
        if number < 0:
            continue
        for _ in range(times):
            second += 0.5
            follower.take_round(at(second), PATTERNS[number], number)
        if follower.is_fixed(frozenset({number})):
            world = follower.world
            step = ENGINE.step(world, RoundFinished(at(second + 0.5), PATTERNS[number]))
            assert not step.changes(world)


@pytest.mark.parametrize("number", range(len(PATTERNS)))
def test_most_rounds_are_decided_once(number: int) -> None:
    """It is the fast way: rounds alike are not asked of the core again and again."""
    asked = 0

    class Counting(Engine):
        def step(self, world: World, event: object) -> object:  # type: ignore[override]
            nonlocal asked
            asked += 1
            return super().step(world, event)  # type: ignore[arg-type]

    follower = Follower(begin(LinkPlan(boot_grace=0.0)), Counting(real_charts(), fast=True))
    for second in range(2000):
        follower.take_round(at(second), PATTERNS[0 if second < 100 else number], number if second >= 100 else 0)
    assert asked < 150
