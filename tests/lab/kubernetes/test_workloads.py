"""Rollouts over time, with failures on request, on a loop whose time is simulated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.fakes.virtual_time import run_virtually

from connmon_lab.kubernetes import NEWEST, OLDEST, EmbeddedKubernetes, Timing, Version, manifests

Story = Callable[[EmbeddedKubernetes], Awaitable[None]]
PLURALS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
MAKERS = {
    "Deployment": manifests.deployment,
    "StatefulSet": manifests.stateful_set,
    "DaemonSet": manifests.daemon_set,
}
KINDS = pytest.mark.parametrize("kind", list(MAKERS))


def tell(story: Story, **options: Any) -> None:
    """Run a story against a fresh cluster in virtual time; pods become Ready after 10 seconds."""

    async def live() -> None:
        async with EmbeddedKubernetes(
            **{"pace": Timing(ready_after=10), "now": lambda: 1_795_000_000.0} | options
        ) as api:
            await story(api)

    run_virtually(live())


def restart(api: EmbeddedKubernetes, kind: str, token: str) -> None:
    path = f"/apis/apps/v1/namespaces/default/{PLURALS[kind]}/web"
    patch = {"spec": {"template": {"metadata": {"annotations": {"connmon.io/restart-token": token}}}}}
    assert api.request("PATCH", path, patch, content_type="application/merge-patch+json").status == 200


def change(api: EmbeddedKubernetes, spec: dict[str, Any], kind: str = "Deployment") -> None:
    path = f"/apis/apps/v1/namespaces/default/{PLURALS[kind]}/web"
    assert api.request("PATCH", path, {"spec": spec}, content_type="application/merge-patch+json").status == 200


def status(api: EmbeddedKubernetes, kind: str = "Deployment") -> dict[str, Any]:
    found = api.get(kind, "default", "web")
    assert found is not None
    told: dict[str, Any] = found["status"]
    return told


def progress(api: EmbeddedKubernetes) -> str:
    found = (item["reason"] for item in status(api)["conditions"] if item["type"] == "Progressing")
    return str(next(found))


def available(api: EmbeddedKubernetes, kind: str = "Deployment") -> int:
    names = {"Deployment": "availableReplicas", "StatefulSet": "readyReplicas", "DaemonSet": "numberAvailable"}
    return int(status(api, kind).get(names[kind], 0))


def waiting(api: EmbeddedKubernetes) -> list[str]:
    states = [item["state"] for pod in api.list_objects("Pod") for item in pod["status"].get("containerStatuses", [])]
    return [state["waiting"]["reason"] for state in states if "waiting" in state]


def uids(api: EmbeddedKubernetes) -> set[str]:
    return {pod["metadata"]["uid"] for pod in api.list_objects("Pod")}


def test_pods_become_ready_after_a_while() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.deployment("web", replicas=2))
        await asyncio.sleep(9.9)
        assert (available(api), waiting(api)) == (0, ["ContainerCreating"] * 2)
        await asyncio.sleep(0.2)
        assert (available(api), progress(api)) == (2, "NewReplicaSetAvailable")

    tell(story)


def test_a_workload_may_have_a_pace_of_its_own() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.workloads.set_ready_after("Deployment", "default", "web", seconds=60)
        api.create(manifests.deployment("web"))
        await asyncio.sleep(59)
        assert available(api) == 0
        await asyncio.sleep(2)
        assert available(api) == 1

    tell(story)


def test_a_controller_may_notice_late() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.deployment("web"))
        await asyncio.sleep(60)
        restart(api, "Deployment", "t1")
        await asyncio.sleep(1.5)
        assert status(api)["observedGeneration"] == 1
        await asyncio.sleep(1.5)
        assert status(api)["observedGeneration"] == 2

    tell(story, pace=Timing(ready_after=10, reconcile_after=2))


def test_a_rolling_update_never_goes_below_what_must_be_available() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.deployment("web", replicas=4))
        await asyncio.sleep(11)
        restart(api, "Deployment", "t1")
        seen = set()
        for _ in range(400):
            await asyncio.sleep(0.1)
            seen.add((status(api)["replicas"], available(api)))
        assert {replicas for replicas, _ in seen} <= {4, 5} and {number for _, number in seen} <= {3, 4}
        assert (status(api)["updatedReplicas"], status(api)["replicas"]) == (4, 4)

    tell(story)


def test_pods_that_take_long_to_go() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        template = manifests.pod_template("web")
        template["spec"]["terminationGracePeriodSeconds"] = 30
        api.create(manifests.deployment("web", template=template))
        await asyncio.sleep(11)
        restart(api, "Deployment", "t1")
        await asyncio.sleep(11)
        assert progress(api) == "NewReplicaSetAvailable"
        assert [("deletionTimestamp" in pod["metadata"]) for pod in api.list_objects("Pod")].count(True) == 1
        await asyncio.sleep(30)
        assert len(api.list_objects("Pod")) == 1

    tell(story, pace=Timing(ready_after=10, terminate_after=30))


@pytest.mark.parametrize(("how", "reason"), [("never-ready", "CrashLoopBackOff"), ("image-pull", "ImagePullBackOff")])
def test_a_rollout_fails_as_often_as_asked(how: Any, reason: str) -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.deployment("web", progressDeadlineSeconds=30))
        await asyncio.sleep(11)
        api.workloads.fail_rollouts("Deployment", "default", "web", times=2, how=how)
        for token in ("t1", "t2"):
            restart(api, "Deployment", token)
            await asyncio.sleep(29)
            assert (progress(api), waiting(api)) == ("ReplicaSetUpdated", [reason])
            await asyncio.sleep(2)
            assert (progress(api), available(api)) == ("ProgressDeadlineExceeded", 1)
        restart(api, "Deployment", "t3")
        await asyncio.sleep(11)
        assert (progress(api), waiting(api)) == ("NewReplicaSetAvailable", [])

    tell(story)


def test_rollouts_fail_until_they_are_told_not_to() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.deployment("web"))
        await asyncio.sleep(11)
        api.workloads.fail_rollouts("Deployment", "default", "web", times=None)
        for token in ("t1", "t2", "t3"):
            restart(api, "Deployment", token)
            await asyncio.sleep(60)
            assert waiting(api) == ["CrashLoopBackOff"]
        api.workloads.fail_rollouts("Deployment", "default", "web", times=0)
        restart(api, "Deployment", "t4")
        await asyncio.sleep(11)
        assert waiting(api) == []

    tell(story)


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_other_rollouts_fail_too(kind: str) -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(MAKERS[kind]("web"))
        await asyncio.sleep(11)
        api.workloads.fail_rollouts(kind, "default", "web")
        restart(api, kind, "t1")
        await asyncio.sleep(3600)
        assert (available(api, kind), waiting(api)) == (0, ["CrashLoopBackOff"])

    tell(story)


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet"])
def test_a_service_that_hangs_until_it_is_restarted(kind: str) -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(MAKERS[kind]("web"))
        await asyncio.sleep(11)
        before = uids(api)
        api.workloads.become_unready(kind, "default", "web")
        await asyncio.sleep(3600)
        assert (available(api, kind), uids(api)) == (0, before)
        restart(api, kind, "t1")
        await asyncio.sleep(11)
        assert available(api, kind) == 1
        assert before.isdisjoint(uids(api))

    tell(story)


@pytest.mark.parametrize(("policy", "restarted"), [("OrderedReady", 0), ("Parallel", 1)])
def test_an_ordered_stateful_set_that_hangs_is_not_restarted_by_a_patch(policy: str, restarted: int) -> None:
    """As measured on Kubernetes 1.20: OrderedReady waits for the unready pod, of whatever revision, for ever."""

    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.stateful_set("web", podManagementPolicy=policy))
        await asyncio.sleep(11)
        api.workloads.become_unready("StatefulSet", "default", "web")
        await asyncio.sleep(1)
        restart(api, "StatefulSet", "t1")
        await asyncio.sleep(3600)
        assert available(api, "StatefulSet") == restarted

    tell(story)


@KINDS
def test_a_service_that_recovers_by_itself(kind: str) -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(MAKERS[kind]("web"))
        await asyncio.sleep(11)
        before = uids(api)
        api.workloads.become_unready(kind, "default", "web")
        await asyncio.sleep(1)
        assert available(api, kind) == 0
        api.workloads.become_ready(kind, "default", "web")
        await asyncio.sleep(1)
        assert (available(api, kind), uids(api)) == (1, before)

    tell(story)


def test_a_complete_deployment_whose_pods_hang_is_not_failed() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.deployment("web", progressDeadlineSeconds=5))
        await asyncio.sleep(11)
        change(api, {"progressDeadlineSeconds": 60})
        restart(api, "Deployment", "t1")
        await asyncio.sleep(11)
        api.workloads.become_unready("Deployment", "default", "web")
        await asyncio.sleep(3600)
        assert progress(api) == "NewReplicaSetAvailable"
        assert [item["status"] for item in status(api)["conditions"] if item["type"] == "Available"] == ["False"]

    tell(story)


def test_min_ready_seconds_delay_availability() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.deployment("web", minReadySeconds=20))
        await asyncio.sleep(29)
        assert (status(api)["readyReplicas"], available(api)) == (1, 0)
        await asyncio.sleep(2)
        assert available(api) == 1

    tell(story)


def test_undoing_a_change_takes_the_old_replica_set_again() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.deployment("web", template=manifests.pod_template("web", annotations={"a": "1"})))
        await asyncio.sleep(11)
        for value in ("2", "1"):
            change(api, {"template": {"metadata": {"annotations": {"a": value}}}})
            await asyncio.sleep(11)
        revisions = {
            item["spec"]["template"]["metadata"]["annotations"]["a"]: item["metadata"]["annotations"][
                "deployment.kubernetes.io/revision"
            ]
            for item in api.list_objects("ReplicaSet")
        }
        assert revisions == {"1": "3", "2": "2"}

    tell(story)


@KINDS
def test_history_is_kept_up_to_its_limit(kind: str) -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(MAKERS[kind]("web", revisionHistoryLimit=2))
        for token in range(5):
            await asyncio.sleep(60)
            restart(api, kind, str(token))
        await asyncio.sleep(60)
        kept = "ReplicaSet" if kind == "Deployment" else "ControllerRevision"
        assert len(api.list_objects(kept)) == 3

    tell(story)


def test_a_partition_keeps_the_lower_pods() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
        api.create(manifests.stateful_set("web", replicas=3, updateStrategy=strategy))
        await asyncio.sleep(31)
        restart(api, "StatefulSet", "t1")
        await asyncio.sleep(60)
        told = status(api, "StatefulSet")
        assert (told["updatedReplicas"], told["currentReplicas"], told["readyReplicas"]) == (2, 1, 3)
        assert told["currentRevision"] != told["updateRevision"]

    tell(story)


def test_a_daemon_set_replaces_one_node_at_a_time() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.daemon_set("web"))
        await asyncio.sleep(11)
        restart(api, "DaemonSet", "t1")
        seen = []
        for _ in range(4):
            await asyncio.sleep(9)
            seen.append((status(api, "DaemonSet")["updatedNumberScheduled"], available(api, "DaemonSet")))
        assert seen == [(1, 2), (2, 2), (3, 2), (3, 3)]

    tell(story, nodes=("n1", "n2", "n3"))


@pytest.mark.parametrize(("version", "allowed"), [(NEWEST, 1), (OLDEST, 0)])
def test_an_empty_budget_selects_all_pods_only_since_policy_v1(version: str, allowed: int) -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.deployment("web"))
        await asyncio.sleep(11)
        (served,) = Version(version).policy_versions
        manifest = manifests.disruption_budget("all", app="", version=served, minAvailable=0)
        api.create({**manifest, "spec": {"minAvailable": 0, "selector": {}}})
        await asyncio.sleep(1)
        budget = api.get("PodDisruptionBudget", "default", "all")
        assert budget is not None and budget["status"]["disruptionsAllowed"] == allowed

    tell(story, version=version)


def test_two_clusters_of_one_seed_are_the_same() -> None:
    names: list[list[tuple[str, str]]] = []

    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.deployment("web", replicas=3))
        await asyncio.sleep(11)
        names.append([(pod["metadata"]["name"], pod["metadata"]["uid"]) for pod in api.list_objects("Pod")])

    for seed in (7, 7, 8):
        tell(story, seed=seed)
    assert names[0] == names[1] != names[2]
