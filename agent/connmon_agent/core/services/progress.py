"""Whether a rollout that somebody else began makes progress, by what the agent itself saw of it and when.

Two looks at a rollout show the same ``Observation.progress_mark`` when it has not moved between them, whoever watched
meanwhile. Only this machine's steady clock measures for how long: the times in the cluster's objects are another
machine's.
"""

from __future__ import annotations

from ..draft import Draft
from ..observations import Observation, Rollout, Unobserved
from ..plan import RecoveryPlan
from ..timestamps import Timestamp
from ..world import Service, ServiceState

# In these states a restart may have to wait for a rollout; in the others the agent's own restart has its deadline.
_NOTED = frozenset({ServiceState.UNKNOWN, ServiceState.WAITING})


def note_progress(draft: Draft, name: str, seen: Observation | Unobserved) -> None:
    """Remember how far the rollout was seen to be, and since when. What is not seen says nothing."""
    service = draft.service(name)
    if isinstance(seen, Unobserved):
        return
    if not is_rolling(seen) or service.state not in _NOTED:
        forget_progress(draft, name)
    elif (mark := mark_of(seen)) != service.progress_mark:
        draft.change_service(name, progress_mark=mark, progressed=draft.at)


def forget_progress(draft: Draft, name: str) -> None:
    """Measure anew from the next look on."""
    if draft.service(name).progressed is not None:
        draft.change_service(name, progress_mark="", progressed=None)


def mark_of(seen: Observation) -> str:
    """What is equal of two observations between which the rollout has not moved."""
    return seen.progress_mark or f"{seen.generation}: {seen.progress}"


def is_rolling(seen: Observation) -> bool:
    """Whether a changed pod template is being rolled out, and its controller has not called that a failure."""
    return seen.exists and seen.rolling and seen.rollout is not Rollout.FAILED


def still_for(service: Service, seen: Observation, at: Timestamp) -> float:
    """Seconds for which the rollout has not moved as far as the agent knows; 0 for one that just did."""
    if service.progressed is None or mark_of(seen) != service.progress_mark:
        return 0.0
    return at.steady - service.progressed.steady


def makes_progress(service: Service, seen: Observation, at: Timestamp, recovery: RecoveryPlan) -> bool:
    """Whether waiting may help: nothing rules out that the rollout goes on, and it moved within ``ready_timeout``."""
    return not seen.stalled and still_for(service, seen, at) < recovery.ready_timeout
