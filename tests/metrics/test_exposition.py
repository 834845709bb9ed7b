"""Which format is sent, and its headers."""

from __future__ import annotations

import pytest

from connmon_agent.metrics.exposition import wants_open_metrics, write_open_metrics
from connmon_agent.metrics.families import counter

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("text/plain", False),
        (PROMETHEUS, True),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", True),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;version=2.0.0", False),  # not written yet, whoever wants it alone gets text
        ("application/openmetrics-text;version=1.0.0;q=0", False),
        ("application/openmetrics-text;q=0.4,text/plain;q=0.5", False),
        ("application/openmetrics-text;q=lots,text/plain", False),
        (";;,,;q=", False),
    ],
)
def test_open_metrics_is_sent_to_those_who_prefer_it(accept: str, wanted: bool) -> None:
    assert wants_open_metrics(accept) is wanted


def test_a_sample_may_carry_its_time_for_a_backfill() -> None:
    family = counter("connmon_x", "X.", [((), 1.5)], created=None)
    text = "# TYPE connmon_x counter\n# HELP connmon_x X.\nconnmon_x_total 1.5 1795000000.125\n# EOF\n"
    assert write_open_metrics([family], at=1_795_000_000.125) == text
