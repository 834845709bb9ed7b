"""Charts from files: the agent's own are right, and every class of mistake is told with its line and its remedy."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from tests.fakes.kettles import VOCABULARY

from connmon_agent.charts.chart import Chart
from connmon_agent.errors import ConfigurationError
from connmon_agent.loading.charts import VOCABULARIES, find_charts_folder, load_chart, load_charts

CHARTS = Path(__file__).parents[1] / "charts"
STATECHARTS = Path(__file__).parents[2] / "statecharts"

# What is wrong: every message, from its line on.
MISTAKES = {
    "bad-duplicate-state": [
        "8: states.DARK: duplicate key, first at line 6 (got It gives light again.); keep one of the two",
    ],
    "bad-on-key": [
        "12: transitions[1].on: unknown key; known here: trigger, source, dest, reason, conditions, unless, after",
        "12: transitions[1].trigger: is missing",
    ],
    "bad-unknown-key": [
        "11: transitions[0].condition: unknown key; did you mean conditions?",
    ],
    "bad-missing-key": [
        "12: transitions[1].reason: is missing",
    ],
    "bad-empty-value": [
        "12: transitions[1].dest: is empty",
    ],
    "bad-no-states": [
        "5: states: is empty",
    ],
    "bad-no-description": [
        "7: states.LIT: has no description; say in a sentence what it means",
    ],
    "bad-wrong-type": [
        "8: events: must be a mapping of names to descriptions (got a list)",
        "11: transitions[0].conditions: must be a name or a list of names (got a mapping)",
        "11: transitions[0].dest: must be text (got a list)",
    ],
    "bad-name": [
        "7: states.LIT?: is not a name (got LIT?); a name is a letter, then letters, digits, _ or -",
        "11: transitions[0].dest: is not a name (got LIT?); a name is a letter, then letters, digits, _ or -",
        "12: transitions[1].source: is not a name (got LIT?); a name is a letter, then letters, digits, _ or -",
    ],
    "bad-named-twice": [
        "12: transitions[1].source[1]: is named twice (got LIT)",
    ],
    "bad-property": [
        "14: properties[0]: is not a property (got a mapping);"
        " a property is one of reach, only_into, requires, bounded",
    ],
    "bad-tag": [
        "12: transitions[1].reason: tags are not supported (got tag:yaml.org,2002:python/name:os.system);"
        " remove the tag",
    ],
    "bad-file-name": [
        "2: chart: is not the name of its file (got lamp); write bad-file-name, or rename the file",
    ],
    "bad-initial": [
        "4: initial: there is no such state (got DRAK); did you mean DARK?",
    ],
    "bad-source": [
        "12: transitions[1].source: there is no such state (got DIMMED); declare it in states",
    ],
    "bad-dest": [
        "12: transitions[1].dest: there is no such state (got DARKNESS); did you mean DARK?",
    ],
    "bad-event": [
        "12: transitions[1].trigger: there is no such event (got presed); did you mean pressed?",
    ],
    "bad-guard": [
        "11: transitions[0].conditions[0]: is not a name (got os.getpid);"
        " a name is a letter, then letters, digits, _ or -",
    ],
    "bad-guard-in-unless": [
        "12: transitions[1].unless[0]: there is no such guard (got bolling); did you mean boiling?",
    ],
    "bad-action": [
        "12: transitions[1].after[0]: is not a name (got tempfile.mkdtemp);"
        " a name is a letter, then letters, digits, _ or -",
    ],
    "bad-action-name": [
        "12: transitions[1].after[0]: there is no such action (got arm_pauses); did you mean arm_pause?",
    ],
    "bad-field": [
        "12: transitions[1].reason: there is no such field (got atempt); did you mean attempt?",
    ],
    "bad-expression": [
        "12: transitions[1].reason: only a plain {name} can stand between braces (got attempt.__class__);"
        " known here: attempt, limit",
        "12: transitions[1].reason: only a plain {name} can stand between braces (got limit);"
        " known here: attempt, limit",
        "12: transitions[1].reason: only a plain {name} can stand between braces (got {}); known here: attempt, limit",
    ],
    "bad-brace": [
        "12: transitions[1].reason: has a brace without its partner (got after {attempt presses);"
        " write {name} for a field",
    ],
    "bad-unused-event": [
        "10: events.shaken: no transition is triggered by it; remove it or use it",
    ],
    "bad-unused-action": [
        "11: actions.switch_on_again: no transition runs it; remove it or use it",
    ],
    "bad-unused-budget": [
        "11: budgets.tries: no transition charges it; remove it or use it",
        "11: budgets.tries.left: no transition asks this guard (got tries_left);"
        " a transition must ask it before it charges the budget",
        "11: budgets.tries.returned_by[0]: no transition runs this action (got forget_tries);"
        " a budget that never comes back ends in a dead end",
    ],
    "bad-unused-timer": [
        "11: timers.pause.armed_by[0]: no transition runs this action (got arm_pause);"
        " a timer must be armed by a transition's action",
    ],
    "bad-unreachable": [
        "8: states.BROKEN: cannot be reached from DARK; remove it or lead there",
    ],
    "bad-trap": [
        "7: states.LIT: is a trap; every state needs a transition to another one",
    ],
    "bad-two-can-fire": [
        "13: transitions[2]: can fire on pressed in DARK together with transitions[0];"
        " give one a condition that the other has in unless, or both guards of one group",
    ],
    "bad-never-fires": [
        "12: transitions[1]: can never fire;"
        " a guard is asked for both answers, or two guards of one group are asked for",
        "13: transitions[2]: can never fire;"
        " a guard is asked for both answers, or two guards of one group are asked for",
    ],
    "bad-undeclared-effect": [
        "16: transitions[0].after[0]: is not declared in actions (got switch_on);"
        " write there switch_on: {effect: cas-token, charges: tries}",
    ],
    "bad-effect-class": [
        "14: actions.switch_on: is not what the agent does (got {effect: harmless, charges: tries});"
        " write {effect: cas-token, charges: tries}",
    ],
    "bad-unpaid-cycle": [
        "14: transitions[1].after[1]: has an effect on a cycle and charges no budget (DARK -pressed-> LIT"
        " -pressed-> DARK) (got whistle); let it charge a budget",
    ],
    "bad-charges": [
        "14: actions.switch_on.charges: there is no such budget (got tries); declare it in budgets",
    ],
    "bad-repeats": [
        "11: actions.switch_on_again.repeats: there is no such action that charges a budget (got switch_on);"
        " declare it in actions",
    ],
    "bad-limit": [
        "16: budgets.tries.limit: there is no such setting (got max_trys); did you mean max_tries?",
    ],
    "bad-unasked-budget": [
        "16: budgets.tries.left: no transition asks this guard (got tries_left);"
        " a transition must ask it before it charges the budget",
        "27: properties[1].bounded: does not hold: switch_on runs once more when 1 of 1 tries are spent"
        " (COLD -looked-> HEATING -looked-> COLD -looked-> HEATING)",
    ],
    "bad-hasty-refund": [
        "26: transitions[3].after[0]: takes a charge back without a pause (got refund_try);"
        " let the transition arm a timer (arm_pause)",
    ],
    "bad-unused-refund": [
        "16: budgets.tries.refunded_by[0]: no transition runs this action (got refund_try); remove it or use it",
    ],
    "bad-kept-budget": [
        "16: budgets.tries.returned_by[0]: no transition runs this action (got forget_tries);"
        " a budget that never comes back ends in a dead end",
        "26: properties[0].reach: does not hold: HOT cannot be reached any more in COLD with 1 of 1 tries"
        " spent (COLD -looked-> HEATING -looked-> COLD)",
    ],
    "bad-timer-event": [
        "12: timers.pause.event: no transition is triggered by it (got pause_over);"
        " a timer that is due must lead somewhere",
    ],
    "bad-reach": [
        "28: properties[0].reach: does not hold: HOT cannot be reached any more in BROKEN (COLD -looked-> BROKEN)",
    ],
    "bad-reach-when-spent": [
        "26: properties[0].reach: does not hold: HOT cannot be reached any more in COLD with 1 of 1 tries"
        " spent (COLD -looked-> HEATING -looked-> COLD)",
    ],
    "bad-only-into": [
        "27: properties[1].only_into: does not hold: HOT -looked-> COLD runs forget_tries and leads elsewhere",
    ],
    "bad-requires": [
        "27: properties[1].requires: does not hold: HOT -looked-> COLD runs forget_tries without any of"
        " the conditions powered",
    ],
    "bad-implies": [
        "27: properties[1].requires: does not hold: no guard implies power=off",
    ],
    "bad-bounded": [
        "27: properties[1].bounded: does not hold: switch_on runs once more when 1 of 1 tries are spent"
        " (COLD -looked-> HEATING -looked-> HEATING)",
    ],
    "bad-bounded-by-another": [
        "27: properties[1].bounded: does not hold: forget_tries does not charge tries",
    ],
    "bad-property-names": [
        "26: properties[0].reach.to: there is no such state (got HOTT); did you mean HOT?",
        "27: properties[1].reach.from: there is no such state (got COOL); did you mean COLD?",
        "28: properties[2].only_into.action: no transition runs it (got switch_off); did you mean switch_on?",
        "28: properties[2].only_into.dest: there is no such state (got OFF)",
        "29: properties[3].bounded.budget: there is no such budget (got trials); did you mean tries?",
    ],
    "bad-all-at-once": [
        "2: summary: is missing",
        "3: sumary: unknown key; did you mean summary?",
        "11: transitions[0].conditions[0]: there is no such guard (got powerd); did you mean powered?",
        "11: transitions[0].dest: there is no such state (got LID); did you mean LIT?",
        "12: transitions[1].reason: there is no such field (got x); known here: attempt, limit",
    ],
}


def test_every_bad_file_is_in_the_table() -> None:
    assert {path.stem for path in CHARTS.glob("bad-*.yaml")} == set(MISTAKES)


@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_is_told_with_its_line_and_remedy(name: str) -> None:
    path = CHARTS / f"{name}.yaml"
    with pytest.raises(ConfigurationError) as caught:
        load_chart(path, VOCABULARY)
    assert str(caught.value).splitlines() == [f"{path}:{message}" for message in MISTAKES[name]]
    assert caught.value.exit_code == 2


def test_a_right_file_is_read() -> None:
    chart = load_chart(CHARTS / "kettle.yaml", VOCABULARY)
    assert (chart.name, chart.initial) == ("kettle", "COLD")
    assert [rule.dest for rule in chart.rules_for("COLD", "looked")] == ["HEATING", "BROKEN"]


def test_words_that_other_readers_take_for_something_else_stay_words(tmp_path: Path) -> None:
    chart = load_text(
        tmp_path,
        """
        chart: switch
        summary: 1:30
        initial: ON
        states: {ON: yes, OFF: 010}
        events: {y: "1_000"}
        transitions:
          - {trigger: y, source: [ON], dest: OFF, conditions: [powered], reason: off}
          - {trigger: y, source: OFF, dest: ON, reason: true}
        """,
    )
    assert chart.summary == "1:30"
    assert chart.initial == "ON"
    assert chart.states == {"ON": "yes", "OFF": "010"}
    assert chart.events == {"y": "1_000"}
    assert [rule.reason for rule in chart.transitions] == ["off", "true"]


def test_a_mistake_in_a_block_is_told_at_its_own_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_text(
            tmp_path,
            """
            chart: switch
            summary: A switch.
            initial: "ON"
            states:
              "ON": It is on.
              "OFF": It is off.
            events:
              pressed: somebody pressed it
            transitions:
              - trigger: pressed
                source:
                  - "ON"
                  - "OF"
                dest: "OFF"
                conditions:
                  - powered
                  - humming
                reason: pressed
              - {trigger: pressed, source: "OFF", dest: "ON", reason: pressed}
            """,
        )
    assert [(problem.line, problem.key, problem.value) for problem in caught.value.problems] == [
        (12, "transitions[0].source", "OF"),
        (18, "transitions[0].conditions[1]", "humming"),
    ]


def test_aliases_of_aliases_do_not_fill_the_memory(tmp_path: Path) -> None:
    levels = "".join(f"  s{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    path = tmp_path / "bomb.yaml"
    path.write_text(f"chart: bomb\nstates:\n  s0: &a0 [x]\n{levels}")
    with pytest.raises(ConfigurationError, match=r"states\.s39: must be text \(got a list\)"):
        load_chart(path, VOCABULARY)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param("none.yaml", None, "file not found", id="missing"),
        pytest.param("empty.yaml", "", "this file is empty", id="empty"),
        pytest.param("list.yaml", "- chart\n", "the file must contain keys and values", id="no-mapping"),
        pytest.param("open.yaml", "chart: [link\n", "this is not YAML", id="syntax"),
        pytest.param("chart.json", "{}", "a chart is a file NAME.yaml", id="json"),
    ],
)
def test_a_file_that_holds_no_chart_is_refused(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_chart(tmp_path / name, VOCABULARY)


def test_the_agents_own_charts_are_right_and_proved() -> None:
    charts = load_charts(find_charts_folder())
    assert list(charts) == ["link", "service", "forward"]
    assert all(chart.properties for chart in charts.values())


def test_the_mistakes_of_all_charts_are_told_at_once(tmp_path: Path) -> None:
    for name in VOCABULARIES:
        text = (STATECHARTS / f"{name}.yaml").read_text().replace("initial: ", "initial: NO")
        (tmp_path / f"{name}.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_charts(tmp_path)
    assert [(Path(problem.file).name, problem.key) for problem in caught.value.problems] == [
        ("forward.yaml", "initial"),
        ("link.yaml", "initial"),
        ("service.yaml", "initial"),
    ]


def test_a_missing_chart_is_a_mistake(tmp_path: Path) -> None:
    shutil.copy(STATECHARTS / "link.yaml", tmp_path)
    with pytest.raises(ConfigurationError, match=r"service\.yaml: file not found"):
        load_charts(tmp_path)


def test_the_first_folder_that_is_there_is_taken(tmp_path: Path) -> None:
    checkout, installed = tmp_path / "checkout", tmp_path / "installed"
    installed.mkdir()
    assert find_charts_folder((checkout, installed)) == installed
    checkout.mkdir()
    assert find_charts_folder((checkout, installed)) == checkout


def test_without_any_folder_the_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=re.escape(f"folder not found; looked for {tmp_path / 'a'} and {tmp_path / 'b'}")
    ):
        find_charts_folder((tmp_path / "a", tmp_path / "b"))


def load_text(folder: Path, text: str) -> Chart:
    path = folder / "switch.yaml"
    path.write_text(text)
    return load_chart(path, VOCABULARY)
