"""Progress of a rollout, by what the agent saw and by its own steady clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.fakes.charts import real_charts
from tests.fakes.sites import plan_of

from connmon_agent.core.engine import Engine
from connmon_agent.core.events import AgentStarted, Inspected
from connmon_agent.core.observations import Observation, Rollout, Unobserved
from connmon_agent.core.services.progress import makes_progress, still_for
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Service, ServiceState, World

BEGAN = Timestamp(1_000.0, 1_795_000_000.0)
ROLLING = Observation(desired=1, rollout=Rollout.UNDER_WAY, rolling=True, progress="0 of 1", progress_mark="a")
RECOVERY = plan_of("web").recovery
ENGINE = Engine(real_charts())


def world_of(state: str = ServiceState.UNKNOWN) -> World:
    return World(store="disk0001", plan=plan_of("web"), services={"web": Service("web", state)})


def look(world: World, seen: Observation | Unobserved, at: Timestamp) -> World:
    return ENGINE.step(world, Inspected(at, "web", seen)).world


looks = st.lists(
    st.tuples(st.sampled_from([0.5, 3.0, 100.0]), st.sampled_from(["a", "b", None]), st.floats(-1e6, 1e6)),
    min_size=1,
    max_size=12,
)


@given(looks)
def test_a_rollout_stands_still_since_the_first_of_the_looks_that_show_the_same(
    seen: list[tuple[float, str | None, float]],
) -> None:
    """Whatever the wall clock says, and whether or not every look got an answer."""
    world, at, since, mark = world_of(), BEGAN, BEGAN, None
    for seconds, shown, wall in seen:
        at = Timestamp(at.steady + seconds, BEGAN.wall + wall)
        measured_quality = (
            Unobserved("timeout", "no answer") if shown is None else replace(ROLLING, progress_mark=shown)
        )
        world = look(world, measured_quality, at)
        if shown is not None and shown != mark:
            since, mark = at, shown
        if shown is not None:
            assert (
                still_for(world.services["web"], replace(ROLLING, progress_mark=shown), at) == at.steady - since.steady
            )


@pytest.mark.parametrize(
    "seen",
    [
        replace(ROLLING, rolling=False),
        replace(ROLLING, rollout=Rollout.FAILED),
        Observation(desired=1, available=1),
        Observation(exists=False),
    ],
)
def test_what_is_over_is_measured_anew(seen: Observation) -> None:
    world = look(look(world_of(), ROLLING, BEGAN), seen, BEGAN.plus(5.0))
    assert world.services["web"].progressed is None
    world = look(world, ROLLING, BEGAN.plus(900.0))
    assert makes_progress(world.services["web"], ROLLING, BEGAN.plus(901.0), RECOVERY)


def test_what_was_not_watched_proves_nothing() -> None:
    world = look(world_of(), ROLLING, BEGAN)
    back = BEGAN.plus(3600.0)
    world = ENGINE.step(world, AgentStarted(back, 7, "1", "boot-2", {}, heartbeat=BEGAN)).world
    assert world.services["web"].progressed is None


def test_a_rollout_that_does_not_move_is_recorded_once() -> None:
    world = look(world_of(), ROLLING, BEGAN)
    step = ENGINE.step(world, Inspected(BEGAN.plus(5.0), "web", ROLLING))
    assert not step.changes(world)


@pytest.mark.parametrize("state", [state for state in ServiceState if state not in ("UNKNOWN", "WAITING")])
def test_only_a_rollout_that_a_restart_may_have_to_wait_for_is_measured(state: str) -> None:
    world = replace(world_of(state), services={"web": Service("web", state, deadline=2_000.0)})
    assert look(world, ROLLING, BEGAN).services["web"].progressed is None or state == "READY"
