"""How rollouts show in the status of workloads, checked against the embedded API and against a real cluster."""

from __future__ import annotations

import contextlib
from typing import Any

from tests.contract.clients import PATIENCE, KubernetesClient
from tests.contract.workloads import (
    annotate,
    complete,
    conditions,
    deployment,
    observed,
    progress,
    rolled_out,
    status_of,
    template,
    use_missing_image,
    waiting_reasons,
)

from connmon_lab.kubernetes import Trait, manifests


def test_a_restart_makes_one_replica_set_and_completes(api: KubernetesClient) -> None:
    deployment(api, "web", replicas=2)
    before = api.wait("deployments", "web", complete)
    old_pods = {pod["metadata"]["uid"] for pod in api.list("pods", "app=web", group="api/v1")}
    answer = api.patch("deployments", "web", annotate("t1"))
    assert answer.body["metadata"]["generation"] == before["metadata"]["generation"] + 1
    again = api.patch("deployments", "web", annotate("t1"))
    assert again.body["metadata"]["generation"] == before["metadata"]["generation"] + 1

    # Watched, because a look now and then may miss what lasts for a tenth of a second.
    since = f"fieldSelector=metadata.name=web&resourceVersion={answer.body['metadata']['resourceVersion']}"
    with contextlib.closing(api.watch(f"{api.path('deployments')}?{since}&timeoutSeconds={PATIENCE}")) as events:
        found = (event["object"] for event in events)
        rolling = next(d for d in found if observed(d) and progress(d) == "ReplicaSetUpdated")
    assert not rolled_out(rolling)
    done = api.wait("deployments", "web", lambda d: complete(d) and not d["status"].get("terminatingReplicas"))
    assert rolled_out(done)
    assert {name: number for name, number in done["status"].items() if name != "conditions"} == {
        "observedGeneration": done["metadata"]["generation"],
        "replicas": 2,
        "updatedReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        **({"terminatingReplicas": 0} if api.version.has(Trait.TERMINATING_REPLICAS) else {}),
    }
    assert conditions(done)["Available"] == ("True", "MinimumReplicasAvailable")
    assert done["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    pods = api.list("pods", "app=web", group="api/v1")
    assert old_pods.isdisjoint(pod["metadata"]["uid"] for pod in pods)
    assert [pod["metadata"]["annotations"]["connmon.io/restart-token"] for pod in pods] == ["t1", "t1"]


def test_replica_sets_name_their_owner_revision_and_age(api: KubernetesClient, still: str) -> None:
    owner = api.get("deployments", still)
    (replica_set,) = api.list("replicasets", "app=still")
    metadata = replica_set["metadata"]
    assert metadata["annotations"]["deployment.kubernetes.io/revision"] == "1"
    assert metadata["labels"]["pod-template-hash"] == metadata["name"].removeprefix("still-")
    assert metadata["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]
    assert metadata["creationTimestamp"] >= owner["metadata"]["creationTimestamp"]
    (pod,) = api.list("pods", "app=still", group="api/v1")
    assert pod["metadata"]["ownerReferences"][0]["uid"] == metadata["uid"]
    assert pod["status"]["phase"] == "Running"
    assert {item["type"]: item["status"] for item in pod["status"]["conditions"]}["Ready"] == "True"
    assert [item["ready"] for item in pod["status"]["containerStatuses"]] == [True]


def test_a_rollout_that_never_gets_ready_exceeds_its_deadline(api: KubernetesClient) -> None:
    deployment(api, "broken", progressDeadlineSeconds=1)
    api.wait("deployments", "broken", complete)
    api.patch("deployments", "broken", use_missing_image("broken"))

    def stuck(
        found: dict[str, Any],
    ) -> bool:  # a busy controller finds the deadline passed before it counts the new pod
        return bool(progress(found) == "ProgressDeadlineExceeded" and found["status"].get("updatedReplicas"))

    failed = api.wait("deployments", "broken", stuck)
    assert conditions(failed)["Progressing"] == ("False", "ProgressDeadlineExceeded")
    assert conditions(failed)["Available"][0] == "True", "the old pod serves on"
    assert (failed["status"]["replicas"], failed["status"]["updatedReplicas"]) == (2, 1)
    api.wait_list("pods", "app=broken", lambda pods: waiting_reasons(pods) == ["ErrImageNeverPull"], group="api/v1")


def test_a_paused_deployment_takes_the_patch_and_rolls_nothing(api: KubernetesClient) -> None:
    deployment(api, "paused")
    api.wait("deployments", "paused", complete)
    api.patch("deployments", "paused", {"spec": {"paused": True}})
    answer = api.patch("deployments", "paused", annotate("t1"))
    assert (answer.code, answer.body["metadata"]["generation"]) == (200, 3)
    found = api.wait("deployments", "paused", lambda d: observed(d) and progress(d) == "DeploymentPaused")
    assert len(api.list("replicasets", "app=paused")) == 1
    assert found["status"].get("updatedReplicas", 0) == 0
    api.patch("deployments", "paused", {"spec": {"paused": False}})
    api.wait("deployments", "paused", complete)
    assert len(api.list("replicasets", "app=paused")) == 2


def test_scaled_to_zero(api: KubernetesClient) -> None:
    deployment(api, "idle")
    api.wait("deployments", "idle", complete)
    api.patch("deployments", "idle", {"spec": {"replicas": 0}})
    found = api.wait("deployments", "idle", lambda d: observed(d) and not d["status"].get("replicas"))
    assert "availableReplicas" not in found["status"]
    assert progress(found) == "NewReplicaSetAvailable"
    api.patch("deployments", "idle", annotate("t1"))
    api.wait("deployments", "idle", complete)
    assert len(api.list("replicasets", "app=idle")) == 2
    assert api.list("pods", "app=idle", group="api/v1") == []


def test_a_deployment_that_recreates(api: KubernetesClient) -> None:
    deployment(api, "anew", strategy={"type": "Recreate"})
    api.wait("deployments", "anew", complete)
    api.patch("deployments", "anew", annotate("t1"))
    done = api.wait("deployments", "anew", lambda d: complete(d) and d["status"].get("availableReplicas") == 1)
    assert done["status"]["replicas"] == 1


def test_a_stateful_set_rolls_and_moves_its_revision(api: KubernetesClient) -> None:
    made = api.create("statefulsets", manifests.stateful_set("db", api.namespace, replicas=2, template=template("db")))
    limit = {"maxUnavailable": 1} if api.version.has(Trait.STATEFUL_SET_UNAVAILABLE) else {}
    assert made["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0, **limit}}

    def settled(found: dict[str, Any]) -> bool:
        status = found["status"]
        same = status.get("currentRevision") == status.get("updateRevision")
        return observed(found) and status.get("readyReplicas") == status.get("updatedReplicas") == 2 and same

    before = api.wait("statefulsets", "db", settled)
    answer = api.patch("statefulsets", "db", annotate("t1"))
    assert answer.body["metadata"]["generation"] == 2
    rolling = api.wait("statefulsets", "db", observed)
    assert rolling["status"]["updateRevision"] != before["status"]["updateRevision"]
    done = api.wait("statefulsets", "db", settled)
    assert done["status"]["currentRevision"] == rolling["status"]["updateRevision"]
    pods = api.list("pods", "app=db", group="api/v1")
    assert [pod["metadata"]["name"] for pod in pods] == ["db-0", "db-1"]
    revisions = api.list("controllerrevisions", "app=db")
    assert sorted(item["revision"] for item in revisions) == [1, 2]
    assert {item["metadata"]["ownerReferences"][0]["uid"] for item in revisions} == {made["metadata"]["uid"]}


def test_a_stateful_set_on_delete_waits_for_deletion(api: KubernetesClient) -> None:
    spec = {"template": template("manual"), "updateStrategy": {"type": "OnDelete"}}
    api.create("statefulsets", manifests.stateful_set("manual", api.namespace, **spec))
    api.wait("statefulsets", "manual", lambda s: s["status"].get("readyReplicas") == 1)
    (pod,) = api.list("pods", "app=manual", group="api/v1")
    api.patch("statefulsets", "manual", annotate("t1"))
    found = api.wait("statefulsets", "manual", observed)
    assert found["status"].get("updatedReplicas", 0) == 0
    api.request("DELETE", api.path("pods", "manual-0", group="api/v1"))

    def replaced(found: dict[str, Any]) -> bool:
        return bool(found["status"].get("updatedReplicas") == found["status"].get("readyReplicas") == 1)

    api.wait("statefulsets", "manual", replaced)
    (new,) = api.list("pods", "app=manual", group="api/v1")
    assert new["metadata"]["uid"] != pod["metadata"]["uid"]


def test_a_daemon_set_rolls(api: KubernetesClient) -> None:
    api.create("daemonsets", manifests.daemon_set("node", api.namespace, template=template("node")))

    def settled(found: dict[str, Any]) -> bool:
        status = found["status"]
        wanted = status["desiredNumberScheduled"]
        return observed(found) and status.get("updatedNumberScheduled") == status.get("numberAvailable") == wanted

    before = api.wait("daemonsets", "node", settled)
    old = {pod["metadata"]["uid"] for pod in api.list("pods", "app=node", group="api/v1")}
    answer = api.patch("daemonsets", "node", annotate("t1"))
    assert answer.body["metadata"]["generation"] == before["metadata"]["generation"] + 1
    done = api.wait("daemonsets", "node", settled)
    assert "numberUnavailable" not in done["status"]
    assert done["status"]["numberReady"] == done["status"]["desiredNumberScheduled"]
    assert old.isdisjoint(pod["metadata"]["uid"] for pod in api.list("pods", "app=node", group="api/v1"))


def test_deleting_a_deployment_takes_its_replica_sets_and_pods_along(api: KubernetesClient) -> None:
    made = deployment(api, "gone")
    api.wait("deployments", "gone", complete)
    path = api.path("deployments", "gone")
    wrong = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "another"}}
    assert status_of(api.request("DELETE", path, wrong)) == (409, "Status", "Conflict")
    answer = api.request("DELETE", path)
    assert (answer.code, answer.body["status"]) == (200, "Success")
    assert answer.body["details"]["uid"] == made["metadata"]["uid"]
    api.wait_list("replicasets", "app=gone", lambda items: not items)
    api.wait_list("pods", "app=gone", lambda items: not items, group="api/v1")
