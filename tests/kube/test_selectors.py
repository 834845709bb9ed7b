from __future__ import annotations

from typing import Any

import pytest

from connmon_agent.kube.selectors import format_selector, match_labels

LABELS = {"app": "web", "tier": "front"}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "matches", "text"),
    [
        pytest.param({}, True, "", id="empty"),
        pytest.param({"matchLabels": {"app": "web"}}, True, "app=web", id="label"),
        pytest.param({"matchLabels": {"app": "db"}}, False, "app=db", id="another value"),
        pytest.param({"matchLabels": {"app": "web", "x": "y"}}, False, "app=web,x=y", id="all labels must match"),
        pytest.param(expression("app", "In", "web", "db"), True, "app in (web,db)", id="In"),
        pytest.param(expression("zone", "In", "a"), False, "zone in (a)", id="In without the label"),
        pytest.param(expression("app", "NotIn", "web"), False, "app notin (web)", id="NotIn"),
        pytest.param(expression("zone", "NotIn", "a"), True, "zone notin (a)", id="NotIn without the label"),
        pytest.param(expression("tier", "Exists"), True, "tier", id="Exists"),
        pytest.param(expression("zone", "Exists"), False, "zone", id="Exists without the label"),
        pytest.param(expression("tier", "DoesNotExist"), False, "!tier", id="DoesNotExist"),
        pytest.param(expression("zone", "DoesNotExist"), True, "!zone", id="DoesNotExist without the label"),
        pytest.param(
            {"matchLabels": {"app": "web"}, **expression("tier", "In", "back")},
            False,
            "app=web,tier in (back)",
            id="both",
        ),
    ],
)
def test_a_selector_matches_and_is_written_as_the_api_does(selector: dict[str, Any], matches: bool, text: str) -> None:
    assert match_labels(selector, LABELS) is matches
    assert format_selector(selector) == text


def test_an_unknown_operator_matches_nothing() -> None:
    assert not match_labels(expression("app", "Gt", "1"), LABELS)
