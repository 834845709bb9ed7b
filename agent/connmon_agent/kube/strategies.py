"""How many working pods a rollout takes away before their successors run.

The rules are those of the controllers: kubernetes pkg/controller/deployment/util/deployment_util.go
(ResolveFenceposts), pkg/controller/daemon/update.go; a StatefulSet deletes a pod before it makes the next one.
"""

from __future__ import annotations

import math

from ..core.plan import Kind
from .requests import Json

_DEPLOYMENT_DEFAULT = "25%"  # of maxSurge and of maxUnavailable, by the API


def most_unavailable(kind: Kind, workload: Json, desired: int) -> int:
    """Of ``desired`` pods, how many the rollout may take away before others are available in their place.

    0: it never goes below what is available, so that a restart disrupts nothing. ``desired`` is as in ``Sighting``.
    """
    spec = workload.get("spec") or {}
    if kind is Kind.DEPLOYMENT:
        return _of_deployment(spec.get("strategy") or {}, desired)
    rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
    if kind is Kind.DAEMON_SET and _scale(rolling.get("maxSurge"), desired, default=0, up=True) > 0:
        return 0  # with a surge the API demands maxUnavailable 0
    up = kind is Kind.DAEMON_SET  # a percentage of a StatefulSet's pods is rounded down, and is one at least
    return min(desired, max(1, _scale(rolling.get("maxUnavailable"), desired, default=1, up=up)))


def replaces_first(kind: Kind, workload: Json, desired: int) -> bool:
    """Whether a rollout whose new pods do not start takes away what works.

    It does where a Deployment may take all of its pods away first. A StatefulSet or a DaemonSet that replaces pods in
    place is left with one fewer, or with none where it has one.
    """
    taken = most_unavailable(kind, workload, desired)
    return taken >= desired if kind is Kind.DEPLOYMENT else taken > 0


def _of_deployment(strategy: Json, desired: int) -> int:
    if strategy.get("type") == "Recreate":
        return desired
    rolling = strategy.get("rollingUpdate") or {}
    surge = _scale(rolling.get("maxSurge"), desired, default=_DEPLOYMENT_DEFAULT, up=True)
    unavailable = _scale(rolling.get("maxUnavailable"), desired, default=_DEPLOYMENT_DEFAULT, up=False)
    return min(desired, unavailable) if surge or unavailable else 1  # with neither, the controller would stand still


def _scale(value: int | str | None, total: int, *, default: int | str, up: bool) -> int:
    """A number, or a percentage of ``total`` such as "25%". Raises ValueError for what is neither."""
    value = default if value is None else value
    if isinstance(value, int):
        return value
    exact = int(value.removesuffix("%")) * total / 100
    return math.ceil(exact) if up else math.floor(exact)
