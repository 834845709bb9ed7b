"""Workloads for the contract tests, and how their state is read."""

from __future__ import annotations

import os
from typing import Any

from tests.contract.clients import Answer, KubernetesClient

from connmon_lab.kubernetes import manifests

IMAGE = os.environ.get("CONNMON_TEST_IMAGE", "docker.io/lab/web:1")  # the lab image


def template(name: str, **changes: Any) -> dict[str, Any]:
    """A pod template of the lab image."""
    return manifests.pod_template(name, image=IMAGE, pull_policy="Never", **changes)


def deployment(api: KubernetesClient, name: str, **spec: Any) -> Any:
    """Create a Deployment of the lab image; ``spec`` holds further fields of its spec."""
    return api.create("deployments", manifests.deployment(name, api.namespace, **{"template": template(name)} | spec))


def annotate(token: str) -> dict[str, Any]:
    """The patch of a restart."""
    return {"spec": {"template": {"metadata": {"annotations": {"connmon.io/restart-token": token}}}}}


def use_missing_image(name: str) -> dict[str, Any]:
    """A patch after which no pod can start."""
    container = {"name": name, "image": "missing.invalid/nothing:1"}
    return {"spec": {"template": {"spec": {"containers": [container]}}}}


def conditions(found: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Status and reason of each condition, by type."""
    return {item["type"]: (item["status"], item["reason"]) for item in found["status"].get("conditions", [])}


def progress(found: dict[str, Any]) -> str:
    """The reason of the condition Progressing."""
    return conditions(found).get("Progressing", ("", ""))[1]


def observed(found: dict[str, Any]) -> bool:
    """Whether the controller has seen the newest spec."""
    return bool(found["status"].get("observedGeneration", 0) >= found["metadata"]["generation"])


def complete(found: dict[str, Any]) -> bool:
    """Whether a Deployment says that its rollout is over."""
    return observed(found) and progress(found) == "NewReplicaSetAvailable"


def rolled_out(found: dict[str, Any]) -> bool:
    """What ``kubectl rollout status`` calls a success."""
    replicas, updated, available = (
        found["status"].get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")
    )
    return bool(found["spec"]["replicas"] <= updated and replicas <= updated <= available)


def versions(found: dict[str, Any]) -> tuple[int, str]:
    """Generation and resourceVersion."""
    return found["metadata"]["generation"], found["metadata"]["resourceVersion"]


def waiting_reasons(pods: list[dict[str, Any]]) -> list[str]:
    """What the containers of these pods wait for."""
    statuses = [status for pod in pods for status in pod["status"].get("containerStatuses", [])]
    return [status["state"]["waiting"]["reason"] for status in statuses if "waiting" in status["state"]]


def status_of(answer: Answer) -> tuple[int, str, str]:
    """Code, kind and reason of an error."""
    return answer.code, answer.body["kind"], answer.body["reason"]
