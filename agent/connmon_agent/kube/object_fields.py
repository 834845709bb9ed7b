"""Fields that the cluster's objects have in common, read where one of them may be missing or null."""

from __future__ import annotations

from collections.abc import Sequence

from .requests import Json


def part_of(parent: Json, name: str) -> Json:
    """A mapping in ``parent``, in which any field may be missing."""
    return parent.get(name) or {}


def number_of(parent: Json, name: str) -> int:
    """A whole number in ``parent``; 0 where it is missing."""
    return int(parent.get(name) or 0)


def metadata_of(manifest: Json) -> Json:
    """The object's metadata."""
    return part_of(manifest, "metadata")


def condition_of(manifest: Json, kind: str) -> Json:
    """The condition of this type in the object's status; empty where it has none."""
    conditions = part_of(manifest, "status").get("conditions") or ()
    return next((dict(condition) for condition in conditions if condition.get("type") == kind), {})


def name_of(manifest: Json) -> str:
    """Its name."""
    return str(metadata_of(manifest).get("name"))


def uid_of(manifest: Json) -> str:
    """What tells it from another object of the same name; its name where there is no UID."""
    return str(metadata_of(manifest).get("uid") or name_of(manifest))


def labels_of(manifest: Json) -> Json:
    """Its labels."""
    return part_of(metadata_of(manifest), "labels")


def owners_of(manifest: Json) -> Sequence[Json]:
    """The objects that own it."""
    return metadata_of(manifest).get("ownerReferences") or ()


def is_deleted(manifest: Json) -> bool:
    """Whether it is being deleted: a pod may run on until its grace period is over."""
    return bool(metadata_of(manifest).get("deletionTimestamp"))


def phase_of(pod: Json) -> str:
    """Pending, Running, Succeeded, Failed or Unknown."""
    return str(part_of(pod, "status").get("phase"))


def has_finished(pod: Json) -> bool:
    """Whether the pod has ended for good, and stays until it is deleted."""
    return phase_of(pod) in ("Failed", "Succeeded")


def is_living(pod: Json) -> bool:
    """Whether the pod has neither ended nor is being deleted."""
    return not is_deleted(pod) and not has_finished(pod)


def list_statuses(pod: Json) -> list[Json]:
    """The statuses of its containers, those of the init containers first."""
    status = part_of(pod, "status")
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
