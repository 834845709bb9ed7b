"""The product's own charts, loaded once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from connmon_agent.charts.chart import Chart
from connmon_agent.core.link import link_rules
from connmon_agent.core.ports import forward_rules
from connmon_agent.core.services import service_rules
from connmon_agent.loading.charts import load_chart

STATECHARTS = Path(__file__).parents[2] / "statecharts"


@cache
def real_charts() -> dict[str, Chart]:
    """The link's, the service's and the local port's chart by name."""
    return {
        "link": load_chart(STATECHARTS / "link.yaml", link_rules.VOCABULARY),
        "service": load_chart(STATECHARTS / "service.yaml", service_rules.VOCABULARY),
        "forward": load_chart(STATECHARTS / "forward.yaml", forward_rules.VOCABULARY),
    }
