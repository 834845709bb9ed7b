from __future__ import annotations

from typing import Any

import pytest

from connmon_agent.core.plan import Kind
from connmon_agent.kube.disruption import choose_version, find_blocking, list_budgets, most_unavailable

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


def rolling(**limits: int | str) -> dict[str, Any]:
    return {"type": "RollingUpdate", "rollingUpdate": limits}


@pytest.mark.parametrize(
    ("strategy", "desired", "expected"),
    [
        pytest.param({}, 1, 0, id="the defaults of one replica: 25 % is 0"),
        pytest.param({}, 3, 0, id="the defaults of three: 25 % is 0"),
        pytest.param({}, 4, 1, id="the defaults of four: 25 % is 1"),
        pytest.param(rolling(maxSurge=1, maxUnavailable=0), 8, 0, id="a surge alone"),
        pytest.param(rolling(maxSurge=0, maxUnavailable=1), 1, 1, id="one in the place of the other"),
        pytest.param(rolling(maxSurge="0%", maxUnavailable="10%"), 1, 1, id="neither: the controller takes one"),
        pytest.param(rolling(maxSurge=1, maxUnavailable=5), 2, 2, id="more than there are"),
        pytest.param(rolling(maxUnavailable="50%"), 2, 1, id="half"),
        pytest.param({"type": "Recreate"}, 3, 3, id="all of them first"),
    ],
)
def test_what_the_rollout_of_a_deployment_takes_away(strategy: dict[str, Any], desired: int, expected: int) -> None:
    assert most_unavailable(Kind.DEPLOYMENT, {"spec": {"strategy": strategy}}, desired) == expected


@pytest.mark.parametrize(
    ("kind", "strategy", "desired", "expected"),
    [
        pytest.param(Kind.STATEFUL_SET, {}, 3, 1, id="a StatefulSet: one at a time"),
        pytest.param(Kind.STATEFUL_SET, rolling(partition=1), 3, 1, id="a StatefulSet with a partition"),
        pytest.param(Kind.STATEFUL_SET, rolling(maxUnavailable=2), 3, 2, id="a StatefulSet: two at a time"),
        pytest.param(Kind.STATEFUL_SET, rolling(maxUnavailable="40%"), 4, 1, id="a StatefulSet: rounded down"),
        pytest.param(Kind.STATEFUL_SET, rolling(maxUnavailable="10%"), 3, 1, id="a StatefulSet: one at least"),
        pytest.param(Kind.DAEMON_SET, rolling(maxUnavailable=1), 1, 1, id="a DaemonSet on one node"),
        pytest.param(Kind.DAEMON_SET, rolling(maxUnavailable="40%"), 3, 2, id="a DaemonSet: rounded up"),
        pytest.param(Kind.DAEMON_SET, rolling(maxSurge=1, maxUnavailable=0), 3, 0, id="a DaemonSet with a surge"),
    ],
)
def test_what_another_rollout_takes_away(kind: Kind, strategy: dict[str, Any], desired: int, expected: int) -> None:
    assert most_unavailable(kind, {"spec": {"updateStrategy": strategy}}, desired) == expected
