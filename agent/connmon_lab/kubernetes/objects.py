"""Kubernetes objects as plain JSON: what every part of the embedded API needs to know about one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from connmon_agent.wall_times import in_utc

Manifest = dict[str, Any]  # one object, or a part of one, as JSON knows it

# apimachinery's alphabet for generated names: no vowels, so that no word can appear (util/rand).
_SAFE = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The name of one object. ``namespace`` is empty for a cluster-wide one."""

    kind: str
    namespace: str
    name: str


def key_of(manifest: Manifest) -> Key:
    """The object's key."""
    metadata = manifest["metadata"]
    return Key(manifest["kind"], metadata.get("namespace", ""), metadata["name"])


def canonical(value: Any) -> str:
    """One text for equal JSON values, and different texts for different ones (``1`` is not ``true``)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def equal(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same; Python's own ``==`` calls ``1`` and ``true`` the same."""
    return canonical(left) == canonical(right)


def hash_template(template: Manifest) -> str:
    """The hash that names a revision of a pod template: ten safe characters."""
    number = int.from_bytes(hashlib.sha256(canonical(template).encode()).digest()[:8])
    digits = []
    for _ in range(10):
        number, digit = divmod(number, len(_SAFE))
        digits.append(_SAFE[digit])
    return "".join(digits)


def pick_safe(numbers: Iterable[int]) -> str:
    """The safe characters at these positions, each taken modulo the alphabet's length."""
    return "".join(_SAFE[number % len(_SAFE)] for number in numbers)


def rfc3339(seconds: float) -> str:
    """Unix seconds as Kubernetes writes them: UTC, whole seconds."""
    return in_utc(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def labels_of(manifest: Manifest) -> dict[str, str]:
    """The object's labels; empty when it has none."""
    labels: dict[str, str] = manifest["metadata"].get("labels") or {}
    return labels


def controller_of(manifest: Manifest) -> Manifest | None:
    """The owner reference of the controller that made this object; None when nobody did."""
    owners: list[Manifest] = manifest["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def owner_reference(owner: Manifest) -> Manifest:
    """The reference that makes ``owner`` the controller of another object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
