"""``connmon-agent chart``."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from tests.fakes.charts import real_charts

from connmon_agent.charts.drawing import draw
from connmon_agent.cli.chart import chart


@pytest.mark.parametrize("name", ["link", "service"])
@pytest.mark.parametrize("format", ["text", "mermaid", "dot"])
def test_one_chart_is_drawn(name: str, format: str) -> None:
    result = CliRunner().invoke(chart, [name, "--format", format])
    assert (result.exit_code, result.output) == (0, draw(real_charts()[name], format))


def test_without_a_name_all_are_listed() -> None:
    result = CliRunner().invoke(chart, [])
    assert result.exit_code == 0
    assert result.output == "\n".join(draw(each, "text") for each in real_charts().values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["limk"], "no chart 'limk'; the charts are link, service, forward", id="name"),
        pytest.param(["link", "--format", "png"], "'png' is not one of 'text', 'mermaid', 'dot'", id="format"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(chart, arguments)
    assert result.exit_code == 2
    assert message in result.stderr
