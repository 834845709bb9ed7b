"""Whether a rollout stands still, and why: the workload's own conditions and its pods, put together."""

from __future__ import annotations

from msgspec.structs import replace

from ..core.observations import Observation
from ..core.plan import Kind
from .disruption import most_unavailable
from .object_fields import is_deleted
from .pods import PodsSeen, examine_pods, identify_current, mark_progress
from .requests import Json
from .rollouts import find_failure

_DEADLOCK = (
    "the rollout keeps the old pod until the new one is available (maxUnavailable 0): "
    "free capacity for one more pod, or set maxUnavailable to 1"
)


def add_pods(
    seen: Observation,
    kind: Kind,
    workload: Json,
    *,
    pods: list[Json] | None,
    newest: Json | None,
    more_finished: bool = False,
) -> Observation:
    """The observation with what the pods show. ``pods`` None: the role does not let them be listed; ``newest`` as in
    ``identify_current``, ``more_finished`` as in ``examine_pods``.
    """
    listed = pods or []
    is_current = identify_current(kind, workload, newest)
    in_order = kind is Kind.STATEFUL_SET
    found = examine_pods(listed, in_order=in_order, is_current=is_current, more_finished=more_finished)
    failure = find_failure(workload)
    ending = any(map(is_deleted, listed))
    refused = failure is not None and not ending  # a pod that ends may be all that a quota waits for
    return replace(
        seen,
        # The status of a DaemonSet counts its last new pods as updated, whether they start or have long been hanging.
        rolling=seen.rolling or (kind is Kind.DAEMON_SET and found.beginning),
        trouble=join_troubles(failure, found.trouble, _find_deadlock(seen, kind, workload, found, refused=refused)),
        progress=seen.progress if seen.healthy or not found.delay else f"{seen.progress} ({found.delay})",
        progress_mark=mark_progress(workload, listed),
        stalled=found.stalled or refused,
        gated=seen.gated or found.gated,
        old_serving=found.old_serving,
    )


def _find_deadlock(seen: Observation, kind: Kind, workload: Json, found: PodsSeen, *, refused: bool) -> str | None:
    """Where the new pod has no place because the old one has it, and the old one stays until the new one is there: a
    host port on one node, a quota without room for one more, a node that is full.
    """
    stuck = (refused or found.placeless) and found.old_serving > 0
    return _DEADLOCK if stuck and most_unavailable(kind, workload, seen.desired) == 0 else None


def join_troubles(*parts: str | None) -> str | None:
    """Those that there are as one sentence; None: there is none."""
    return "; ".join(part for part in parts if part) or None
