"""Which rule of a chart fires: by ``transitions``, by the chart's table, and never by luck."""

from __future__ import annotations

from dataclasses import replace
from itertools import count, product

import pytest
from tests.fakes.kettles import VOCABULARY, Kettle, kettle_data

from connmon_agent.charts.chart import chart_from_data
from connmon_agent.charts.machine import MachineChooser, TableChooser
from connmon_agent.charts.vocabulary import Guard
from connmon_agent.errors import InvariantError

CHART = chart_from_data(kettle_data())


@pytest.mark.parametrize("chooser", [MachineChooser, TableChooser])
@pytest.mark.parametrize(
    ("state", "trigger", "kettle", "dest", "guards"),
    [
        ("COLD", "looked", Kettle(), "HEATING", (("powered", True), ("tries_left", True))),
        (
            "COLD",
            "looked",
            Kettle(tries=3),
            "BROKEN",
            (("powered", True), ("tries_left", False), ("powered", True), ("tries_left", False)),
        ),
        ("HEATING", "looked", Kettle(degrees=100), "HOT", (("boiling", True),)),
        ("HEATING", "looked", Kettle(degrees=50), "HEATING", (("boiling", False), ("lukewarm", True))),
        ("PAUSED", "pause_over", Kettle(), "COLD", ()),
        ("BROKEN", "repaired", Kettle(), "COLD", ()),
    ],
)
def test_the_rule_that_fires_comes_with_every_guard_that_was_asked(
    chooser: type, state: str, trigger: str, kettle: Kettle, dest: str, guards: tuple[tuple[str, bool], ...]
) -> None:
    choice = chooser(CHART, VOCABULARY).choose(state, trigger, kettle)
    assert (choice.rule.source, choice.rule.dest, choice.guards) == (state, dest, guards)


@pytest.mark.parametrize("chooser", [MachineChooser, TableChooser])
@pytest.mark.parametrize(
    ("state", "trigger", "kettle"),
    [
        pytest.param("COLD", "looked", Kettle(powered=False), id="no rule's guards hold"),
        pytest.param("COLD", "pause_over", Kettle(), id="the state has no rule for it"),
        pytest.param("COLD", "no such event", Kettle(), id="the chart does not know it"),
    ],
)
def test_nothing_fires_where_no_rule_wants_to(chooser: type, state: str, trigger: str, kettle: Kettle) -> None:
    assert chooser(CHART, VOCABULARY).choose(state, trigger, kettle) is None


def test_choosing_runs_no_action() -> None:
    kettle = Kettle()
    MachineChooser(CHART, VOCABULARY).choose("COLD", "looked", kettle)
    assert kettle.log == []


def test_both_choose_the_same_everywhere() -> None:
    machine, table = MachineChooser(CHART, VOCABULARY), TableChooser(CHART, VOCABULARY)
    kettles = [Kettle(*traits) for traits in product((True, False), (20, 50, 100), (0, 3))]
    for state, trigger, kettle in product(CHART.states, CHART.events, kettles):
        assert machine.choose(state, trigger, kettle) == table.choose(state, trigger, kettle)


def test_a_guard_that_answers_otherwise_when_asked_again_is_found() -> None:
    answers = count()
    fickle = Guard("boiling", "now so, now so", lambda kettle: next(answers) % 2 == 0, group="water")
    vocabulary = replace(VOCABULARY, guards={**VOCABULARY.guards, "boiling": fickle})
    with pytest.raises(InvariantError, match="kettle: 'looked' in HEATING"):
        MachineChooser(CHART, vocabulary).choose("HEATING", "looked", Kettle(degrees=50))
