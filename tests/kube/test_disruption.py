from __future__ import annotations

from typing import Any

import pytest

from connmon_agent.kube.disruption import choose_version, find_blocking, list_budgets

WEB = {"matchLabels": {"app": "web"}}
WORKLOAD = {"spec": {"template": {"metadata": {"labels": {"app": "web"}}}}}


def budget(name: str, selector: dict[str, Any] | None, allowed: int, *, observed: int = 1) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "generation": 1},
        "spec": {"selector": selector},
        "status": {"disruptionsAllowed": allowed, "observedGeneration": observed},
    }


@pytest.mark.parametrize(
    ("budgets", "version", "blocking"),
    [
        pytest.param([], "v1", None, id="no budget"),
        pytest.param([budget("keep", WEB, 0)], "v1", "keep", id="it allows none"),
        pytest.param([budget("keep", WEB, 1)], "v1", None, id="it allows one"),
        pytest.param([budget("keep", {"matchLabels": {"app": "db"}}, 0)], "v1", None, id="other pods"),
        pytest.param([budget("a", WEB, 1), budget("b", WEB, 0)], "v1", "b", id="one of two"),
        pytest.param([budget("keep", WEB, 1, observed=0)], "v1", "keep", id="a status older than the spec"),
        pytest.param([{"metadata": {"name": "new"}, "spec": {"selector": WEB}}], "v1", "new", id="no status yet"),
        pytest.param([budget("all", {}, 0)], "v1", "all", id="v1: the empty selector means every pod"),
        pytest.param([budget("none", {}, 0)], "v1beta1", None, id="v1beta1: the empty selector means none"),
        pytest.param([budget("none", None, 0)], "v1", None, id="no selector means none"),
    ],
)
def test_a_budget_that_allows_no_disruption_of_the_pods_blocks(
    budgets: list[dict[str, Any]], version: str, blocking: str | None
) -> None:
    assert find_blocking(WORKLOAD, budgets, version=version) == blocking


@pytest.mark.parametrize(
    ("served", "version"),
    [
        pytest.param(["v1beta1", "v1"], "v1", id="1.21 to 1.24"),
        pytest.param(["v1beta1"], "v1beta1", id="1.20"),
        pytest.param(["v1"], "v1", id="1.25 and later"),
        pytest.param(["v2"], None, id="none that is known"),
    ],
)
def test_the_newest_known_version_is_chosen(served: list[str], version: str | None) -> None:
    assert choose_version({"versions": [{"version": name} for name in served]}) == version


def test_the_budgets_of_the_namespace_are_listed() -> None:
    assert list_budgets("erp", "v1").target == "/apis/policy/v1/namespaces/erp/poddisruptionbudgets"
