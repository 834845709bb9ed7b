"""The shipped dashboard and rules as values, and what of Grafana a test must know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CONFIG = Path(__file__).parents[2] / "config" / "monitoring"
DASHBOARD = CONFIG / "grafana-dashboard.json"
RULES = CONFIG / "connmon.rules.yml"
RULE_TESTS = Path(__file__).parent / "connmon.rules.test.yml"


@dataclass(frozen=True)
class Query:
    """One expression and what asks it."""

    place: str
    expression: str

    def filled_in(self, *, interval: str = "5m", job: str = ".+", instance: str = ".+") -> str:
        """The expression as Grafana would send it."""
        values = {"$__rate_interval": interval, "$job": job, "$instance": instance}
        text = self.expression
        for name, value in values.items():
            text = text.replace(name, value)
        return text


def read_dashboard() -> dict[str, Any]:
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return dashboard


def panels() -> list[dict[str, Any]]:
    """Those that show something: a row only has a title."""
    return [panel for panel in read_dashboard()["panels"] if panel["type"] != "row"]


def dashboard_queries() -> Iterator[Query]:
    for panel in panels():
        for target in panel["targets"]:
            yield Query(f"{panel['title']}, {target['refId']}", target["expr"])


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]
