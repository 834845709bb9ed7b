"""The arithmetic of a rolling update: how far it may go in one step. Pure.

Source: kubernetes pkg/controller/deployment/{rolling.go,util/deployment_util.go}.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fleet:
    """The pods of one ReplicaSet: how many its spec wants, how many its status calls available."""

    wanted: int
    available: int


def scale_value(value: int | str, total: int, *, round_up: bool) -> int:
    """An absolute number, or a percentage of ``total`` such as ``25%``."""
    if isinstance(value, int):
        return value
    exact = int(value.removesuffix("%")) * total / 100
    return math.ceil(exact) if round_up else math.floor(exact)


def resolve_fenceposts(max_surge: int | str, max_unavailable: int | str, desired: int) -> tuple[int, int]:
    """(surge, unavailable) in pods. Both zero would stand still, so that then one pod may be unavailable."""
    surge = scale_value(max_surge, desired, round_up=True)
    unavailable = min(scale_value(max_unavailable, desired, round_up=False), desired)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def grow_new(desired: int, surge: int, *, total: int, new: int) -> int:
    """How many pods the new ReplicaSet may have, when all ReplicaSets together have ``total``."""
    if new >= desired:
        return desired
    return new + max(0, min(desired + surge - total, desired - new))


def shrink_old(desired: int, unavailable: int, *, new: Fleet, old: Sequence[Fleet]) -> list[int]:
    """How many pods each old ReplicaSet keeps, in their order (oldest first): pods that do not work go first."""
    minimum = desired - unavailable
    total = new.wanted + sum(fleet.wanted for fleet in old)
    may_go = total - minimum - (new.wanted - new.available)
    kept, gone = [], 0
    for fleet in old:
        broken = min(max(0, may_go - gone), max(0, fleet.wanted - fleet.available))
        gone += broken
        kept.append(fleet.wanted - broken)
    spare = new.available + sum(fleet.available for fleet in old) - minimum
    for position, wanted in enumerate(kept):
        step = min(wanted, max(0, min(spare, may_go - gone)))
        kept[position] -= step
        spare -= step
        gone += step
    return kept
