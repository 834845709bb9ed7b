"""A chart as data: what is read, what its canonical text says, and what is found wrong with it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.kettles import VOCABULARY, kettle_data, rule

from connmon_agent.charts.chart import Bounded, Chart, ChartBudget, Declared, Reach, Rule, Timer, chart_from_data
from connmon_agent.charts.chart_checks import find_mistakes, judge_data
from connmon_agent.charts.vocabulary import Guard, Vocabulary
from connmon_agent.errors import ConfigurationError

Data = dict[str, Any]


def test_everything_that_is_written_is_read() -> None:
    chart = chart_from_data(kettle_data())
    assert (chart.name, chart.initial) == ("kettle", "COLD")
    assert list(chart.states) == ["COLD", "HEATING", "PAUSED", "HOT", "BROKEN"]
    assert chart.events["looked"] == "somebody looked at the water"
    assert chart.actions["switch_on_again"] == Declared("cas-token", repeats="switch_on")
    assert chart.budgets == {"tries": ChartBudget("max_tries", "tries_left", ("forget_tries",))}
    assert chart.timers == {"pause": Timer(("arm_pause",), "pause_over")}
    assert chart.properties[0] == Reach(("*",), "HOT")
    assert chart.properties[3] == Bounded("switch_on", "tries")
    assert chart.transitions[0] == Rule(
        trigger="looked",
        source="COLD",
        dest="HEATING",
        conditions=("powered", "tries_left"),
        after=("switch_on",),
        reason="try {attempt} of {limit}",
    )


def test_a_transition_with_several_sources_becomes_one_rule_each() -> None:
    repaired = [rule for rule in chart_from_data(kettle_data()).transitions if rule.trigger == "repaired"]
    assert [(each.source, each.dest, each.index) for each in repaired] == [("BROKEN", "COLD", 7), ("PAUSED", "COLD", 7)]


def test_a_star_stands_for_every_state() -> None:
    data = kettle_data()
    data["transitions"][7]["source"] = "*"
    chart = chart_from_data(data)
    assert [each.source for each in chart.transitions if each.trigger == "repaired"] == list(chart.states)


def test_rules_are_found_by_state_and_trigger_in_the_files_order() -> None:
    chart = chart_from_data(kettle_data())
    assert [each.dest for each in chart.rules_for("HEATING", "looked")] == ["HOT", "HEATING", "PAUSED"]
    assert chart.rules_for("HOT", "repaired") == ()
    assert chart.rules_for("GONE", "looked") == ()


def test_the_canonical_text_reads_back_as_the_same_chart() -> None:
    chart = chart_from_data(kettle_data())
    again = chart_from_data(json.loads(chart.text))
    assert again == chart
    assert (again.text, again.sha256) == (chart.text, chart.sha256)


def _shorthand(data: Data) -> None:
    data["transitions"][0]["conditions"] = ("powered", "tries_left")
    data["transitions"][2]["conditions"] = "boiling"
    data["transitions"][5]["source"] = ["PAUSED"]
    data["transitions"][5]["unless"] = []


def _reorder(data: Data) -> None:
    data["states"] = dict(reversed(data["states"].items()))
    data["transitions"][0] = dict(reversed(data["transitions"][0].items()))


def _split_sources(data: Data) -> None:
    data["transitions"][7:] = [{**data["transitions"][7], "source": source} for source in ("BROKEN", "PAUSED")]


@pytest.mark.parametrize("write_otherwise", [_shorthand, _reorder, _split_sources])
def test_what_means_the_same_has_the_same_digest(write_otherwise: Callable[[Data], None]) -> None:
    data = kettle_data()
    write_otherwise(data)
    assert chart_from_data(data).sha256 == chart_from_data(kettle_data()).sha256


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(("summary",), id="summary"),
        pytest.param(("states", "HOT"), id="description"),
        pytest.param(("transitions", 0, "reason"), id="reason"),
    ],
)
def test_any_other_word_changes_the_digest(path: tuple[str | int, ...]) -> None:
    data: Any = kettle_data()
    *path, last = path
    place = data
    for step in path:
        place = place[step]
    place[last] = "other words"
    assert chart_from_data(data).sha256 != chart_from_data(kettle_data()).sha256


def test_the_order_of_transitions_is_part_of_the_chart() -> None:
    data = kettle_data()
    data["transitions"].reverse()
    assert chart_from_data(data).sha256 != chart_from_data(kettle_data()).sha256


def test_data_of_wrong_form_is_refused_with_every_mistake() -> None:
    data = kettle_data()
    del data["summary"]
    data["timers"]["pause"]["rings"] = "BELL"
    with pytest.raises(ConfigurationError) as caught:
        chart_from_data(data)
    assert [str(problem) for problem in caught.value.problems] == [
        "chart kettle: summary: is missing",
        "chart kettle: timers.pause.rings: unknown key; known here: armed_by, event",
    ]


@pytest.mark.parametrize("data", [None, [], "kettle", 7, {"chart": {}}, {"transitions": [None]}], ids=repr)
def test_anything_can_be_judged_without_an_exception(data: object) -> None:
    assert judge_data(data, VOCABULARY)[1]


def test_a_right_chart_has_no_mistakes() -> None:
    assert find_mistakes(chart_from_data(kettle_data()), VOCABULARY) == []


def test_an_effect_off_every_cycle_needs_no_budget() -> None:
    data = _lamp(rule("pressed", "NEW", "DARK", after=["whistle"]))
    data["states"]["NEW"] = "It was never used."
    data["initial"] = "NEW"
    data["actions"] = {"whistle": {"effect": "at-least-once"}}
    assert _messages(data) == []


def test_an_effect_is_on_a_cycle_when_only_a_later_source_is() -> None:
    data = _lamp(rule("pressed", ["NEW", "DIM"], "DARK", after=["whistle"]), rule("dimmed", "LIT", "DIM"))
    data["states"] |= {"NEW": "It was never used.", "DIM": "It gives a little light."}
    data["events"]["dimmed"] = "somebody turned the button"
    data["initial"] = "NEW"
    data["actions"] = {"whistle": {"effect": "at-least-once"}}
    assert _messages(data) == [
        "has an effect on a cycle and charges no budget (DARK -pressed-> LIT -dimmed-> DIM -pressed-> DARK)"
    ]


def test_two_rules_apart_by_an_exclusive_group_are_no_rivals() -> None:
    water = [rule("pressed", "LIT", "LIT", conditions=[name]) for name in ("boiling", "lukewarm")]
    data = _lamp(*water)
    data["transitions"][1]["conditions"] = ["icy"]
    assert _messages(data) == []


def test_rivals_in_several_states_are_told_once() -> None:
    data = _lamp(rule("pressed", ["DARK", "LIT"], "DARK", conditions=["boiling"]))
    assert _messages(data) == [
        "can fire on pressed in DARK together with transitions[0]",
        "can fire on pressed in LIT together with transitions[1]",
    ]


NAMES = ("red", "green", "blue", "tall", "wide")
SHAPES: Vocabulary[None] = Vocabulary(
    guards={
        name: Guard(name, name, lambda _: True, group="colour" if name in ("red", "green", "blue") else None)
        for name in NAMES
    },
    actions={},
    fields=frozenset(),
)
ANSWERS = [
    dict(zip(NAMES, answers, strict=True))
    for answers in product([False, True], repeat=len(NAMES))
    if sum(answers[:3]) <= 1
]

GUARDS = st.lists(st.sampled_from(NAMES), max_size=2, unique=True)
TRANSITIONS = st.lists(
    st.builds(
        lambda trigger, source, dest, conditions, unless: rule(
            trigger, source, dest, conditions=conditions, unless=unless
        ),
        st.sampled_from(["knock", "ring"]),
        st.lists(st.sampled_from("ABC"), min_size=1, unique=True),
        st.sampled_from("ABC"),
        GUARDS,
        GUARDS,
    ),
    min_size=2,
    max_size=6,
)


@given(TRANSITIONS)
@settings(max_examples=120, deadline=None)
def test_rivals_are_found_exactly_where_some_answers_let_two_rules_fire(transitions: list[Data]) -> None:
    """Soundness and completeness against brute force: every assignment of answers that the groups permit."""
    chart = chart_from_data(_shapes(transitions))
    told = [mistake for mistake in find_mistakes(chart, SHAPES) if "can fire on" in mistake.message]
    assert bool(told) == any(_firing_together(chart))


@given(TRANSITIONS)
@settings(max_examples=120, deadline=None)
def test_rules_that_never_fire_are_found_exactly(transitions: list[Data]) -> None:
    chart = chart_from_data(_shapes(transitions))
    told = {mistake.path for mistake in find_mistakes(chart, SHAPES) if mistake.message == "can never fire"}
    idle = {
        ("transitions", each.index)
        for each in chart.transitions
        if not any(_holds(each, answers) for answers in ANSWERS)
    }
    assert told == idle


def _firing_together(chart: Chart) -> list[tuple[Rule, ...]]:
    places = {(each.source, each.trigger) for each in chart.transitions}
    return [
        firing
        for state, trigger in places
        for answers in ANSWERS
        if len(firing := tuple(each for each in chart.rules_for(state, trigger) if _holds(each, answers))) > 1
    ]


def _holds(each: Rule, answers: dict[str, bool]) -> bool:
    return all(answers[name] for name in each.conditions) and not any(answers[name] for name in each.unless)


def _shapes(transitions: list[Data]) -> Data:
    return {
        "chart": "shapes",
        "summary": "Any chart.",
        "initial": "A",
        "states": {"A": "a", "B": "b", "C": "c"},
        "events": {"knock": "a knock", "ring": "a ring"},
        "transitions": copy.deepcopy(transitions),
    }


def _lamp(*more: Data) -> Data:
    return {
        "chart": "lamp",
        "summary": "A lamp.",
        "initial": "DARK",
        "states": {"DARK": "It gives no light.", "LIT": "It gives light."},
        "events": {"pressed": "somebody pressed the button"},
        "transitions": [
            rule("pressed", "DARK", "LIT", unless=["icy"]),
            rule("pressed", "LIT", "DARK"),
            *more,
        ],
    }


def _messages(data: Data) -> list[str]:
    return [mistake.message for mistake in judge_data(data, VOCABULARY)[1]]
