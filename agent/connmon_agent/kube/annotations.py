"""Who changed an object: the annotations on a pod template that say who restarted it, and ``metadata.managedFields``.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers
"""

from __future__ import annotations

from datetime import datetime

from ..wall_times import in_utc
from .object_fields import metadata_of
from .requests import Json

TOKEN = "connmon.io/restart-token"
RESTARTED_AT = "connmon.io/restarted-at"
REASON = "connmon.io/reason"
KUBECTL_RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
FIELD_MANAGER = "connmon-agent"
MOST_MANAGERS = 8
_OTHERS_DUTIES = frozenset({FIELD_MANAGER, "kube-controller-manager"})


def parse_time(text: object) -> float | None:
    """An RFC 3339 time as Unix seconds; None: there is none, or it is none."""
    if not isinstance(text, str):
        return None
    try:
        timestamp = datetime.fromisoformat(text)
    except ValueError:
        return None
    return timestamp.timestamp() if timestamp.tzinfo is not None else None


def format_time(wall: float) -> str:
    """Unix seconds as RFC 3339 in UTC, with exactly six fractional digits."""
    return in_utc(wall).isoformat(timespec="microseconds")


def list_managers(workload: Json) -> tuple[str, ...]:
    """The field managers, each as ``name time``, the newest first; ours and the controller's own are left out.

    The time is the API server's, as text: it tells an entry that was written again from what it was, and no more. An
    entry whose manager only removed a field of others need not change: then nothing shows who it was.
    """
    entries = [
        (str(entry.get("time") or ""), str(entry.get("manager")))
        for entry in metadata_of(workload).get("managedFields") or ()
        if entry.get("manager") and entry.get("subresource") != "status" and entry["manager"] not in _OTHERS_DUTIES
    ]
    return tuple(f"{manager} {time}" for time, manager in sorted(entries, reverse=True)[:MOST_MANAGERS])
