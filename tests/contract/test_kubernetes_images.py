"""What tells that an image need not be pulled, checked against the embedded API and against a real cluster."""

from __future__ import annotations

import time
from typing import Any

from tests.contract.clients import PATIENCE, KubernetesClient
from tests.contract.workloads import IMAGE

from connmon_agent.kube.images import images_of_nodes, images_of_pods, list_nodes, normalize_image


def test_a_running_container_has_the_id_of_its_image(api: KubernetesClient, still: str) -> None:
    pods = api.request("GET", f"/api/v1/namespaces/{api.namespace}/pods?labelSelector=app%3D{still}").body["items"]
    assert images_of_pods(pods) == {normalize_image(IMAGE)}


def test_a_container_whose_image_is_missing_has_none(api: KubernetesClient) -> None:
    container = {"name": "lost", "image": "missing.invalid/nothing:1", "imagePullPolicy": "Never"}
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "lost", "namespace": api.namespace},
        "spec": {"containers": [container]},
    }
    path = f"/api/v1/namespaces/{api.namespace}/pods"
    assert api.request("POST", path, manifest).code == 201

    def waits(found: dict[str, Any]) -> bool:
        statuses = found["status"].get("containerStatuses") or ()
        return any("waiting" in one["state"] and "Image" in one["state"]["waiting"]["reason"] for one in statuses)

    assert images_of_pods([api.wait("pods", "lost", waits, group="api/v1")]) == frozenset()


def test_a_node_tells_of_the_image_of_a_running_pod(api: KubernetesClient, still: str) -> None:
    """A kubelet tells of its 50 largest images by default: none is missing in a cluster of one."""
    deadline = time.monotonic() + PATIENCE  # a kubelet that has just begun tells of them at its next report
    while True:
        answer = api.request("GET", list_nodes().target)
        assert (answer.code, answer.body["kind"]) == (200, "NodeList")
        if normalize_image(IMAGE) in (told := images_of_nodes(answer.body["items"])):
            return
        assert time.monotonic() < deadline, told
        time.sleep(0.2)
