"""What differs between versions: the table of the embedded API, held against itself and against a real cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.contract.clients import KubernetesClient
from tests.contract.workloads import IMAGE, complete, deployment, template, waiting_reasons

from connmon_lab.kubernetes import Trait, manifests

CORE = "api/v1"
Seen = Callable[[KubernetesClient, str], bool]


def served(group_version: str) -> Seen:
    return lambda api, still: api.request("GET", f"/apis/{group_version}").code == 200


def has_namespace_label(api: KubernetesClient, still: str) -> bool:
    found = api.request("GET", f"/api/v1/namespaces/{api.namespace}").body
    return bool(found["metadata"].get("labels", {}).get("kubernetes.io/metadata.name") == api.namespace)


def service_has(field: str) -> Seen:
    def look(api: KubernetesClient, still: str) -> bool:
        made = api.create("services", manifests.service(f"with-{field.lower()}", api.namespace), group=CORE)
        return field in made["spec"]

    return look


def has_surge(api: KubernetesClient, still: str) -> bool:
    made = api.create("daemonsets", manifests.daemon_set("surging", api.namespace, template=template("surging")))
    return "maxSurge" in made["spec"]["updateStrategy"]["rollingUpdate"]


def stateful_set_has(find: Callable[[Any], Any]) -> Seen:
    def look(api: KubernetesClient, still: str) -> bool:
        path = api.path("statefulsets") + "?dryRun=All"
        manifest = manifests.stateful_set("looked-at", api.namespace, template=template("looked-at"))
        return find(api.request("POST", path, manifest).body) is not None

    return look


def pod_of(api: KubernetesClient, name: str) -> Any:
    (pod,) = api.wait_list("pods", f"app={name}", lambda pods: [pod for pod in pods if "status" in pod], group=CORE)
    return pod


def pod_has_generation(api: KubernetesClient, still: str) -> bool:
    pod = pod_of(api, still)
    return pod["metadata"].get("generation") == pod["status"].get("observedGeneration") == 1


def pod_tells_start(api: KubernetesClient, still: str) -> bool:
    return "PodReadyToStartContainers" in [one["type"] for one in pod_of(api, still)["status"]["conditions"]]


def writes_null_times(api: KubernetesClient, still: str) -> bool:
    return "creationTimestamp" in api.get("deployments", still)["spec"]["template"]["metadata"]


def counts_terminating(api: KubernetesClient, still: str) -> bool:
    (owned,) = api.list("replicasets", f"app={still}")
    counts = [found["status"].get("terminatingReplicas") for found in (api.get("deployments", still), owned)]
    assert counts in ([0, 0], [None, None])
    return counts == [0, 0]


@pytest.mark.parametrize(
    ("trait", "seen"),
    [
        (Trait.POLICY_V1BETA1, served("policy/v1beta1")),
        (Trait.POLICY_V1, served("policy/v1")),
        (Trait.DISCOVERY_V1BETA1, served("discovery.k8s.io/v1beta1")),
        (Trait.DISCOVERY_V1, served("discovery.k8s.io/v1")),
        (Trait.NAMESPACE_LABEL, has_namespace_label),
        (Trait.SERVICE_FAMILIES, service_has("ipFamilies")),
        (Trait.SERVICE_TRAFFIC_POLICY, service_has("internalTrafficPolicy")),
        (Trait.DAEMON_SET_SURGE, has_surge),
        (Trait.STATEFUL_SET_AVAILABLE, stateful_set_has(lambda made: made["status"].get("availableReplicas"))),
        (
            Trait.STATEFUL_SET_CLAIMS,
            stateful_set_has(lambda made: made["spec"].get("persistentVolumeClaimRetentionPolicy")),
        ),
        (
            Trait.STATEFUL_SET_UNAVAILABLE,
            stateful_set_has(lambda made: made["spec"]["updateStrategy"]["rollingUpdate"].get("maxUnavailable")),
        ),
        (Trait.POD_READY_TO_START, pod_tells_start),
        (Trait.POD_GENERATION, pod_has_generation),
        (Trait.NULL_TIMES, writes_null_times),
        (Trait.TERMINATING_REPLICAS, counts_terminating),
    ],
    ids=lambda value: value.name if isinstance(value, Trait) else "",
)
def test_a_version_does_what_the_table_says(api: KubernetesClient, still: str, trait: Trait, seen: Seen) -> None:
    assert seen(api, still) is api.version.has(trait)


def test_a_pod_that_is_gated_is_scheduled_when_the_gate_is_removed(api: KubernetesClient) -> None:
    gated = template("gated")
    gated["spec"]["schedulingGates"] = [{"name": "example.com/approval"}]
    deployment(api, "gated", template=gated)
    if not api.version.has(Trait.SCHEDULING_GATES):
        api.wait("deployments", "gated", complete)
        return
    (pod,) = api.wait_list("pods", "app=gated", lambda pods: pods and pods[0]["status"].get("conditions"), group=CORE)
    (condition,) = pod["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "SchedulingGated")
    assert (pod["status"]["phase"], "nodeName" in pod["spec"]) == ("Pending", False)
    patch = {"spec": {"schedulingGates": None}}
    path = api.path("pods", pod["metadata"]["name"], group=CORE)
    assert api.request("PATCH", path, patch, "application/merge-patch+json").code == 200
    api.wait("deployments", "gated", complete)


def with_sidecar(name: str, *command: str) -> dict[str, Any]:
    made = template(name)
    sidecar = {"name": "proxy", "image": IMAGE, "imagePullPolicy": "Never", "restartPolicy": "Always"}
    made["spec"]["initContainers"] = [{**sidecar, "command": ["sh", "-c", *command]}]
    return made


def test_a_sidecar_runs_as_long_as_its_pod(api: KubernetesClient) -> None:
    ended = "true" if not api.version.has(Trait.SIDECARS) else "sleep 1000000"
    deployment(api, "helped", template=with_sidecar("helped", ended))
    api.wait("deployments", "helped", complete)
    pod = pod_of(api, "helped")
    (status,) = pod["status"]["initContainerStatuses"]
    assert status["ready"]
    assert ("running" in status["state"]) is api.version.has(Trait.SIDECARS)
    assert ("restartPolicy" in pod["spec"]["initContainers"][0]) is api.version.has(Trait.SIDECARS)


def test_a_stateful_set_replaces_as_many_at_once_as_may_be_unavailable(api: KubernetesClient) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}
    manifest = manifests.stateful_set(
        "wide", api.namespace, replicas=3, template=template("wide"), updateStrategy=strategy,
        podManagementPolicy="Parallel",
    )  # fmt: skip
    made = api.create("statefulsets", manifest)
    limited = made["spec"]["updateStrategy"]["rollingUpdate"]
    assert ("maxUnavailable" in limited) is api.version.has(Trait.STATEFUL_SET_UNAVAILABLE)
    api.wait("statefulsets", "wide", lambda found: found["status"].get("readyReplicas") == 3)
    broken = {"spec": {"template": {"spec": {"containers": [{"name": "wide", "image": "missing.invalid/nothing:1"}]}}}}
    api.patch("statefulsets", "wide", broken)
    at_once = 2 if api.version.has(Trait.STATEFUL_SET_UNAVAILABLE) else 1
    api.wait_list("pods", "app=wide", lambda pods: len(waiting_reasons(pods)) == at_once, group=CORE)
    # Its controller counts a little later.
    api.wait("statefulsets", "wide", lambda found: found["status"].get("readyReplicas") == 3 - at_once)
