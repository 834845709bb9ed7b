"""Kubernetes' own events: why a pod does not start, or is not made, where no status says it.

A volume whose Secret is missing, a readiness probe that fails, a StatefulSet or DaemonSet that a quota allows no pod:
``kubectl describe`` shows these, and the pod itself says ContainerCreating, or nothing. The API server forgets events
after an hour, so that one is never a proof of anything; they only name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..core.observations import Observation
from ..core.plan import Kind
from .object_fields import is_living, name_of, uid_of
from .reasons import Plight, examine_pod, explain_reason
from .requests import ApiRequest, Json, list_by_selector, list_path
from .rollouts import find_failure

MOST = 20  # events of one object


@dataclass(frozen=True, slots=True)
class Silent:
    """An object that does not say itself what is wrong with it. ``what`` begins the sentence about it."""

    uid: str
    what: str


def find_silent(
    kind: Kind, workload: Json, seen: Observation, pods: Sequence[Json], is_current: Callable[[Json], bool]
) -> Silent | None:
    """Whose events may say why the workload is not well; None: it is, or the reason is known.

    A pod that is not ready and shows nothing wrong, of the current template if there is one; where pods are missing, a
    StatefulSet or DaemonSet itself (a Deployment says it in its status).
    """
    if seen.healthy or find_failure(workload) is not None:
        return None
    living = [pod for pod in pods if is_living(pod)]
    ordered = sorted(living, key=lambda pod: (not is_current(pod), name_of(pod)))
    unready = [(pod, ailment) for pod in ordered if (ailment := examine_pod(pod)) is not None]
    if any(ailment.plight is not Plight.STARTING for _, ailment in unready):
        return None
    for pod, _ in unready:
        return Silent(uid_of(pod), f"{name_of(pod)}: ")
    if kind is not Kind.DEPLOYMENT and len(living) < seen.desired:
        return Silent(uid_of(workload), "")
    return None


def list_warnings(namespace: str, silent: Silent) -> ApiRequest:
    """The request for the warnings about one object."""
    fields = f"involvedObject.uid={silent.uid},type=Warning"
    request = list_by_selector(list_path("api/v1", namespace, "events"), "EventList", fields=fields)
    return ApiRequest(request.method, request.path, request.kind, (*request.query, ("limit", str(MOST))))


def tell_newest(silent: Silent, events: Iterable[Json]) -> str | None:
    """The newest warning, by the cluster's own clock: "web-7d9: FailedMount (secret "settings" not found)"."""
    newest = max(events, key=_time, default=None)
    if newest is None or not newest.get("reason"):
        return None
    return silent.what + explain_reason(str(newest["reason"]), newest.get("message"))


def _time(event: Json) -> str:
    """RFC 3339 in UTC, which sorts as text."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next((time for time in times if time), ""))
