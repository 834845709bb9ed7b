from __future__ import annotations

from typing import Any

import pytest

from connmon_agent.core.observations import Observation
from connmon_agent.core.plan import Kind
from connmon_agent.kube.rollouts import read_workload
from connmon_agent.kube.standstills import add_pods

QUOTA = 'pods "web-7d9-x" is forbidden: exceeded quota: compute'
REPLICA_FAILURE = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": QUOTA}
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
NO_PORT = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: no free ports"}
NEWEST = {"metadata": {"uid": "new"}}
OLD = {"metadata": {"name": "web-6c8-y", "ownerReferences": [{"uid": "old"}]}, "status": READY}
ENDING = {**OLD, "metadata": {**OLD["metadata"], "deletionTimestamp": "2026-11-23T10:00:00Z"}}
PLACELESS = {
    "metadata": {"name": "web-7d9-x", "ownerReferences": [{"uid": "new"}]},
    "status": {"phase": "Pending", "conditions": [NO_PORT]},
}
ONE_FOR_ONE = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def deployment(*conditions: dict[str, Any], **spec: Any) -> dict[str, Any]:
    status = {"observedGeneration": 2, "replicas": 1, "availableReplicas": 1, "conditions": list(conditions)}
    return {"metadata": {"generation": 2}, "spec": {"replicas": 1, **spec}, "status": status}


def see(workload: dict[str, Any], *pods: dict[str, Any]) -> Observation:
    seen = read_workload(Kind.DEPLOYMENT, workload)
    return add_pods(seen, Kind.DEPLOYMENT, workload, pods=list(pods), newest=NEWEST)


@pytest.mark.parametrize(
    ("workload", "pods", "stalled", "trouble", "deadlock"),
    [
        pytest.param(deployment(REPLICA_FAILURE), [OLD], True, f"FailedCreate ({QUOTA})", True, id="a quota"),
        pytest.param(
            deployment(REPLICA_FAILURE), [ENDING], False, f"FailedCreate ({QUOTA})", False, id="it may get room soon"
        ),
        pytest.param(
            deployment(REPLICA_FAILURE, strategy=ONE_FOR_ONE), [], True, f"FailedCreate ({QUOTA})", False, id="no pod"
        ),
        pytest.param(
            deployment({**REPLICA_FAILURE, "status": "False"}), [OLD], False, None, False, id="that was before"
        ),
        pytest.param(deployment(), [OLD, PLACELESS], True, "Unschedulable", True, id="a port that the old pod has"),
        pytest.param(
            deployment(strategy=ONE_FOR_ONE), [OLD, PLACELESS], True, "Unschedulable", False, id="the old one may go"
        ),
        pytest.param(deployment(), [PLACELESS], True, "Unschedulable", False, id="no old pod has its place"),
    ],
)
def test_why_a_rollout_stands_still(
    workload: dict[str, Any], pods: list[dict[str, Any]], stalled: bool, trouble: str | None, deadlock: bool
) -> None:
    seen = see(workload, *pods)
    assert seen.stalled is stalled
    assert (seen.trouble is None) if trouble is None else (trouble in (seen.trouble or ""))
    assert ("set maxUnavailable to 1" in (seen.trouble or "")) is deadlock


def test_a_plain_look_names_what_keeps_the_controller_from_making_pods() -> None:
    assert read_workload(Kind.DEPLOYMENT, deployment(REPLICA_FAILURE)).trouble == f"FailedCreate ({QUOTA})"


def test_what_a_pod_without_trouble_is_doing_is_told_with_the_progress() -> None:
    waiting = {"state": {"waiting": {"reason": "ContainerCreating"}}}
    new = {"metadata": {"name": "web-7d9-x"}, "status": {"phase": "Pending", "containerStatuses": [waiting]}}
    assert see(deployment(), OLD, new).progress.endswith(" (web-7d9-x: ContainerCreating)")


@pytest.mark.parametrize(
    ("gates", "gated"),
    [
        ([], None),
        ([{"name": "a.b/c"}], "its pod template has the scheduling gate a.b/c"),
        ([{"name": "a.b/c"}, {"name": "d/e"}], "its pod template has the scheduling gates a.b/c, d/e"),
    ],
)
def test_a_template_with_scheduling_gates_is_named(gates: list[dict[str, str]], gated: str | None) -> None:
    template = {"spec": {"schedulingGates": gates}}
    assert read_workload(Kind.DEPLOYMENT, deployment(template=template)).gated == gated


def test_a_pod_with_a_scheduling_gate_that_its_template_has_not_is_named() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
    pod = {"metadata": {"name": "web-7d9-x"}, "spec": {"schedulingGates": [{"name": "a.b/c"}]}}
    seen = see(deployment(), {**pod, "status": {"phase": "Pending", "conditions": [condition]}})
    assert seen.gated == "web-7d9-x has the scheduling gate a.b/c"
