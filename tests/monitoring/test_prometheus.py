"""The metrics, alerts and dashboard before a real Prometheus. tests/monitoring/run fetches it, and CI runs that."""

from __future__ import annotations

import math
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.local_sites import LocalAgent, LocalSite
from tests.metrics.observations import new_site, old_site
from tests.monitoring.dashboards import RULE_TESTS, RULES, Query, alerts, dashboard_queries
from tests.monitoring.months import DAYS, SCRAPE, Recorder
from tests.monitoring.prometheus_server import OPENER, Prometheus, free_port, promtool, running, until

from connmon_agent.core.counters import OUTAGE_CAUSES
from connmon_agent.metrics.catalog import Observed, make_families
from connmon_agent.metrics.exposition import write_text

INTERVAL = f"{4 * SCRAPE:.0f}s"  # what Grafana would take for $__rate_interval

pytestmark = [
    pytest.mark.prometheus,
    pytest.mark.skipif("CONNMON_TEST_PROMETHEUS" not in os.environ, reason="no Prometheus: run tests/monitoring/run"),
]


@pytest.mark.parametrize("seen", [new_site(), old_site()])
def test_promtool_has_nothing_to_say_against_the_metrics(seen: Observed) -> None:
    checked = promtool("check", "metrics", given=write_text(make_families(seen)))
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_each_alert_fires_when_it_must() -> None:
    checked = promtool("test", "rules", str(RULE_TESTS))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert promtool("check", "rules", str(RULES)).returncode == 0
    tested = RULE_TESTS.read_text(encoding="utf-8")
    assert [alert["alert"] for alert in alerts() if tested.count(alert["alert"]) < 2] == []


# A month.


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, float]]:
    """A Prometheus that has recorded a month of a site, and when that ended."""
    folder = tmp_path_factory.mktemp("month")
    recorder = Recorder(folder / "connmon.db")
    (file := folder / "month.om").write_text(recorder.record(), encoding="utf-8")
    made = promtool("tsdb", "create-blocks-from", "openmetrics", "--quiet", str(file), str(folder / "data"))
    assert made.returncode == 0, made.stderr
    with running(folder, "global: {}\n", folder / "data") as server:
        yield server, recorder.ended


@pytest.mark.parametrize("query", list(dashboard_queries()), ids=lambda query: query.place)
def test_each_expression_of_the_dashboard_returns_data(month: tuple[Prometheus, float], query: Query) -> None:
    server, ended = month
    expression = query.filled_in(interval=INTERVAL)
    found = server.query_range(expression, start=ended - 200 * SCRAPE, end=ended, step=SCRAPE)
    values = [float(value) for one in found for _, value in one["values"]]
    assert values and not all(map(math.isnan, values)), expression
    assert server.query(query.filled_in(interval=INTERVAL, job="connmon", instance="site:9180"), at=ended)
    assert not server.query(query.filled_in(interval=INTERVAL, instance="another"), at=ended)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_each_alert_can_be_asked_over_a_month(month: tuple[Prometheus, float], alert: dict[str, str]) -> None:
    server, ended = month
    server.query_range(alert["expr"], start=ended - 5 * 86400.0, end=ended, step=SCRAPE)


def test_the_outages_of_the_month_are_those_of_the_counter(month: tuple[Prometheus, float]) -> None:
    server, ended = month
    (total,) = server.query("sum(connmon_outages_total)", at=ended)
    (grown,) = server.query(f"sum(increase(connmon_outages_total[{DAYS}d]))", at=ended)
    assert float(total["value"][1]) > 50
    assert float(grown["value"][1]) == pytest.approx(float(total["value"][1]), rel=0.05)


# A running agent.

SERVICES = ("web", "db")


def test_a_real_prometheus_scrapes_a_real_agent_and_sees_no_reset_when_it_is_killed(tmp_path: Path) -> None:
    port = free_port()
    config = f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs: [{{job_name: connmon, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]
"""
    with LocalSite(*SERVICES).running() as site:
        configuration = {**site.configuration(tmp_path, SERVICES), "metrics": {"listen": f"127.0.0.1:{port}"}}
        agent = LocalAgent(tmp_path, configuration)
        try:
            agent.start()
            with running(tmp_path, config, tmp_path / "data") as server:
                until(lambda: server.query('connmon_link_state{connmon_link_state="ONLINE"} == 1'), "scrape")
                # A scrape that is too slow, on a busy machine, ends every series: what was scraped before counts, too.
                assert len(server.query("last_over_time(connmon_outages_total[1h])")) == len(OUTAGE_CAUSES)
                assert server.query("last_over_time(connmon_outages_created[1h])")  # so it was OpenMetrics
                found = server.query("last_over_time(connmon_build_info[1h])")
                assert {one["metric"]["job"] for one in found} == {"connmon"}
                assert server.query("max_over_time(scrape_samples_scraped[1h]) > 100")
                agent.kill()
                until(lambda: server.query("up == 0"), "scrape that fails")
                agent.start()
                until(lambda: server.query("up == 1"), "scrape of the next agent")
                until(lambda: server.query("count(connmon_probes_total > 0)"), "probes")
                durable = "connmon_probes_total or connmon_link_state_seconds_total or connmon_outages_total"
                assert not server.query(f"resets(({durable})[1h:1s]) > 0")
            with OPENER.open(urllib.request.Request(f"http://127.0.0.1:{port}/metrics"), timeout=30) as answer:
                checked = promtool("check", "metrics", given=answer.read().decode())
            assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
        finally:
            agent.bury()
