"""When, and by whom, a workload's current pod template was made.

Every template that was rolled out leaves an owned object behind: a ReplicaSet under a Deployment, a ControllerRevision
under a StatefulSet or DaemonSet. The newest revision's creation is the template's, by the API server's own clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..core.plan import Kind
from .annotations import FIELD_MANAGER, KUBECTL_RESTARTED_AT, RESTARTED_AT, parse_time
from .object_fields import metadata_of
from .requests import ApiRequest, Json, list_by_selector, list_path
from .rollouts import read_template
from .selectors import selector_of

REVISION = "deployment.kubernetes.io/revision"
KUBECTL_RESTART = "kubectl rollout restart"

# Seconds by which the clock of whoever wrote an annotation may be behind the API server's.
CLOCK_SLACK = 60.0

# Seconds within which an annotation and a field manager's entry come from one and the same write.
SAME_WRITE = 2.0


class Revision(NamedTuple):
    """Unix seconds and words; None: unknown."""

    at: float | None
    by: str | None


UNKNOWN = Revision(None, None)


def list_revisions(kind: Kind, namespace: str, workload: Json) -> ApiRequest:
    """The request for the objects in which ``find_revision`` looks."""
    selector = selector_of(workload)
    if kind is Kind.DEPLOYMENT:
        return list_by_selector(list_path("apis/apps/v1", namespace, "replicasets"), "ReplicaSetList", selector)
    path = list_path("apis/apps/v1", namespace, "controllerrevisions")
    return list_by_selector(path, "ControllerRevisionList", selector)


def find_newest(workload: Json, candidates: Iterable[Json]) -> Json | None:
    """The newest of the workload's own revisions among ``candidates``; None: there is none."""
    uid = workload.get("metadata", {}).get("uid")
    owned = (candidate for candidate in candidates if _controlled_by(candidate, uid))
    return max(owned, key=_revision_number, default=None)


def find_revision(workload: Json, candidates: Iterable[Json]) -> Revision:
    """When and by whom the newest of the workload's own revisions among ``candidates`` was made."""
    newest = find_newest(workload, candidates)
    if newest is None:
        return UNKNOWN
    at = parse_time(newest.get("metadata", {}).get("creationTimestamp"))
    return Revision(at, _find_author(workload, at))


def find_owners(workload: Json, candidates: Iterable[Json] | None) -> frozenset[str] | None:
    """The UIDs that own the workload's pods: its own, or of its ReplicaSets. None: they may not be looked at."""
    if candidates is None:
        return None
    uid = workload.get("metadata", {}).get("uid")
    owned = (one["metadata"].get("uid") for one in candidates if _controlled_by(one, uid))
    return frozenset(str(one) for one in (uid, *owned) if one)


def _controlled_by(candidate: Json, uid: str | None) -> bool:
    owners = candidate.get("metadata", {}).get("ownerReferences") or ()
    return any(owner.get("uid") == uid and owner.get("controller") for owner in owners)


def _revision_number(candidate: Json) -> int:
    annotations = candidate.get("metadata", {}).get("annotations") or {}
    try:
        return int(candidate.get("revision") or annotations.get(REVISION) or 0)
    except ValueError:
        return 0


def _find_author(workload: Json, at: float | None) -> str | None:
    """Who wrote last to the template: by its restart annotations, and by the field managers that the API server noted.

    A manager's time is when its set of fields last changed, not their values, so that only a later one counts.
    """
    annotations = metadata_of(read_template(workload)).get("annotations") or {}
    signs = ((KUBECTL_RESTARTED_AT, KUBECTL_RESTART), (RESTARTED_AT, FIELD_MANAGER))
    restarts = [(timestamp, who) for key, who in signs if (timestamp := parse_time(annotations.get(key))) is not None]
    recent = max((sign for sign in restarts if at is None or sign[0] >= at - CLOCK_SLACK), default=None)
    manager = max(_list_managers(workload), default=None)
    if recent is not None and (manager is None or manager[0] <= recent[0] + SAME_WRITE):
        return recent[1]
    return None if manager is None else manager[1]


def _list_managers(workload: Json) -> list[tuple[float, str]]:
    """The field managers of the pod template, each with its time in Unix seconds."""
    return [
        (parse_time(entry.get("time")) or 0.0, str(entry.get("manager")))
        for entry in workload.get("metadata", {}).get("managedFields") or ()
        if entry.get("manager") and "f:template" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    ]
