"""Lists in pages: ``limit`` and ``continue`` of a query. Pure.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks and
kubernetes apiserver/pkg/storage/continue.go. A real server answers every page from the objects as they were at the
first; this one from those of now, which is the same for objects that stay.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .objects import Manifest
from .statuses import ApiError


@dataclass(frozen=True, slots=True)
class Page:
    """Some items of a list, and the ``metadata`` of the answer."""

    items: Sequence[Manifest]
    metadata: Manifest


def cut_page(
    items: Sequence[Manifest], query: Mapping[str, str], *, newest: int, is_remembered: Callable[[int], bool]
) -> Page:
    """The page of ``items`` (by namespace and name) that the query asks for. ``newest`` is the version of now;
    ``is_remembered``: whether the objects as they were at a version are still there to be read.

    Raises ApiError: 400 for a query that cannot be understood, 410 for a list that was begun too long ago.
    """
    version, start = _read_token(query.get("continue", ""), newest)
    if not is_remembered(version):
        message = "The provided continue parameter is too old to display a consistent list result."
        raise ApiError(410, message, reason="Expired")
    left = [item for item in items if start is None or _key(item) >= start]
    limit = _read_limit(query) or len(left)
    metadata: Manifest = {"resourceVersion": str(version)}
    if len(left) > limit:
        metadata["continue"] = _write_token(version, _key(left[limit - 1]) + "\0")
        if not (query.get("labelSelector") or query.get("fieldSelector")):
            metadata["remainingItemCount"] = len(left) - limit
    return Page(left[:limit], metadata)


def _key(item: Manifest) -> str:
    return f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"


def _read_limit(query: Mapping[str, str]) -> int:
    text = query.get("limit") or "0"
    try:
        return max(0, int(text))
    except ValueError:
        raise ApiError(400, f'limit: Invalid value: "{text}": invalid syntax') from None


def _write_token(version: int, start: str) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": start})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_token(text: str, newest: int) -> tuple[int, str | None]:
    """Version and first key of the next page; of a list that begins those of now."""
    if not text:
        return newest, None
    try:
        token = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return int(token["rv"]), str(token["start"])
    except (ValueError, KeyError, TypeError):
        raise ApiError(400, "continue key is not valid") from None
