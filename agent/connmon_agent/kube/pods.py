"""What a workload's pods show: what ails them, whether its rollout goes on, and what serves meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2s

from ..core.plan import Kind
from .object_fields import (
    has_finished,
    is_deleted,
    is_living,
    labels_of,
    list_statuses,
    metadata_of,
    name_of,
    owners_of,
    phase_of,
    uid_of,
)
from .reasons import Ailment, Plight, examine_pod, explain_reason, is_ready, was_never_ready
from .requests import UNFINISHED, ApiRequest, Json, list_by_selector, list_path
from .selectors import selector_of

NAMED = 3  # pods told by name; the others are counted
MOST_PODS = 100  # remembered of one workload
_UID_LENGTH = 13  # characters, 48 random bits: enough to tell the pods of one workload apart
_DIGEST = 8  # bytes of a progress mark
_TEMPLATE_HASH = "controller-revision-hash"  # a label of the pods of StatefulSets and DaemonSets


@dataclass(frozen=True, slots=True)
class PodsSeen:
    """What the pods of one workload show; the fields are those of Observation, and ``delay`` tells what the first pod
    is doing that is not ready, and with which nothing is wrong: "web-7d9: ContainerCreating" (None: there is none).

    ``placeless``: what stalls the rollout is that no node has room. ``beginning``: a pod of the current template is
    starting for the first time.
    """

    trouble: str | None = None
    delay: str | None = None
    stalled: bool = False
    placeless: bool = False
    beginning: bool = False
    gated: str | None = None
    old_serving: int = 0


def list_pods(namespace: str, workload: Json, *, fields: str = UNFINISHED) -> ApiRequest:
    """The request for the workload's pods; by default for those that have not ended."""
    selector = selector_of(workload)
    return list_by_selector(list_path("api/v1", namespace, "pods"), "PodList", selector, fields=fields)


def identify_running(pods: Iterable[Json], *, owners: Collection[str] | None) -> tuple[str, ...]:
    """What names each pod that is neither being deleted nor finished; the first of them stand for very many.

    A selector may match pods of others: only those with one of these ``owners`` (UIDs) count (None: not known).
    """
    uids = (
        uid_of(pod)
        for pod in pods
        if is_living(pod) and (owners is None or any(owner.get("uid") in owners for owner in owners_of(pod)))
    )
    return tuple(sorted(uid[:_UID_LENGTH] for uid in uids)[:MOST_PODS])


def identify_current(kind: Kind, workload: Json, newest: Json | None) -> Callable[[Json], bool] | None:
    """How a pod of the current template is told from older ones; None: it cannot be.

    ``newest`` is the newest of the workload's own ReplicaSets or ControllerRevisions (None: not known).
    """
    if kind is Kind.STATEFUL_SET and (revision := (workload.get("status") or {}).get("updateRevision")):
        return lambda pod: labels_of(pod).get(_TEMPLATE_HASH) == revision
    if newest is None:
        return None
    if kind is Kind.DEPLOYMENT:
        return lambda pod: any(owner.get("uid") == metadata_of(newest).get("uid") for owner in owners_of(pod))
    revision = labels_of(newest).get(_TEMPLATE_HASH) or name_of(newest).removeprefix(f"{name_of(workload)}-")
    return lambda pod: labels_of(pod).get(_TEMPLATE_HASH) == revision


def examine_pods(
    pods: Iterable[Json],
    *,
    in_order: bool,
    is_current: Callable[[Json], bool] | None = None,
    more_finished: bool = False,
) -> PodsSeen:
    """What the pods show; those of the current template come first, and those that have ended last.

    ``in_order``: an older pod that is not ready holds up the newer ones, as in a StatefulSet. ``is_current`` None:
    every pod counts as one of the current template. ``more_finished``: more pods have ended than are given here.
    """
    known = is_current or (lambda pod: True)
    ordered = sorted(pods, key=lambda pod: (not known(pod), name_of(pod)))
    finished = [pod for pod in ordered if has_finished(pod) and not is_deleted(pod)]
    going = [pod for pod in ordered if is_deleted(pod)]
    living = [pod for pod in ordered if is_living(pod)]
    examined = [(pod, ailment) for pod in living if (ailment := examine_pod(pod)) is not None]
    ailments = [(name_of(pod), ailment) for pod, ailment in examined]
    deciding = [ailment for pod, ailment in examined if in_order or known(pod)]
    stalled = _is_stalled(deciding, ending=bool(going))
    return PodsSeen(
        trouble=_tell_troubles(ailments, finished, more="at least " if more_finished else ""),
        delay=next(_tell_delays(ailments, going), None),
        stalled=stalled,
        beginning=any(
            ailment.plight is Plight.STARTING and known(pod) and was_never_ready(pod) for pod, ailment in examined
        ),
        placeless=stalled and all(ailment.plight is Plight.PLACELESS for ailment in deciding),
        gated=next((f"{name} {one.words}" for name, one in ailments if one.plight is Plight.GATED), None),
        old_serving=sum(is_ready(pod) for pod in living if not known(pod)),
    )


