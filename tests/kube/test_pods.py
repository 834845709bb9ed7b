from __future__ import annotations

from typing import Any

import pytest

from connmon_agent.core.plan import Kind
from connmon_agent.kube.pods import (
    MOST_PODS,
    examine_pods,
    find_trouble,
    identify_current,
    identify_running,
    list_pods,
    mark_progress,
)


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
    unfinished = "&fieldSelector=status.phase%21%3DFailed%2Cstatus.phase%21%3DSucceeded"
    path = "/api/v1/namespaces/erp/pods?labelSelector=app+in+%28a%2Cb%29"
    assert list_pods("erp", workload).target == path + unfinished


EVICTED = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}
READY = {**RUNNING, "conditions": [{"type": "Ready", "status": "True"}]}
GATED = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}
ENDING = {"deletionTimestamp": "2026-11-23T10:00:00Z"}


def is_new(one: dict[str, Any]) -> bool:
    return str(one["metadata"]["name"]).startswith("new")


def test_pods_of_the_current_template_come_first_and_ended_ones_are_only_counted() -> None:
    pods = [
        *(pod(f"a{number}", EVICTED) for number in range(6)),
        pod("b", {"phase": "Succeeded"}),
        pod("c", waiting("CrashLoopBackOff")),
        pod("new-1", waiting("ErrImagePull")),
    ]
    seen = examine_pods(pods, in_order=False, is_current=is_new)
    assert seen.trouble == "new-1: ErrImagePull; c: CrashLoopBackOff; 6 ended pods (Evicted); 1 ended pod (Succeeded)"


@pytest.mark.parametrize(
    ("pods", "stalled"),
    [
        pytest.param([pod("new-1", waiting("ErrImagePull"))], True, id="the only one cannot start"),
        pytest.param([pod("new-1", waiting("ErrImagePull")), pod("new-2", READY)], True, id="beside one that is ready"),
        pytest.param(
            [pod("new-1", waiting("ErrImagePull")), pod("new-2", waiting("ContainerCreating"))],
            False,
            id="beside one on its way",
        ),
        pytest.param([pod("new-1", waiting("ContainerCreating"))], False, id="on its way"),
        pytest.param([pod("new-1", RUNNING)], False, id="not ready yet"),
        pytest.param([pod("new-1", READY), pod("old", waiting("CrashLoopBackOff"))], False, id="an old one crashes"),
        pytest.param([pod("new-1", UNSCHEDULABLE), pod("old", READY)], True, id="no place"),
        pytest.param([pod("new-1", UNSCHEDULABLE), pod("old", READY, **ENDING)], False, id="a place may come free"),
        pytest.param([pod("new-1", waiting("ErrImagePull")), pod("old", READY, **ENDING)], True, id="no place helps"),
        pytest.param([pod("new-1", GATED)], True, id="a gate"),
        pytest.param([pod("old", EVICTED)], False, id="ended ones tell nothing"),
        pytest.param([], False, id="no pod"),
    ],
)
def test_a_rollout_is_stalled_when_no_new_pod_may_get_ready_soon(pods: list[dict[str, Any]], stalled: bool) -> None:
    assert examine_pods(pods, in_order=False, is_current=is_new).stalled is stalled


def test_ended_pods_do_not_hide_one_that_is_starting() -> None:
    seen = examine_pods([pod("a", EVICTED), pod("new-1", waiting("ContainerCreating"))], in_order=False)
    assert (seen.trouble, seen.delay) == (None, "new-1: ContainerCreating")


@pytest.mark.parametrize("in_order", [True, False])
def test_an_old_pod_holds_up_those_that_are_replaced_in_order(in_order: bool) -> None:
    pods = [pod("old", waiting("CrashLoopBackOff"))]
    assert examine_pods(pods, in_order=in_order, is_current=is_new).stalled is in_order


def test_what_serves_meanwhile_is_counted() -> None:
    pods = [pod("new-1", READY), pod("old-1", READY), pod("old-2", RUNNING), pod("old-3", READY, **ENDING)]
    assert examine_pods(pods, in_order=False, is_current=is_new).old_serving == 1


@pytest.mark.parametrize(
    ("pods", "delay"),
    [
        pytest.param([pod("a", waiting("ContainerCreating"))], "a: ContainerCreating", id="on its way"),
        pytest.param([pod("a", RUNNING)], "a: running, not ready", id="not ready"),
        pytest.param([pod("a", {**RUNNING, **READY}), pod("b", READY, **ENDING)], "b: still terminating", id="ending"),
        pytest.param([pod("a", READY)], None, id="ready"),
    ],
)
def test_what_a_pod_does_with_which_nothing_is_wrong_is_told(pods: list[dict[str, Any]], delay: str | None) -> None:
    assert examine_pods(pods, in_order=False).delay == delay


