"""The logs of pods: what a container said before it crashed.

The answers and errors are those of a kube-apiserver and its kubelet (kubernetes pkg/registry/core/pod/strategy.go,
pkg/kubelet/kubelet_pods.go). Only containers that crash have said anything.
"""

from __future__ import annotations

from collections.abc import Mapping

from .objects import Manifest
from .queries import read_flag
from .statuses import ApiError

CRASH_LOG = "reading settings.yaml\nno such file: settings.yaml\n"


def read_log(pod: Manifest, query: Mapping[str, str]) -> str:
    """The log of the container that ``query`` names. Raises ApiError 400: there is none."""
    name, status = pod["metadata"]["name"], pod["status"]
    statuses = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    container = query.get("container") or pod["spec"]["containers"][0]["name"]
    found = next((one for one in statuses if one["name"] == container), None)
    if found is None:
        raise ApiError(400, f"container {container} is not valid for pod {name}")
    if read_flag(query, "previous"):
        if "terminated" not in found["lastState"]:
            raise ApiError(400, f'previous terminated container "{container}" in pod "{name}" not found')
        return _end_of(CRASH_LOG, query)
    if "waiting" in found["state"]:
        reason = found["state"]["waiting"]["reason"]
        raise ApiError(400, f'container "{container}" in pod "{name}" is waiting to start: {reason}')
    return ""


def _end_of(log: str, query: Mapping[str, str]) -> str:
    lines = log.splitlines(keepends=True)
    kept = "".join(lines[-int(query["tailLines"]) :] if "tailLines" in query else lines)
    return kept[: int(query["limitBytes"])] if "limitBytes" in query else kept