def find_trouble(pods: Iterable[Json]) -> str | None:
    """The first troubles, one a pod: "web-7d9: ImagePullBackOff (Back-off ...)"; None: nothing is seen."""
    return examine_pods(pods, in_order=False).trouble


def mark_progress(workload: Json, pods: Iterable[Json]) -> str:
    """A text that changes when the rollout moves: a count of the status does, a pod comes or goes, finds its node, has
    one more container started. A container that is started again and again moves nothing.
    """
    status = workload.get("status") or {}
    counts = sorted((name, value) for name, value in status.items() if isinstance(value, int))
    steps = sorted((uid_of(pod), is_deleted(pod), *_count_steps(pod)) for pod in pods if not has_finished(pod))
    generation = metadata_of(workload).get("generation")
    return blake2s(repr((generation, counts, steps)).encode(), digest_size=_DIGEST).hexdigest()


def _is_stalled(ailments: Sequence[Ailment], *, ending: bool) -> bool:
    """Whether no pod that is not ready may get so soon. ``ending``: other pods are just ending, and make room."""
    hopeless = {Plight.STALLED, Plight.GATED} if ending else {Plight.STALLED, Plight.GATED, Plight.PLACELESS}
    return bool(ailments) and all(ailment.plight in hopeless for ailment in ailments)


def _tell_delays(ailments: Sequence[tuple[str, Ailment]], going: Sequence[Json]) -> Iterator[str]:
    """The pods with which nothing is wrong; one that does not end, as on a dead node, may be what others wait for."""
    yield from (f"{name}: {one.words}" for name, one in ailments if one.plight is Plight.STARTING)
    for pod in going:
        node = (pod.get("spec") or {}).get("nodeName")
        yield f"{name_of(pod)}: still terminating{f' on {node}' if node else ''}"


def _tell_troubles(ailments: Sequence[tuple[str, Ailment]], finished: Sequence[Json], *, more: str) -> str | None:
    """``more`` stands before a number of pods that have ended."""
    told = [f"{name}: {one.words}" for name, one in ailments if one.plight is not Plight.STARTING]
    if told:
        rest = len(told) - NAMED
        return "; ".join(told[:NAMED] + ([f"and {rest} more"] if rest > 0 else []) + _count_finished(finished, more))
    if ailments:
        return None  # what is starting says more of itself than those that have ended long ago
    ended = [f"{name_of(pod)}: {_explain_end(pod)}" for pod in finished if phase_of(pod) == "Failed"]
    rest = len(ended) - NAMED
    return "; ".join(ended[:NAMED] + ([f"and {more}{rest} more"] if rest > 0 else [])) or None


def _count_finished(finished: Sequence[Json], more: str) -> list[str]:
    """Pods that have ended say nothing of those that are to run, and are only counted: "6 ended pods (Evicted)"."""
    reasons = Counter(str((pod.get("status") or {}).get("reason") or phase_of(pod)) for pod in finished)
    return [f"{more}{number} ended {'pod' if number == 1 else 'pods'} ({reason})" for reason, number in reasons.items()]


def _explain_end(pod: Json) -> str:
    status = pod.get("status") or {}
    return explain_reason(str(status.get("reason") or "Failed"), status.get("message"))


def _count_steps(pod: Json) -> tuple[bool, int]:
    """How far the start of a pod is, in numbers that never fall: it has a node, containers that were ever started."""
    return bool((pod.get("spec") or {}).get("nodeName")), sum(map(_has_started, list_statuses(pod)))


def _has_started(status: Json) -> bool:
    ended = (status.get("lastState") or {}).get("terminated")
    return bool(status.get("restartCount") or ended or {"running", "terminated"} & (status.get("state") or {}).keys())
