"""JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396) on plain JSON values; nothing given is ever changed.

One departure from RFC 6902, as every kube-apiserver has it: ``test`` with the value ``null`` holds for a member that
is missing.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from .objects import equal


class PatchFailed(Exception):
    """A well-formed patch that cannot be applied to this document: a failed ``test`` or a path that is not there."""


class PatchMalformed(Exception):
    """A document that is no patch at all."""


_MISSING = object()


def apply_merge_patch(document: Any, patch: Any) -> Any:
    """``document`` after an RFC 7396 patch: objects merge, ``null`` removes, everything else replaces."""
    if not isinstance(patch, dict):
        return deepcopy(patch)
    merged = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = apply_merge_patch(merged.get(name), value)
    return merged


def apply_json_patch(document: Any, operations: Any) -> Any:
    """``document`` after every operation of an RFC 6902 patch, in order; all of them or none.

    Raises PatchMalformed when ``operations`` is no list of objects, PatchFailed when one cannot be applied.
    """
    if not isinstance(operations, list) or not all(isinstance(operation, dict) for operation in operations):
        raise PatchMalformed("a JSON Patch is a list of operations")
    patched = deepcopy(document)
    for operation in operations:
        patched = _apply_operation(patched, operation)
    return patched


def _apply_operation(document: Any, operation: dict[str, Any]) -> Any:
    path = _parse_pointer(operation.get("path"))
    match operation.get("op"):
        case "add":
            return _add(document, path, deepcopy(_value_of(operation)))
        case "remove":
            return _remove(document, path)
        case "replace":
            return _replace(document, path, deepcopy(_value_of(operation)))
        case "move":
            return _move(document, _parse_pointer(operation.get("from")), path)
        case "copy":
            return _add(document, path, deepcopy(_get(document, _parse_pointer(operation.get("from")))))
        case "test":
            return _test(document, path, operation.get("value"))
        case unknown:
            raise PatchFailed(f"there is no operation {unknown!r}")


def _value_of(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise PatchFailed(f"the operation {operation['op']!r} needs a value")
    return operation["value"]


def _parse_pointer(pointer: Any) -> list[str]:
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise PatchFailed(f"{pointer!r} is no JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _index(array: list[Any], part: str, *, end: int) -> int:
    """The position ``part`` names, below ``end``. Leading zeros are forbidden by RFC 6901."""
    if not (part.isascii() and part.isdigit()) or (len(part) > 1 and part.startswith("0")) or int(part) >= end:
        raise PatchFailed(f"{part!r} is no position in an array of {len(array)}")
    return int(part)


def _step(value: Any, part: str) -> Any:
    if isinstance(value, list):
        return value[_index(value, part, end=len(value))]
    if isinstance(value, dict):
        return value.get(part, _MISSING)
    return _MISSING


def _get(document: Any, path: list[str]) -> Any:
    for part in path:
        document = _step(document, part)
        if document is _MISSING:
            raise PatchFailed(f"there is no {part!r} at /{'/'.join(path)}")
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent = _get(document, path[:-1])
    if isinstance(parent, dict):
        parent[path[-1]] = value
    elif isinstance(parent, list):
        at = len(parent) if path[-1] == "-" else _index(parent, path[-1], end=len(parent) + 1)
        parent.insert(at, value)
    else:
        raise PatchFailed(f"nothing can be added below /{'/'.join(path[:-1])}")
    return document


def _remove(document: Any, path: list[str]) -> Any:
    _get(document, path)
    if not path:
        return None
    parent = _get(document, path[:-1])
    del parent[int(path[-1]) if isinstance(parent, list) else path[-1]]
    return document


def _replace(document: Any, path: list[str], value: Any) -> Any:
    _get(document, path)
    if not path:
        return value
    parent = _get(document, path[:-1])
    parent[int(path[-1]) if isinstance(parent, list) else path[-1]] = value
    return document


def _move(document: Any, source: list[str], target: list[str]) -> Any:
    value = _get(document, source)
    if target == source:
        return document
    if target[: len(source)] == source:
        raise PatchFailed("a value cannot be moved into itself")
    return _add(_remove(document, source), target, value)


def _test(document: Any, path: list[str], expected: Any) -> Any:
    parent = _get(document, path[:-1])
    found = _step(parent, path[-1]) if path else document
    if found is _MISSING and expected is None and isinstance(parent, dict):
        return document
    if found is _MISSING or not equal(found, expected):
        raise PatchFailed(f"the test of /{'/'.join(path)} failed")
    return document
