"""``metadata.managedFields``: who wrote which field last, of requests that create, replace or patch.

As a kube-apiserver notes it, but for lists (those of named things are noted by name, all others as one value) and for
the mark of who made a map. Server-side apply is not served.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .objects import Manifest, canonical

Path = tuple[str, ...]

_SERVERS_OWN = frozenset(
    ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")
)
_NOT_MANAGED = frozenset(("apiVersion", "kind", "status"))


def note_manager(before: Manifest | None, after: Manifest, *, manager: str, at: str) -> Manifest:
    """``after`` with the fields that it changes as the manager's own; without a change it is left as it is.

    ``before`` is the object as it was (None: it is new); ``at`` is now, as Kubernetes writes it.
    """
    old, new = dict(_leaves_of(before)) if before is not None else {}, dict(_leaves_of(after))
    changed = {path for path, value in new.items() if old.get(path) != value}
    entries = (before or {}).get("metadata", {}).get("managedFields") or []
    noted = [_without(entry, keep=new.keys() - changed) for entry in entries if entry["manager"] != manager]
    own = next((entry for entry in entries if entry["manager"] == manager), None)
    fields = changed | ({*_read_fields(own["fieldsV1"])} & new.keys() if own is not None else set())
    if fields:
        time = at if changed or own is None else own["time"]
        noted.append(_entry(manager, after["apiVersion"], time, fields))
    kept = sorted((entry for entry in noted if entry["fieldsV1"]), key=lambda entry: (entry["time"], entry["manager"]))
    metadata = {name: value for name, value in after["metadata"].items() if name != "managedFields"}
    return {**after, "metadata": {**metadata, **({"managedFields": kept} if kept else {})}}


def _entry(manager: str, version: str, time: str, fields: Iterable[Path]) -> Manifest:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": _write_fields(fields),
    }


def _without(entry: Manifest, *, keep: Iterable[Path]) -> Manifest:
    """The entry with those of its fields that are still its own."""
    return {**entry, "fieldsV1": _write_fields({*_read_fields(entry["fieldsV1"])} & set(keep))}


def _leaves_of(manifest: Manifest) -> Iterator[tuple[Path, str]]:
    for name, value in manifest.items():
        if name not in _NOT_MANAGED:
            part = {key: one for key, one in value.items() if key not in _SERVERS_OWN} if name == "metadata" else value
            yield from _walk((f"f:{name}",), part)


def _walk(path: Path, value: Any) -> Iterator[tuple[Path, str]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _walk((*path, f"f:{name}"), inner)
    elif isinstance(value, list) and value and all(isinstance(one, Mapping) and "name" in one for one in value):
        for one in value:
            yield from _walk((*path, f"k:{canonical({'name': one['name']})}"), one)
    else:
        yield path, canonical(value)


def _write_fields(paths: Iterable[Path]) -> Manifest:
    tree: Manifest = {}
    for path in sorted(paths):
        place = tree
        for step in path:
            place = place.setdefault(step, {})
    return tree


def _read_fields(tree: Manifest, path: Path = ()) -> Iterator[Path]:
    for step, inner in tree.items():
        if inner:
            yield from _read_fields(inner, (*path, step))
        else:
            yield (*path, step)
