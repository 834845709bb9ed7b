"""The conditions of a Deployment's status. Pure.

Source: kubernetes pkg/controller/deployment/util/deployment_util.go and progress.go.
"""

from __future__ import annotations

from ..objects import Manifest

NEW_REPLICA_SET = "NewReplicaSetCreated"
UPDATED = "ReplicaSetUpdated"
COMPLETE = "NewReplicaSetAvailable"
FAILURE = "ReplicaFailure"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
RESUMED = "DeploymentResumed"


def find_condition(status: Manifest, kind: str) -> Manifest | None:
    """The condition of this type, or None."""
    return next((condition for condition in status.get("conditions") or () if condition["type"] == kind), None)


def progressing(state: str, reason: str, message: str, at: str) -> Manifest:
    """A condition ``Progressing``; ``state`` is True, False or Unknown."""
    return _condition("Progressing", state, reason, message, at)


def availability(available: bool, at: str) -> Manifest:
    """A condition ``Available``."""
    if available:
        return _condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", at)
    message = "Deployment does not have minimum availability."
    return _condition("Available", "False", "MinimumReplicasUnavailable", message, at)


def replica_failure(message: str, at: str) -> Manifest:
    """The condition ReplicaFailure of a ReplicaSet, and of its Deployment: pods cannot be made."""
    condition = {"type": FAILURE, "status": "True", "lastTransitionTime": at}
    return {**condition, "reason": "FailedCreate", "message": message}


def without_condition(status: Manifest, kind: str) -> Manifest:
    """``status`` without its condition of this type."""
    return {**status, "conditions": [one for one in status.get("conditions") or () if one["type"] != kind]}


def set_condition(status: Manifest, condition: Manifest) -> Manifest:
    """``status`` with the condition; one of the same status and reason stays as it is."""
    current = find_condition(status, condition["type"])
    if current is not None and _same(current, condition):
        return status
    return renew_condition(status, condition)


def renew_condition(status: Manifest, condition: Manifest) -> Manifest:
    """``status`` with the condition, updated even when only its time is new."""
    current = find_condition(status, condition["type"])
    if current is not None and current["status"] == condition["status"]:
        condition = {**condition, "lastTransitionTime": current["lastTransitionTime"]}
    others = [other for other in status.get("conditions") or () if other["type"] != condition["type"]]
    return {**status, "conditions": [*others, condition]}


def is_complete(deployment: Manifest, status: Manifest) -> bool:
    """Every replica is of the newest template and available, and no older one is left."""
    desired = deployment["spec"]["replicas"]
    counted = (status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas"))
    return all(number == desired for number in counted)


def has_progressed(before: Manifest, after: Manifest) -> bool:
    """Whether a rollout moved on between two statuses."""

    def old(status: Manifest) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return any(after.get(name, 0) > before.get(name, 0) for name in grown) or old(after) < old(before)


def _same(left: Manifest, right: Manifest) -> bool:
    return bool(left["status"] == right["status"] and left["reason"] == right["reason"])


def _condition(kind: str, state: str, reason: str, message: str, at: str) -> Manifest:
    times = {"lastUpdateTime": at, "lastTransitionTime": at}
    return {"type": kind, "status": state, **times, "reason": reason, "message": message}
