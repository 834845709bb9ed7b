"""Label selectors."""

from __future__ import annotations

from typing import Any

import pytest

from connmon_lab.kubernetes.selectors import SelectorError, parse_selector, read_selector

LABELS = {"app": "web", "tier": "front", "example.com/zone": "a"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app=db", False),
        ("app!=db", True),
        ("nothing!=web", True),
        ("app in (db, web)", True),
        ("app in (db)", False),
        ("app notin (db)", True),
        ("nothing notin (db)", True),
        ("app", True),
        ("nothing", False),
        ("!nothing", True),
        ("!app", False),
        ("app=web,tier=front", True),
        ("app in (web),tier!=front", False),
        ("example.com/zone=a", True),
        ("app=", False),
    ],
)
def test_a_query_selects_by_labels(text: str, matches: bool) -> None:
    assert parse_selector(text).matches(LABELS) is matches


@pytest.mark.parametrize("text", ["a b c", "app in web", "=web", "app in (web", ",", "app=web tier=front"])
def test_a_query_that_cannot_be_understood(text: str) -> None:
    with pytest.raises(SelectorError):
        parse_selector(text)


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web", "tier": "back"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_a_manifest_selects_by_labels(selector: dict[str, Any], matches: bool) -> None:
    assert read_selector(selector).matches(LABELS) is matches


def test_an_operator_that_does_not_exist() -> None:
    with pytest.raises(SelectorError, match="Near"):
        read_selector({"matchExpressions": [{"key": "app", "operator": "Near"}]})
