"""Kubernetes' strategic merge patch: objects merge, and the lists named here merge by key instead of being replaced.

Source of the merge keys: the ``patchMergeKey`` tags of k8s.io/api core/v1 and apps/v1. Source of the order of a merged
list: ``mergeSortedSlice`` of k8s.io/apimachinery/pkg/util/strategicpatch (what the patch names comes first, unless the
server's order says otherwise).
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from .objects import Manifest
from .patches import PatchMalformed

# (field that holds the list's owner, field of the list) -> merge key; "" stands for any owner.
_MERGE_KEYS = {
    ("", "containers"): "name",
    ("", "initContainers"): "name",
    ("", "env"): "name",
    ("", "volumes"): "name",
    ("", "volumeMounts"): "mountPath",
    ("", "imagePullSecrets"): "name",
    ("", "ownerReferences"): "uid",
    ("", "conditions"): "type",
    ("containers", "ports"): "containerPort",
    ("initContainers", "ports"): "containerPort",
    ("spec", "ports"): "port",
}


class MergeKeyMissing(Exception):
    """An item of a list that merges by key does not have the key."""


def apply_strategic_merge_patch(document: Manifest, patch: Any) -> Manifest:
    """``document`` after the patch; neither is changed.

    Knows ``$patch: delete|replace|merge`` in objects and lists, and ``$retainKeys``; ``$setElementOrder`` is passed
    over. Raises PatchMalformed when the patch is no object, MergeKeyMissing as its name says.
    """
    if not isinstance(patch, dict):
        raise PatchMalformed("a strategic merge patch is an object")
    return _merge_objects(document, patch, "")


def _merge_objects(document: Manifest, patch: Manifest, owner: str) -> Manifest:
    match patch.get("$patch"):
        case "delete":
            return {}
        case "replace":
            return {name: deepcopy(value) for name, value in patch.items() if name != "$patch"}
    merged = dict(document)
    for name, value in patch.items():
        if name.startswith("$"):
            continue
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge_values(merged.get(name), value, owner, name)
    if "$retainKeys" in patch:
        merged = {name: value for name, value in merged.items() if name in patch["$retainKeys"]}
    return merged


def _merge_values(current: Any, patch: Any, owner: str, field: str) -> Any:
    if isinstance(patch, dict):
        return _merge_objects(current if isinstance(current, dict) else {}, patch, field)
    merge_key = _MERGE_KEYS.get((owner, field)) or _MERGE_KEYS.get(("", field))
    if isinstance(patch, list) and merge_key:
        return _merge_lists(current if isinstance(current, list) else [], patch, field, merge_key)
    return deepcopy(patch)


def _merge_lists(current: list[Manifest], patch: list[Any], field: str, merge_key: str) -> list[Manifest]:
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [deepcopy(item) for item in patch if item.get("$patch") != "replace"]
    by_key = {item.get(merge_key): item for item in current}
    named: list[Manifest] = []
    deleted = set()
    for item in patch:
        if not isinstance(item, dict) or merge_key not in item:
            raise MergeKeyMissing(f"map: {item} does not contain declared merge key: {merge_key}")
        if item.get("$patch") == "delete":
            deleted.add(item[merge_key])
        else:
            named.append(_merge_objects(by_key.get(item[merge_key], {}), item, field))
    spoken_for = deleted | {item[merge_key] for item in named}
    rest = [item for item in current if item.get(merge_key) not in spoken_for]
    return _in_order(rest, named, [item.get(merge_key) for item in current], merge_key)


def _in_order(rest: list[Manifest], named: list[Manifest], order: list[Any], merge_key: str) -> list[Manifest]:
    """Weave the list's other items and the patch's items together, keeping the order they had where both had one."""
    result = []
    rest, named = list(rest), list(named)
    while rest and named:
        known = named[0][merge_key] in order
        first = known and order.index(rest[0].get(merge_key)) < order.index(named[0][merge_key])
        result.append(rest.pop(0) if first else named.pop(0))
    return [*result, *rest, *named]
