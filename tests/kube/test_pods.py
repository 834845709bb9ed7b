from __future__ import annotations

from typing import Any

import pytest

from connmon_agent.kube.pods import find_trouble, list_pods


def pod(name: str, status: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}, "status": status}


def waiting(reason: str, message: str | None = None) -> dict[str, Any]:
    return {"containerStatuses": [{"state": {"waiting": {"reason": reason, "message": message}}}]}


RUNNING = {"phase": "Running", "containerStatuses": [{"state": {"running": {"startedAt": "2026-11-23T10:00:00Z"}}}]}
UNSCHEDULABLE = {
    "phase": "Pending",
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/1 nodes are available:\n1 Insufficient cpu.",
        }
    ],
}


@pytest.mark.parametrize(
    ("pods", "trouble"),
    [
        pytest.param([], None, id="no pod"),
        pytest.param([pod("a", RUNNING)], None, id="running"),
        pytest.param([pod("a", waiting("ContainerCreating"))], None, id="on its way"),
        pytest.param([pod("a", waiting("PodInitializing"))], None, id="initializing"),
        pytest.param([pod("a", waiting("CrashLoopBackOff"))], "a: CrashLoopBackOff", id="crash loop"),
        pytest.param(
            [pod("a", waiting("ImagePullBackOff", 'Back-off pulling image "erp/web:1"'))],
            'a: ImagePullBackOff (Back-off pulling image "erp/web:1")',
            id="image pull back-off",
        ),
        pytest.param([pod("a", waiting("ErrImagePull"))], "a: ErrImagePull", id="image pull"),
        pytest.param(
            [pod("a", {"initContainerStatuses": waiting("CrashLoopBackOff")["containerStatuses"]})],
            "a: CrashLoopBackOff",
            id="init container",
        ),
        pytest.param(
            [pod("a", UNSCHEDULABLE)],
            "a: Unschedulable (0/1 nodes are available: 1 Insufficient cpu.)",
            id="unschedulable",
        ),
        pytest.param([pod("a", {"phase": "Failed", "reason": "Evicted"})], "a: Evicted", id="evicted"),
        pytest.param(
            [pod("a", waiting("CrashLoopBackOff"), deletionTimestamp="2026-11-23T10:00:00Z")], None, id="being deleted"
        ),
        pytest.param(
            [pod(name, waiting("ErrImagePull")) for name in "dbcae"],
            "a: ErrImagePull; b: ErrImagePull; c: ErrImagePull; and 2 more",
            id="many, in the order of their names",
        ),
    ],
)
def test_what_ails_the_pods_is_told(pods: list[dict[str, Any]], trouble: str | None) -> None:
    assert find_trouble(pods) == trouble


def test_a_long_message_is_cut() -> None:
    trouble = find_trouble([pod("a", waiting("CreateContainerError", "x" * 5000))])
    assert trouble is not None
    assert trouble.endswith("x…)")
    assert len(trouble) < 240


def test_the_pods_are_listed_by_the_workloads_selector() -> None:
    workload = {"spec": {"selector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}}}
    assert list_pods("erp", workload).target == "/api/v1/namespaces/erp/pods?labelSelector=app+in+%28a%2Cb%29"
