"""Charts drawn: everything that is in the data can be read in the drawing."""

from __future__ import annotations

import re

import pytest
from tests.fakes.charts import real_charts
from tests.fakes.kettles import kettle_data

from connmon_agent.charts.chart import Chart, chart_from_data
from connmon_agent.charts.drawing import DRAWERS, WIDTH, draw

CHARTS = {"kettle": chart_from_data(kettle_data()), **real_charts()}


def test_mermaid() -> None:
    assert draw(CHARTS["kettle"], "mermaid", current="HOT") == (
        "stateDiagram-v2\n"
        "    %% kettle: A kettle that is switched on until its water boils.\n"
        "    [*] --> COLD\n"
        "    COLD --> HEATING : looked [powered and tries_left] / switch_on\n"
        "    COLD --> BROKEN : looked [powered and not tries_left]\n"
        "    HEATING --> HOT : looked [boiling]\n"
        "    HEATING --> HEATING : looked [lukewarm] / switch_on_again\n"
        "    HEATING --> PAUSED : looked [icy] / arm_pause\n"
        "    PAUSED --> COLD : pause_over<br/>repaired / forget_tries\n"
        "    HOT --> COLD : looked [not boiling] / forget_tries\n"
        "    BROKEN --> COLD : repaired / forget_tries\n"
        "    classDef current fill:#ffd54f,color:black,stroke-width:3px\n"
        "    class HOT current\n"
    )


def test_dot() -> None:
    drawing = draw(CHARTS["kettle"], "dot", current="HOT")
    assert '    "*" -> "COLD";\n' in drawing
    assert '    "COLD" -> "HEATING" [label="looked [powered and tries_left] / switch_on\\l"];\n' in drawing
    assert '    "PAUSED" -> "COLD" [label="pause_over\\lrepaired / forget_tries\\l"];\n' in drawing
    assert '    "HOT" [tooltip="The water boils.", style="rounded,filled,bold", fillcolor="#ffd54f"];\n' in drawing
    assert drawing.count("fillcolor") == 1


def test_text() -> None:
    drawing = draw(CHARTS["kettle"], "text", current="PAUSED")
    assert drawing.startswith("kettle: A kettle that is switched on until its water boils.\nstarts in COLD\n")
    assert (
        "\n"
        "> PAUSED  It did not help; a pause before the next try.\n"
        "  pause_over -> COLD\n"
        '      "pause_over leads to COLD"\n'
        "  repaired -> COLD\n"
        "      do forget_tries\n"
        '      "repaired leads to COLD"\n'
        "\n"
    ) in drawing
    assert "  looked stays\n      if lukewarm\n      do switch_on_again\n" in drawing
    assert drawing.endswith(
        "\n"
        "budget tries: at most max_tries, charged by switch_on, guarded by tries_left,\n"
        "    reset by forget_tries\n"
        "timer pause: started by arm_pause, fires pause_over\n"
        "proved: HOT is reachable from every state, whatever the budgets\n"
        "proved: switch_on only enters HEATING\n"
        "proved: switch_on only while power=on\n"
        "proved: switch_on never more often than the budget tries allows\n"
    )


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
@pytest.mark.parametrize("format", DRAWERS)
def test_every_state_event_guard_and_action_is_in_every_drawing(chart: Chart, format: str) -> None:
    words = set(re.findall(r"[A-Za-z_]+", draw(chart, format).replace(r"\l", " ")))
    for each in chart.transitions:
        assert {each.trigger, each.source, each.dest, *each.conditions, *each.unless, *each.after} <= words


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_the_text_fits_a_terminal(chart: Chart) -> None:
    assert max(map(len, draw(chart, "text").splitlines())) <= WIDTH


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_mermaid_has_one_edge_a_pair_of_states(chart: Chart) -> None:
    edges = re.findall(r"^    (\S+ --> \S+)", draw(chart, "mermaid"), re.MULTILINE)
    assert len(edges) == len(set(edges)) == len({(each.source, each.dest) for each in chart.transitions}) + 1


def test_quotes_and_backslashes_cannot_break_out_of_dot() -> None:
    data = kettle_data()
    data["summary"] = 'A "kettle" \\ pot'
    assert r'label="A \"kettle\" \\ pot"; labelloc' in draw(chart_from_data(data), "dot")


def test_a_state_that_is_not_there_cannot_be_marked() -> None:
    with pytest.raises(ValueError, match="chart kettle has no state COOL"):
        draw(CHARTS["kettle"], "text", current="COOL")
