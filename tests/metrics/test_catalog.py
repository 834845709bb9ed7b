"""The metrics as monitoring systems get them: names and labels are fixed, two formats say the same, nothing is missing.

``CONNMON_WRITE_GOLDEN=1`` writes tests/metrics/golden.txt anew, where a name is meant to change.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from tests.metrics.observations import TARGETS, new_site, old_site

from connmon_agent.core.counters import Counters, LineCounters, ProbeCounters
from connmon_agent.metrics.catalog import Observed, make_families
from connmon_agent.metrics.exposition import write_open_metrics, write_text
from connmon_agent.metrics.families import Family, Kind

GOLDEN = Path(__file__).parent / "golden.txt"
MOST_SERIES = 300  # of seven services and five targets
# https://prometheus.io/docs/practices/naming/ and https://prometheus.io/docs/instrumenting/writing_exporters/#labels
BASE_UNITS = {"seconds", "bytes"}
FOREIGN_LABELS = {
    "service",
    "cluster",
    "region",
    "zone",
    "env",
    "owner",
    "customer",
    "type",
    "job",
    "instance",
    "success",
}
RESERVED = ("process_", "scrape_", "go_", "python_")

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read_text(text: str) -> Series:
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in parse_text(text)
        for one in family.samples
    }


def read_open_metrics(text: str) -> Series:
    families = list(parse_open_metrics(text))
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def test_names_and_labels_are_those_of_the_golden_file() -> None:
    text = write_open_metrics(make_families(old_site()))
    if os.environ.get("CONNMON_WRITE_GOLDEN") == "1":
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("seen", [new_site(), old_site()])
def test_both_formats_are_read_and_say_the_same(seen: Observed) -> None:
    families = make_families(seen)
    old, new = read_text(write_text(families)), read_open_metrics(write_open_metrics(families))
    assert old == {series: value for series, value in new.items() if not series[0].endswith("_created")}
    assert len(old) > 150


def test_every_series_is_there_before_anything_has_happened_and_they_are_few() -> None:
    first, later = (read_open_metrics(write_open_metrics(make_families(seen))) for seen in (new_site(), old_site()))
    assert first.keys() == later.keys()
    assert len(first) <= MOST_SERIES


@pytest.mark.parametrize("family", make_families(old_site()), ids=lambda family: family.name)
def test_a_family_follows_the_rules_of_naming(family: Family) -> None:
    assert family.name.startswith("connmon_") and not family.name.startswith(RESERVED) and ":" not in family.name
    assert not family.name.endswith(("_total", "_info", "_count", "_sum", "_bucket"))
    assert family.help.endswith(".")
    assert not family.unit or (family.unit in BASE_UNITS and family.name.endswith(f"_{family.unit}"))
    assert family.unit or family.name.split("_")[-1] not in BASE_UNITS
    labels = {name for sample in family.samples for name, _ in sample.labels}
    assert not labels & FOREIGN_LABELS
    if family.kind is Kind.COUNTER:
        assert {sample.suffix for sample in family.samples} == {"_total", "_created"}


def test_a_state_set_says_one_state_of_each_series() -> None:
    for family in make_families(old_site()):
        if family.kind is Kind.STATE_SET:
            series: dict[object, float] = {}
            for sample in family.samples:
                assert sample.value in (0.0, 1.0) and sample.labels[-1][0] == family.name
                series[sample.labels[:-1]] = series.get(sample.labels[:-1], 0.0) + sample.value
            assert set(series.values()) == {1.0}


def test_without_an_agent_the_link_is_unknown_and_no_port_is_open() -> None:
    seen = replace(old_site(), running=False, watched=False, process=None)
    series = read_text(write_text(make_families(seen)))
    assert series["connmon_link_state", (("connmon_link_state", "UNKNOWN"),)] == 1.0
    assert series["connmon_agent_running", ()] == 0.0
    assert series["connmon_forward_open", (("workload", "frontend"),)] == 0.0
    assert series["connmon_forward_connections", (("workload", "frontend"),)] == 0.0
    assert series["connmon_outages_total", (("cause", "gateway"),)] == 2.0
    assert not [name for name, _ in series if name.startswith(("connmon_loop", "connmon_journal_commit"))]


def test_the_values_are_those_that_were_seen() -> None:
    series = read_text(write_text(make_families(old_site())))
    target = ("target", TARGETS[0])
    assert series["connmon_outage_start_timestamp_seconds", ()] == 1_795_000_500.25
    assert series["connmon_restart_attempts_remaining", (("workload", "grafana"),)] == 0.0
    assert series["connmon_restarts_total", (("outcome", "refused"), ("workload", "grafana"))] == 1.0
    assert series["connmon_probe_duration_seconds_bucket", (("le", "0.01"), target)] == 110.0
    assert series["connmon_probe_duration_seconds_bucket", (("le", "+Inf"), target)] == 180.0
    assert series["connmon_probe_failures_total", (target,)] == 20.0
    assert series["connmon_link_state_seconds_total", (("state", "ONLINE"),)] == 400.125
    assert series["connmon_journal_writable", ()] == 0.0


names = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable())
counts = st.integers(0, 2**60)


@settings(max_examples=25)
@given(
    st.lists(names, min_size=1, max_size=4, unique=True), st.lists(counts, min_size=9, max_size=9), st.floats(0, 1e12)
)
def test_whatever_a_target_is_called_both_parsers_read_it(
    targets: list[str], classes: list[int], seconds: float
) -> None:
    counters = ProbeCounters(sum(classes), 0, seconds, tuple(classes))
    lines = LineCounters(dict.fromkeys(targets, counters))
    seen = replace(new_site(), targets=tuple(targets), lines=lines, counters=Counters(monitoring_gap=seconds))
    families = make_families(seen)
    old, new = read_text(write_text(families)), read_open_metrics(write_open_metrics(families))
    for target in targets:
        key = "connmon_probe_duration_seconds_sum", (("target", target),)
        assert old[key] == new[key] == seconds
