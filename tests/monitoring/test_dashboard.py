"""The dashboard by the rules of Grafana's dashboard-linter, and that it and the alerts only ask for what there is.

https://github.com/grafana/dashboard-linter/blob/main/docs/index.md; the tests are named after its rules. Its two rules
for LogQL do not apply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
from tests.metrics.observations import old_site
from tests.monitoring.dashboards import Query, alerts, dashboard_queries, panels, read_dashboard

from connmon_agent.metrics.catalog import make_families
from connmon_agent.metrics.exposition import write_text

every_panel = pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
every_query = pytest.mark.parametrize("query", list(dashboard_queries()), ids=lambda query: query.place)
every_alert = pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])

# https://github.com/grafana/grafana/blob/main/packages/grafana-data/src/valueFormats/categories.ts
UNITS = {"none", "short", "s", "percentunit", "bytes", "Bps", "reqps", "dateTimeFromNow"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def variables() -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in read_dashboard()["templating"]["list"]}


def selectors(expression: str) -> Iterator[promql_parser.VectorSelector]:
    """Every selector of an expression. Raises ValueError: it is no PromQL."""
    found: list[promql_parser.VectorSelector] = []
    _collect(promql_parser.parse(expression), found)
    yield from found


def _collect(node: Any, found: list[promql_parser.VectorSelector]) -> None:
    if isinstance(node, promql_parser.VectorSelector):
        found.append(node)
        return
    for name in ("expr", "lhs", "rhs", "vector_selector", "vs"):
        if (child := getattr(node, name, None)) is not None:
            _collect(child, found)
    for child in getattr(node, "args", None) or ():
        _collect(child, found)


def series() -> dict[str, dict[str, set[str]]]:
    """Every metric with its labels, and these with their values."""
    found: dict[str, dict[str, set[str]]] = {"up": {}}
    for line in write_text(make_families(old_site())).splitlines():
        if not line.startswith("#"):
            name, _, rest = line.partition("{")
            labels = found.setdefault(name.split(" ")[0], {})
            for label, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', rest if _ else ""):
                labels.setdefault(label, set()).add(value)
    return found


def test_template_datasource_rule() -> None:
    sources = [variable for variable in variables().values() if variable["type"] == "datasource"]
    assert [(one["name"], one["label"], one["query"]) for one in sources] == [
        ("datasource", "Data source", "prometheus")
    ]


@pytest.mark.parametrize("name", ["job", "instance"])
def test_template_job_and_instance_rules(name: str) -> None:
    variable = variables()[name]
    assert variable["label"] == name and variable["type"] == "query" and variable["datasource"] == SOURCE
    assert variable["multi"] and variable["includeAll"] and variable["allValue"] == ".+"


@pytest.mark.parametrize("name", ["job", "instance"])
def test_template_label_promql_rule(name: str) -> None:
    match = re.fullmatch(r"label_values\((.+), (\w+)\)", variables()[name]["query"]["query"])
    assert match is not None and match[2] == name
    assert [one.name for one in selectors(match[1].replace("$job", ".+"))] == ["connmon_build_info"]


def test_template_on_time_change_reload_rule() -> None:
    assert {variable["refresh"] for variable in variables().values() if variable["type"] == "query"} == {2}


def test_template_uneditable_and_required_variables_rules() -> None:
    assert read_dashboard()["editable"] is False
    assert list(variables()) == ["datasource", "job", "instance"]


@every_panel
def test_panel_datasource_rule(panel: dict[str, Any]) -> None:
    assert panel["datasource"] == SOURCE and {str(one["datasource"]) for one in panel["targets"]} == {str(SOURCE)}


@every_panel
def test_panel_title_description_rule(panel: dict[str, Any]) -> None:
    assert panel["title"] and panel["description"].endswith(".")


@every_panel
def test_panel_units_rule(panel: dict[str, Any]) -> None:
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS


@every_query
def test_target_promql_rule(query: Query) -> None:
    assert list(selectors(query.filled_in()))


@every_query
def test_target_job_and_instance_and_required_matchers_rules(query: Query) -> None:
    for selector in selectors(query.filled_in(job="THE_JOB", instance="THE_INSTANCE")):
        matchers = {(one.name, str(one.op), one.value) for one in selector.matchers.matchers}
        assert {(name, value) for name, op, value in matchers if op.endswith("Re")} >= {
            ("job", "THE_JOB"),
            ("instance", "THE_INSTANCE"),
        }


@every_query
def test_target_rate_interval_rule(query: Query) -> None:
    ranges = re.findall(r"\[([^\]]*)\]", query.expression)
    assert set(ranges) <= {"$__rate_interval"}
    assert bool(ranges) == bool(re.search(r"\b(?:rate|increase)\(", query.expression))


@every_query
def test_element_references_are_to_variables_that_exist(query: Query) -> None:
    assert set(re.findall(r"\$\{?(\w+)", query.expression)) <= {*variables(), "__rate_interval"}


def test_the_dashboard_can_be_provisioned() -> None:
    """``__inputs`` is resolved by the import dialogue alone (grafana/grafana#10786)."""
    dashboard = read_dashboard()
    assert "__inputs" not in dashboard and 0 < len(dashboard["uid"]) <= 40 and "id" not in dashboard
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in read_dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken and place["x"] + place["w"] <= 24
        taken |= cells


def check_names(expression: str) -> None:
    known = series()
    for selector in selectors(expression):
        assert selector.name in known
        for matcher in selector.matchers.matchers:
            if matcher.name in ("job", "instance"):
                continue
            labels = known[selector.name]
            assert matcher.name in labels
            assert set(matcher.value.split("|")) <= labels[matcher.name], matcher.value


@every_query
def test_a_query_asks_only_for_metrics_labels_and_values_that_there_are(query: Query) -> None:
    check_names(query.filled_in())


@every_alert
def test_an_alert_asks_only_for_what_there_is_and_says_what_to_do(alert: dict[str, Any]) -> None:
    check_names(alert["expr"])
    assert re.fullmatch(r"Connmon([A-Z][a-z]+)+", alert["alert"])
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert "$labels.instance" in alert["annotations"]["summary"] and "connmon-agent" in str(alert["annotations"])


def test_each_metric_is_on_the_dashboard_or_in_an_alert() -> None:
    asked = " ".join([*(query.expression for query in dashboard_queries()), *(alert["expr"] for alert in alerts())])
    bare = {re.sub(r"_(sum|count)$", "", name) for name in series() if name != "up"}
    assert [name for name in sorted(bare) if name not in asked] == []
