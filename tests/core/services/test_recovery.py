"""Whose turn it is."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests.fakes.sites import plan_of

from connmon_agent.core.services.recovery import all_settled, darkness, link_is_back, may_act, next_in_turn, open_stage
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Link, LinkState, Outage, Service, World

BEGAN = Timestamp(1_000.0, 1_795_000_000.0)
BACK = BEGAN.plus(60.0)
NOW = BACK.plus(60.0)


def world_of(states: dict[str, str], *, parallel: int = 2, postponed: tuple[str, ...] = (), **changes: Any) -> World:
    """A recovery that may act; the services' names begin with the number of their stage."""
    depends_on = {name: ("0a",) for name in states if name.startswith("1")}
    services = {
        name: Service(name, state, postponed_since=BACK if name in postponed else None)
        for name, state in states.items()
    }
    world = World(
        store="disk0001",
        plan=plan_of(*states, depends_on=depends_on, parallel=parallel),
        link=Link(LinkState.RECOVERING, confirmed=True),
        outage=Outage(1, BEGAN, "no answer", back=BACK, hold_over=True),
        services=services,
    )
    return replace(world, **changes)


HELD = Outage(1, BEGAN, "no answer", back=BACK)


@pytest.mark.parametrize(
    ("changes", "back", "acts"),
    [
        pytest.param({}, True, True, id="back, held, good"),
        pytest.param({"outage": HELD}, False, False, id="the hold is not over"),
        pytest.param({"outage": None}, False, False, id="no outage"),
        pytest.param({"link": Link(LinkState.ONLINE, confirmed=True)}, False, False, id="online"),
        pytest.param({"link": Link(LinkState.OFFLINE)}, False, False, id="a relapse"),
        pytest.param({"link": Link(LinkState.RECOVERING)}, True, False, id="the last round was bad"),
        pytest.param({"paused": True}, True, False, id="paused"),
    ],
)
def test_when_services_may_be_touched(changes: dict[str, Any], back: bool, acts: bool) -> None:
    world = world_of({"0a": "WAITING"}, **changes)
    assert (link_is_back(world), may_act(world)) == (back, acts)
    assert bool(next_in_turn(world)) == acts


@pytest.mark.parametrize(
    ("states", "stage"),
    [
        pytest.param({"0a": "READY", "1a": "GAVE_UP", "1b": "UNKNOWN"}, None, id="all settled"),
        pytest.param({"0a": "READY", "1a": "WAITING"}, 1, id="the second one"),
        pytest.param({"0a": "WAITING", "1a": "WAITING"}, 0, id="waiting"),
        pytest.param({"0a": "RESTARTING", "1a": "WAITING"}, 0, id="restarting"),
        pytest.param({"0a": "VERIFYING", "1a": "WAITING"}, 0, id="verifying"),
        pytest.param({"0a": "BACKOFF", "1a": "WAITING"}, 0, id="in a pause"),
        pytest.param({"0a": "GAVE_UP", "1a": "WAITING"}, 1, id="given up"),
    ],
)
def test_the_lowest_unsettled_stage_is_the_open_one(states: dict[str, str], stage: int | None) -> None:
    world = world_of(states)
    assert open_stage(world) == stage
    assert all_settled(world) == (stage is None)


@pytest.mark.parametrize(
    ("states", "postponed", "turn"),
    [
        pytest.param({"0a": "WAITING", "0b": "WAITING", "0c": "WAITING"}, (), ["0a", "0b"], id="as many as allowed"),
        pytest.param({"0a": "WAITING", "1a": "WAITING"}, (), ["0a"], id="one stage only"),
        pytest.param({"0a": "VERIFYING", "0b": "WAITING", "0c": "WAITING"}, (), ["0b"], id="one place is taken"),
        pytest.param({"0a": "VERIFYING", "0b": "RESTARTING", "0c": "WAITING"}, (), [], id="no place is free"),
        pytest.param({"0a": "BACKOFF", "0b": "WAITING", "0c": "WAITING"}, (), ["0b", "0c"], id="a pause takes none"),
        pytest.param(
            {"0a": "WAITING", "0b": "WAITING", "0c": "WAITING"}, ("0a",), ["0b", "0c", "0a"], id="postponed ones last"
        ),
        pytest.param(
            {"0a": "WAITING", "0b": "WAITING", "0c": "WAITING"}, ("0a", "0b", "0c"), ["0a", "0b", "0c"], id="but all"
        ),
        pytest.param({"0a": "VERIFYING", "0b": "VERIFYING", "0c": "WAITING"}, ("0c",), [], id="and when one is free"),
    ],
)
def test_whose_turn_it_is(states: dict[str, str], postponed: tuple[str, ...], turn: list[str]) -> None:
    assert next_in_turn(world_of(states, postponed=postponed)) == turn


def test_darkness_ends_when_the_link_is_back() -> None:
    assert darkness(HELD, NOW) == 60.0
    assert darkness(replace(HELD, back=None), NOW) == 120.0
