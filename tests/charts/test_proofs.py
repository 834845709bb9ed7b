"""Promises of a chart: what is proved, and with which way a broken one is refuted."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.kettles import VOCABULARY, kettle_data, rule

from connmon_agent.charts.chart import Chart, chart_from_data
from connmon_agent.charts.proofs import LIMITS, Product, find_broken_promises, tell_path

Data = dict[str, Any]


def test_a_right_chart_keeps_its_promises() -> None:
    assert _broken(kettle_data()) == []


def _forget_to_ask(data: Data) -> None:
    data["transitions"][0]["conditions"] = ["powered"]


def _ask_the_wrong_way(data: Data) -> None:
    data["transitions"][0]["conditions"] = ["powered", "tries_spent"]


def _charge_twice(data: Data) -> None:
    data["transitions"][5]["after"] = ["switch_on"]


def _never_give_back(data: Data) -> None:
    data["transitions"][7]["after"] = []


def _lose_the_repair(data: Data) -> None:
    data["transitions"][7]["dest"] = "PAUSED"
    data["transitions"][7]["source"] = ["BROKEN"]
    data["transitions"][5]["dest"] = "BROKEN"


def _switch_on_without_power(data: Data) -> None:
    data["transitions"][0]["conditions"] = ["tries_left"]


def _switch_on_elsewhere(data: Data) -> None:
    data["transitions"][4]["after"] = ["switch_on"]
    data["transitions"][4]["conditions"] = ["icy", "powered", "tries_left"]


@pytest.mark.parametrize(
    ("spoil", "broken"),
    [
        pytest.param(
            _forget_to_ask,
            [
                "bounded: switch_on runs once more when 1 of 1 tries are spent "
                "(COLD -looked-> HEATING -looked-> PAUSED -pause_over-> COLD -looked-> HEATING)"
            ],
            id="unasked-budget",
        ),
        pytest.param(
            _ask_the_wrong_way,
            ["reach: HOT cannot be reached any more in COLD with 0 of 1 tries spent (COLD)"],
            id="guard-of-the-same-group",
        ),
        pytest.param(
            _charge_twice,
            [
                "only_into: PAUSED -pause_over-> COLD runs switch_on and leads elsewhere",
                "requires: PAUSED -pause_over-> COLD runs switch_on without any of the conditions powered",
                "bounded: switch_on runs once more when 1 of 1 tries are spent "
                "(COLD -looked-> HEATING -looked-> PAUSED -pause_over-> COLD)",
            ],
            id="second-charge",
        ),
        pytest.param(
            _never_give_back,
            [
                "reach: HOT cannot be reached any more in PAUSED with 1 of 1 tries spent "
                "(COLD -looked-> HEATING -looked-> PAUSED)"
            ],
            id="only-when-spent",
        ),
        pytest.param(
            _lose_the_repair,
            ["reach: HOT cannot be reached any more in BROKEN (COLD -looked-> BROKEN)"],
            id="no-way-in-the-graph",
        ),
        pytest.param(
            _switch_on_without_power,
            ["requires: COLD -looked-> HEATING runs switch_on without any of the conditions powered"],
            id="missing-condition",
        ),
        pytest.param(
            _switch_on_elsewhere,
            ["only_into: HEATING -looked-> PAUSED runs switch_on and leads elsewhere"],
            id="second-place",
        ),
    ],
)
def test_a_broken_promise_is_refuted_by_a_way(spoil: Callable[[Data], None], broken: list[str]) -> None:
    data = kettle_data()
    spoil(data)
    assert _broken(data) == broken


def test_a_promise_from_one_state_does_not_bind_the_others() -> None:
    data = kettle_data()
    _lose_the_repair(data)
    data["properties"] = [{"reach": {"from": "HEATING", "to": "HOT"}}]
    assert _broken(data) == []
    data["properties"] = [{"reach": {"from": ["HEATING", "PAUSED"], "to": "HOT"}}]
    assert _broken(data) == [
        "reach: HOT cannot be reached any more in PAUSED (COLD -looked-> HEATING -looked-> PAUSED)"
    ]


def test_a_return_before_the_charge_makes_room_for_it() -> None:
    data = kettle_data()
    data["transitions"][0] |= {"conditions": ["powered"], "after": ["forget_tries", "switch_on"]}
    data["transitions"][1] |= {"conditions": [], "unless": ["powered"]}
    assert _broken(data) == []


def test_what_was_refunded_may_be_charged_again() -> None:
    data = kettle_data()
    data["budgets"]["tries"]["refunded_by"] = ["refund_try"]
    data["transitions"][4]["after"] = ["refund_try", "arm_pause"]
    assert _broken(data) == []
    graph = Product(chart_from_data(data), VOCABULARY, "tries", 2)
    assert {spent for state, spent in graph.walk(("COLD", 0)) if state == "PAUSED"} == {0}


def test_a_refund_of_nothing_makes_no_room() -> None:
    data = kettle_data()
    data["budgets"]["tries"]["refunded_by"] = ["refund_try"]
    data["transitions"][0] |= {"conditions": ["powered"], "after": ["refund_try", "switch_on"]}
    data["transitions"][1] |= {"conditions": [], "unless": ["powered"]}
    data["transitions"].append(rule("looked", "PAUSED", "HEATING", conditions=["powered"], after=["switch_on"]))
    assert any(promise.startswith("bounded: switch_on runs once more when 1 of 1 tries") for promise in _broken(data))


def test_a_return_after_the_charge_comes_too_late() -> None:
    data = kettle_data()
    data["transitions"][0]["conditions"] = ["powered", "tries_left"]
    data["transitions"][3] |= {"conditions": ["lukewarm", "powered"], "after": ["switch_on", "forget_tries"]}
    assert _broken(data) == [
        "bounded: switch_on runs once more when 1 of 1 tries are spent (COLD -looked-> HEATING -looked-> HEATING)"
    ]


def test_the_way_is_a_shortest_one() -> None:
    graph = Product(chart_from_data(kettle_data()), VOCABULARY)
    assert tell_path(graph.walk(("COLD", 0)), ("PAUSED", 0)) == "COLD -looked-> HEATING -looked-> PAUSED"
    assert tell_path(graph.walk(("COLD", 0)), ("COLD", 0)) == "COLD"


@pytest.mark.parametrize("limit", LIMITS)
def test_the_product_holds_every_state_with_every_spending_that_can_be(limit: int) -> None:
    paths = Product(chart_from_data(kettle_data()), VOCABULARY, "tries", limit).walk(("COLD", 0))
    assert {node for node in paths if node[0] == "BROKEN"} == {("BROKEN", limit)}
    assert {spent for state, spent in paths if state == "COLD"} == set(range(limit + 1))
    assert {spent for state, spent in paths if state == "HEATING"} == set(range(1, limit + 1))


STATES = ("A", "B", "C")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(STATES),
        st.sampled_from(STATES),
        st.sampled_from([[], ["tries_left"], ["tries_spent"], ["powered"]]),
        st.sampled_from([[], ["tries_left"]]),
        st.lists(st.sampled_from(["switch_on", "forget_tries"]), max_size=2),
    ),
    min_size=1,
    max_size=6,
)


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_a_bound_is_refuted_exactly_when_a_walk_breaks_it(steps: list[Any]) -> None:
    """Against brute force: every walk that is long enough to visit each state with each count, guard by guard."""
    chart = _walkable(steps)
    refuted = bool(find_broken_promises(chart, VOCABULARY))
    assert refuted == any(_overspends(chart, limit) for limit in LIMITS)


def _walkable(steps: list[Any]) -> Chart:
    transitions = [
        rule(f"e{number}", source, dest, conditions=conditions, unless=unless, after=list(dict.fromkeys(after)))
        for number, (source, dest, conditions, unless, after) in enumerate(steps)
    ]
    data = kettle_data() | {
        "initial": "A",
        "states": dict.fromkeys(STATES, "a state"),
        "events": {each["trigger"]: "an event" for each in transitions},
        "transitions": [*transitions, rule("spend", "C", "C", conditions=["tries_left"], after=["switch_on"])],
        "timers": {},
        "properties": [{"bounded": {"action": "switch_on", "budget": "tries"}}],
    }
    return chart_from_data(data)


def _overspends(chart: Chart, limit: int) -> bool:
    """Whether some walk charges the budget beyond ``limit``, found by walking without any cleverness."""
    places = {(chart.initial, 0)}
    for _ in range(len(STATES) * (limit + 1)):
        for (state, spent), powered in product(list(places), [False, True]):
            truth = {"tries_left": spent < limit, "tries_spent": spent >= limit, "powered": powered}
            for each in chart.transitions:
                if each.source != state or not all(truth[name] for name in each.conditions):
                    continue
                if any(truth[name] for name in each.unless):
                    continue
                now = spent
                for action in each.after:
                    now = 0 if action == "forget_tries" else now + 1
                    if now > limit:
                        return True
                places.add((each.dest, now))
    return False


def _broken(data: Data) -> list[str]:
    mistakes = find_broken_promises(chart_from_data(data), VOCABULARY)
    return [f"{mistake.path[2]}: {mistake.message.removeprefix('does not hold: ')}" for mistake in mistakes]
