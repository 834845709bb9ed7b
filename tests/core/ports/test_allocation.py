"""Which local port each service gets: by example, and against trying every assignment there is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.core.plan import ForwardPlan
from connmon_agent.core.ports.allocation import allocate
from connmon_agent.loading.defaults import PORTS

Plans = dict[str, ForwardPlan]
Assignment = dict[str, int | None]


def plans_of(ports: Mapping[str, Collection[int]]) -> Plans:
    """The plans of services by their ports, the primary one first."""
    return {name: ForwardPlan(port, tuple(others)) for name, (port, *others) in ports.items()}


ERP = plans_of(PORTS)
PRIMARIES = {name: plan.port for name, plan in ERP.items()}


@pytest.mark.parametrize(
    ("taken", "held", "moved"),
    [
        pytest.param((), {}, {}, id="all free: everybody has the primary port"),
        pytest.param((8080,), {}, {"frontend": 8081}, id="the first alternative"),
        pytest.param((8080, 8081), {}, {"frontend": 8083}, id="8082 is frontend-custom's primary"),
        pytest.param(
            (8080, 8081), {"frontend-custom": 8182}, {"frontend": 8083, "frontend-custom": 8182}, id="even while away"
        ),
        pytest.param(
            (8080, 8081, 8082), {}, {"frontend": 8083, "frontend-custom": 8182}, id="a primary that is taken is no loss"
        ),
        pytest.param((8080, 8081, 8083, 8084), {}, {"frontend": None}, id="rather none than another's primary"),
        pytest.param((3000, 3001, 3002, 3003, 3004), {}, {"grafana": None}, id="the others are unharmed"),
        pytest.param((8081,), {"frontend": 8081}, {"frontend": 8081}, id="what is held is kept, though it is taken"),
        pytest.param((), {"frontend": 8083}, {"frontend": 8083}, id="what is held is kept, though the primary is free"),
        pytest.param((), {"frontend": 8082}, {"frontend": 8082, "frontend-custom": 8182}, id="even another's primary"),
        pytest.param((8080,), {"gone": 8081}, {"frontend": 8083}, id="in use by a service that has no plan"),
        pytest.param(range(1, 65536), {}, dict.fromkeys(ERP), id="nothing is free"),
    ],
)
def test_the_services_of_the_erp(taken: Collection[int], held: dict[str, int], moved: Assignment) -> None:
    assert allocate(ERP, taken=taken, held=held) == {**PRIMARIES, **moved}


@pytest.mark.parametrize(
    ("ports", "taken", "assigned"),
    [
        pytest.param({}, (), {}, id="no service"),
        pytest.param(
            {"a": (1, 5, 6), "b": (2, 5)},
            (1, 2),
            {"a": 6, "b": 5},
            id="the earlier one gives way so that both are served",
        ),
        pytest.param(
            {"a": (1, 5, 6), "b": (2, 5, 6)}, (1, 2), {"a": 5, "b": 6}, id="of equals the earlier one comes first"
        ),
        pytest.param(
            {"a": (1, 5, 6), "b": (2, 5, 7, 8, 6)}, (1, 2, 7, 8), {"a": 6, "b": 5}, id="the smallest sum of positions"
        ),
        pytest.param({"a": (1, 5), "b": (2, 5)}, (1, 2), {"a": 5, "b": None}, id="one port for two"),
        pytest.param(
            {"a": (1, 5, 6), "b": (2, 6, 7), "c": (3, 5)}, (1, 2, 3), {"a": 6, "b": 7, "c": 5}, id="a chain of moves"
        ),
        pytest.param({"a": (1, 5), "b": (1,)}, (), {"a": 5, "b": 1}, id="a primary port of two"),
    ],
)
def test_all_services_at_once(ports: dict[str, tuple[int, ...]], taken: tuple[int, ...], assigned: Assignment) -> None:
    assert allocate(plans_of(ports), taken=taken, held={}) == assigned


def test_the_order_of_the_services_is_kept() -> None:
    assert list(allocate(ERP, taken=(8080,), held={"jaeger": 16687})) == list(ERP)


def test_hundreds_of_services_that_compete_for_the_same_ports() -> None:
    plans = {f"s{number}": ForwardPlan(number, tuple(range(1000, 1020))) for number in range(300)}
    assigned = allocate(plans, taken=range(300), held={})
    assert list(assigned.values()) == [*range(1000, 1020), *[None] * 280]


def test_hundreds_of_services_that_all_have_to_move() -> None:
    # Each wants the port that the next one could have too, and the last one has no other.
    plans = {f"s{number}": ForwardPlan(number, (1001 + number, 1000 + number)) for number in range(299)}
    plans["last"] = ForwardPlan(299, (1299,))
    assigned = allocate(plans, taken=range(300), held={})
    assert list(assigned.values()) == [*range(1000, 1299), 1299]


Situation = tuple[Plans, frozenset[int], dict[str, int]]


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Up to four services that want the same few ports, some of which are taken and some held."""
    port = st.integers(1, 7)
    names = "abcd"[: draw(st.integers(0, 4))]
    plans = {name: ForwardPlan(draw(port), tuple(draw(st.lists(port, max_size=4)))) for name in names}
    holders = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    ports = draw(st.lists(port, unique=True, min_size=len(holders), max_size=len(holders)))
    return plans, frozenset(draw(st.sets(port))), dict(zip(holders, ports, strict=True))


def positions_of(plans: Plans, assigned: Assignment) -> list[float]:
    """Where in its list each service's port stands, the primary one at 0; infinitely late where it has none."""
    return [float("inf") if port is None else plans[name].candidates.index(port) for name, port in assigned.items()]


def rank(plans: Plans, assigned: Assignment) -> tuple[int, float, list[float]]:
    """The smaller the better: services without a port, sum of positions, positions from the first service on."""
    positions = positions_of(plans, assigned)
    served = [position for position in positions if position != float("inf")]
    return len(positions) - len(served), sum(served), positions


def every_assignment(situation: Situation) -> Iterator[Assignment]:
    """All that is allowed, for the services that hold nothing."""
    plans, taken, held = situation
    gone = taken | set(held.values())
    usable = {name: plan.port for name, plan in plans.items() if plan.port not in gone}
    choices = {
        name: [None, *{port for port in plan.candidates if port not in gone and is_for(name, port, usable)}]
        for name, plan in plans.items()
        if name not in held
    }
    for ports in product(*choices.values()):
        given_away = [port for port in ports if port is not None]
        if len(set(given_away)) == len(given_away):
            yield dict(zip(choices, ports, strict=True))


def is_for(name: str, port: int, usable: Mapping[str, int]) -> bool:
    """Whether the port is not another's primary while that one could use it, except where it is both's."""
    return usable.get(name) == port or port not in usable.values()


@given(situations())
def test_no_assignment_is_better(situation: Situation) -> None:
    plans, taken, held = situation
    assigned = allocate(plans, taken=taken, held=held)
    assert {name: port for name, port in assigned.items() if name in held} == held
    free = {name: port for name, port in assigned.items() if name not in held}
    allowed = list(every_assignment(situation))
    assert free in allowed
    assert rank(plans, free) == min(rank(plans, other) for other in allowed)


@given(situations())
def test_a_primary_port_that_can_be_had_is_had(situation: Situation) -> None:
    plans, taken, held = situation
    assigned = allocate(plans, taken=taken, held=held)
    primaries = [plan.port for plan in plans.values()]
    for name, plan in plans.items():
        if name not in held and plan.port not in taken | set(held.values()) and primaries.count(plan.port) == 1:
            assert assigned[name] == plan.port