def named(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": f"{name}-uid", "labels": labels}}


OWNED = {"metadata": {"name": "web-7d9-x", "ownerReferences": [{"uid": "web-7d9-uid"}]}}
HASH = "controller-revision-hash"


@pytest.mark.parametrize(
    ("kind", "workload", "newest", "current", "older"),
    [
        (Kind.DEPLOYMENT, named("web"), named("web-7d9"), OWNED, named("web-6c8-y")),
        (
            Kind.STATEFUL_SET,
            {"status": {"updateRevision": "web-7d9"}},
            None,
            named("web-0", **{HASH: "web-7d9"}),
            named("web-1", **{HASH: "web-6c8"}),
        ),
        (
            Kind.DAEMON_SET,
            named("web"),
            named("web-7d9", **{HASH: "7d9"}),
            named("web-x", **{HASH: "7d9"}),
            named("web-y", **{HASH: "6c8"}),
        ),
        (
            Kind.DAEMON_SET,
            named("web"),
            named("web-7d9"),
            named("web-x", **{HASH: "7d9"}),
            named("web-y", **{HASH: "6c8"}),
        ),
    ],
)
def test_a_pod_of_the_current_template_is_told_from_older_ones(
    kind: Kind, workload: dict[str, Any], newest: dict[str, Any] | None, current: dict[str, Any], older: dict[str, Any]
) -> None:
    is_current = identify_current(kind, workload, newest)
    assert is_current is not None
    assert (is_current(current), is_current(older)) == (True, False)


def test_without_the_revisions_no_pod_is_called_old() -> None:
    assert identify_current(Kind.DEPLOYMENT, named("web"), None) is None


WORKLOAD = {"metadata": {"generation": 3}, "status": {"replicas": 2, "updatedReplicas": 1}}
CRASHED = waiting("CrashLoopBackOff")["containerStatuses"][0] | {"restartCount": 4}


def started(number: int) -> dict[str, Any]:
    return {"containerStatuses": [{"state": {"running": {}}}] * number + [{"state": {"waiting": {}}}] * (2 - number)}


@pytest.mark.parametrize(
    ("workload", "pods"),
    [
        pytest.param({**WORKLOAD, "metadata": {"generation": 4}}, [pod("a", started(1))], id="another template"),
        pytest.param({**WORKLOAD, "status": {"replicas": 2}}, [pod("a", started(1))], id="another count"),
        pytest.param(WORKLOAD, [pod("a", started(2))], id="one container more"),
        pytest.param(WORKLOAD, [pod("a", started(1)), pod("b", {})], id="one pod more"),
        pytest.param(WORKLOAD, [], id="one pod fewer"),
        pytest.param(WORKLOAD, [pod("b", started(1))], id="another pod"),
        pytest.param(WORKLOAD, [pod("a", started(1), **ENDING)], id="the pod is to end"),
        pytest.param(WORKLOAD, [pod("a", started(1)) | {"spec": {"nodeName": "n"}}], id="it has a node"),
    ],
)
def test_whatever_moves_changes_the_mark(workload: dict[str, Any], pods: list[dict[str, Any]]) -> None:
    assert mark_progress(workload, pods) != mark_progress(WORKLOAD, [pod("a", started(1))])


@pytest.mark.parametrize(
    "status",
    [
        {"containerStatuses": [CRASHED]},
        {"containerStatuses": [CRASHED | {"restartCount": 5}]},
        {"containerStatuses": [CRASHED | {"state": {"running": {}}}]},
        {"containerStatuses": [{"state": {"terminated": {"exitCode": 1}}}]},
    ],
)
def test_a_container_that_is_started_again_and_again_moves_nothing(status: dict[str, Any]) -> None:
    once = {"containerStatuses": [{"state": {"running": {}}}]}
    assert mark_progress(WORKLOAD, [pod("a", status)]) == mark_progress(WORKLOAD, [pod("a", once)])


def owned(uid: str, owner: str = "rs-1", **more: Any) -> dict[str, Any]:
    return {"metadata": {"uid": uid, "ownerReferences": [{"uid": owner, "controller": True}], **more}, "status": {}}


def test_the_pods_that_run_are_named_by_their_own_uids() -> None:
    pods = [
        owned("22222222-2222-2222-2222-222222222222"),
        owned("11111111-1111-1111-1111-111111111111"),
        owned("33333333-3333-3333-3333-333333333333", deletionTimestamp="2026-11-23T10:00:00Z"),
        owned("44444444-4444-4444-4444-444444444444") | {"status": {"phase": "Failed"}},
        owned("55555555-5555-5555-5555-555555555555", owner="rs-of-another-workload"),
    ]
    assert identify_running(pods, owners={"rs-1"}) == ("11111111-1111", "22222222-2222")
    assert len(identify_running(pods, owners=None)) == 3


def test_of_very_many_pods_the_first_stand_for_all() -> None:
    pods = [owned(f"{number:08}-0000-0000-0000-000000000000") for number in range(2_200)]
    assert len(identify_running(pods, owners=None)) == MOST_PODS
