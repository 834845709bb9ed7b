"""What PodDisruptionBudgets allow, checked against the embedded API and against a real cluster."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.clients import KubernetesClient
from tests.contract.workloads import complete, deployment, observed

from connmon_lab.kubernetes import manifests

POLICY = ("apis/policy/v1", "apis/policy/v1beta1")


@pytest.fixture(scope="session")
def guarded(api: KubernetesClient) -> str:
    """The name of a Deployment with two available pods."""
    deployment(api, "guarded", replicas=2)
    api.wait("deployments", "guarded", complete)
    return "guarded"


@pytest.mark.parametrize(
    ("budget", "allowed", "desired"),
    [
        ({"minAvailable": 1}, 1, 1),
        ({"minAvailable": 2}, 0, 2),
        ({"minAvailable": "50%"}, 1, 1),
        ({"maxUnavailable": 0}, 0, 2),
        ({"maxUnavailable": "50%"}, 1, 1),
    ],
    ids=["min-1", "min-2", "min-50%", "max-0", "max-50%"],
)
def test_a_budget_tells_how_many_disruptions_it_allows(
    api: KubernetesClient, guarded: str, budget: Any, allowed: int, desired: int
) -> None:
    group = next(path for path in POLICY if api.request("GET", f"/{path}").code == 200)
    name = f"budget-{allowed}-{'-'.join(f'{key.lower()}-{value}' for key, value in budget.items()).replace('%', 'pct')}"
    manifest = manifests.disruption_budget(name, api.namespace, app=guarded, version=group.rpartition("/")[2], **budget)
    api.create("poddisruptionbudgets", manifest, group=group)

    def counted(found: dict[str, Any]) -> bool:
        return bool(found["status"].get("currentHealthy") == 2 and found["status"]["desiredHealthy"] == desired)

    found = api.wait("poddisruptionbudgets", name, counted, group=group)
    assert found["status"]["disruptionsAllowed"] == allowed
    assert found["status"]["expectedPods"] == 2


def test_a_budget_without_pods_allows_nothing(api: KubernetesClient) -> None:
    group = next(path for path in POLICY if api.request("GET", f"/{path}").code == 200)
    version = group.rpartition("/")[2]
    manifest = manifests.disruption_budget("lonely", api.namespace, app="nobody", version=version, minAvailable=1)
    api.create("poddisruptionbudgets", manifest, group=group)
    found = api.wait("poddisruptionbudgets", "lonely", observed, group=group)
    assert (found["status"]["disruptionsAllowed"], found["status"]["expectedPods"]) == (0, 0)
