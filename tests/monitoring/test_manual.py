"""docs/monitoring.md names each metric with its labels and each alert, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.metrics.observations import old_site
from tests.monitoring.dashboards import alerts

from connmon_agent.metrics.catalog import make_families
from connmon_agent.metrics.families import Family, Kind

MANUAL = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")
SUFFIXES = {Kind.COUNTER: "_total", Kind.INFO: "_info"}
TYPES = {Kind.STATE_SET: "state set"}


def rows() -> dict[str, tuple[str, set[str]]]:
    """The table's metrics, each with its type and its labels."""
    found = {}
    for names, kind, labels in re.findall(r"^\| (`connmon_[^|]*) \| ([^|]*) \|([^|]*)\|", MANUAL, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            found[name] = (kind.strip(), set(re.findall(r"`(\w+)`", labels)))
    return found


def describe(family: Family) -> tuple[str, set[str]]:
    labels = {name for sample in family.samples for name, _ in sample.labels} - {"le"}
    return TYPES.get(family.kind, str(family.kind)), labels


def test_the_table_has_each_metric_with_its_type_and_labels() -> None:
    assert rows() == {
        family.name + SUFFIXES.get(family.kind, ""): describe(family) for family in make_families(old_site())
    }


def test_the_number_of_series_is_right() -> None:
    series = sum(len(family.samples) for family in make_families(old_site()))
    assert f"make {series} series in OpenMetrics" in MANUAL


def test_the_table_has_each_alert_with_its_severity() -> None:
    named = dict(re.findall(r"^\| `(Connmon\w+)` \| (\w+) \|", MANUAL, re.MULTILINE))
    assert named == {alert["alert"]: alert["labels"]["severity"] for alert in alerts()}
