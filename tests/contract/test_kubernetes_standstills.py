"""How a rollout that cannot go on shows, and what the agent reads in it: the embedded API against a real cluster."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from tests.contract.clients import KubernetesClient
from tests.contract.workloads import annotate, complete, conditions, deployment, observed, template, use_missing_image

from connmon_agent.core.observations import Observation
from connmon_agent.core.plan import Kind
from connmon_agent.kube.revisions import find_newest
from connmon_agent.kube.rollouts import read_workload
from connmon_agent.kube.standstills import add_pods
from connmon_lab.kubernetes import manifests
from connmon_lab.kubernetes.versions import Trait

CORE = "api/v1"
FREE_PORT = 38_471  # of the node


def look(api: KubernetesClient, name: str) -> Observation:
    """What the agent sees of a Deployment in a close look."""
    found = api.get("deployments", name)
    newest = find_newest(found, api.list("replicasets", f"app={name}"))
    pods = api.list("pods", f"app={name}", group=CORE)
    return add_pods(read_workload(Kind.DEPLOYMENT, found), Kind.DEPLOYMENT, found, pods=pods, newest=newest)


def until_stalled(api: KubernetesClient, name: str) -> Observation:
    looks: list[Observation] = []

    def stalled(found: dict[str, Any]) -> bool:
        looks.append(look(api, name))
        return observed(found) and looks[-1].stalled

    api.wait("deployments", name, stalled)
    return looks[-1]


@pytest.fixture(scope="session")
def narrow(api: KubernetesClient) -> Iterator[KubernetesClient]:
    """A namespace of its own, with room for one pod."""
    narrow = copy.copy(api)
    narrow.namespace = f"{api.namespace}-narrow"
    assert api.request("POST", "/api/v1/namespaces", manifests.namespace(narrow.namespace)).code == 201
    narrow.create("resourcequotas", manifests.quota("one", narrow.namespace, pods=1), group=CORE)
    yield narrow
    api.request("DELETE", f"/api/v1/namespaces/{narrow.namespace}")


def test_a_quota_keeps_a_rollout_from_its_surge_pod(narrow: KubernetesClient) -> None:
    deployment(narrow, "alone")
    narrow.wait("deployments", "alone", complete)
    narrow.patch("deployments", "alone", annotate("t1"))
    failed = narrow.wait("deployments", "alone", lambda found: "ReplicaFailure" in conditions(found))
    assert conditions(failed)["ReplicaFailure"] == ("True", "FailedCreate")
    seen = until_stalled(narrow, "alone")
    assert (seen.available, seen.old_serving) == (1, 1)
    assert "exceeded quota: one, requested: pods=1, used: pods=1, limited: pods=1" in (seen.trouble or "")
    assert "set maxUnavailable to 1" in (seen.trouble or "")

    narrow.request("DELETE", narrow.path("resourcequotas", "one", group=CORE))
    narrow.patch("deployments", "alone", annotate("t2"))
    # The condition of the ReplicaSet that failed goes when its controller looks at it again.
    narrow.wait("deployments", "alone", lambda found: complete(found) and "ReplicaFailure" not in conditions(found))


def test_a_host_port_on_one_node_keeps_the_surge_pod_from_its_place(api: KubernetesClient) -> None:
    made = template("ported")
    made["spec"]["containers"][0]["ports"] = [{"containerPort": 8080, "hostPort": FREE_PORT}]
    deployment(api, "ported", template=made)
    api.wait("deployments", "ported", complete)
    api.patch("deployments", "ported", annotate("t1"))
    seen = until_stalled(api, "ported")
    assert "Unschedulable (0/1 nodes are available: 1 node(s) didn't have free ports" in (seen.trouble or "")
    assert "set maxUnavailable to 1" in (seen.trouble or "")
    assert (seen.available, seen.old_serving) == (1, 1)


def test_an_image_that_is_nowhere_keeps_the_old_pod(api: KubernetesClient) -> None:
    deployment(api, "imageless")
    api.wait("deployments", "imageless", complete)
    api.patch("deployments", "imageless", use_missing_image("imageless"))
    seen = until_stalled(api, "imageless")
    assert "ErrImageNeverPull" in (seen.trouble or "")
    assert seen.old_serving == 1
    assert seen.gated is None


def test_a_scheduling_gate_keeps_a_pod_pending_until_it_is_removed(api: KubernetesClient) -> None:
    if not api.version.has(Trait.SCHEDULING_GATES):
        pytest.skip("this version has no scheduling gates")
    made = template("held")
    made["spec"]["schedulingGates"] = [{"name": "example.com/hold"}]
    deployment(api, "held", template=made)
    seen = until_stalled(api, "held")
    assert seen.gated == "its pod template has the scheduling gate example.com/hold"
    (pod,) = api.list("pods", "app=held", group=CORE)
    (placed,) = [one for one in pod["status"]["conditions"] if one["type"] == "PodScheduled"]
    assert (placed["status"], placed["reason"]) == ("False", "SchedulingGated")
    patch: dict[str, Any] = {"spec": {"schedulingGates": None}}
    path = api.path("pods", pod["metadata"]["name"], group=CORE)
    assert api.request("PATCH", path, patch, "application/merge-patch+json").code == 200
    api.wait("deployments", "held", lambda found: found["status"].get("availableReplicas") == 1)
