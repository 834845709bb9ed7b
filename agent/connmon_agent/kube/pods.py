"""What ails a workload's pods, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .requests import Json, Request, list_by_selector, list_path
from .selectors import format_selector

NAMED = 3  # pods told by name; the others are counted
MESSAGE_LENGTH = 200  # characters; a scheduler's message names every node
_ON_THE_WAY = ("ContainerCreating", "PodInitializing")


def list_pods(namespace: str, workload: Json) -> Request:
    """The request for the workload's pods."""
    selector = format_selector(workload.get("spec", {}).get("selector") or {})
    return list_by_selector(list_path("api/v1", namespace, "pods"), "PodList", selector)


def find_trouble(pods: Iterable[Json]) -> str | None:
    """The first troubles, one a pod: "web-7d9: ImagePullBackOff (Back-off pulling image ...)"; None: nothing is seen.

    Pods that are being deleted are passed over: they end as they were told to.
    """
    troubles = []
    for pod in sorted(pods, key=_name):
        if not pod.get("metadata", {}).get("deletionTimestamp") and (trouble := next(_find_troubles(pod), None)):
            troubles.append(f"{_name(pod)}: {trouble}")
    if not troubles:
        return None
    rest = len(troubles) - NAMED
    return "; ".join(troubles[:NAMED]) + (f"; and {rest} more" if rest > 0 else "")


def _find_troubles(pod: Json) -> Iterator[str]:
    """What is wrong with one pod, the most telling first."""
    status = pod.get("status") or {}
    for container in (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or []):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") and waiting["reason"] not in _ON_THE_WAY:
            yield _explain(waiting["reason"], waiting.get("message"))
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield _explain(condition.get("reason") or "Unschedulable", condition.get("message"))
    if status.get("phase") == "Failed":
        yield _explain(status.get("reason") or "Failed", status.get("message"))


def _explain(reason: str, message: str | None) -> str:
    if not message:
        return reason
    text = " ".join(message.split())
    return f"{reason} ({text if len(text) <= MESSAGE_LENGTH else text[: MESSAGE_LENGTH - 1] + '…'})"


def _name(pod: Json) -> str:
    return str(pod.get("metadata", {}).get("name"))
