"""Who wrote the spec of an object, as its ``metadata.managedFields`` tell.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers
"""

from __future__ import annotations

from .annotations import FIELD_MANAGER
from .requests import Json

MOST_MANAGERS = 8
_OTHERS_DUTIES = frozenset({FIELD_MANAGER, "kube-controller-manager"})


def list_managers(workload: Json) -> tuple[str, ...]:
    """The field managers, each as ``name time``, the newest first; ours and the controller's own are left out.

    The time is the API server's, as text: it tells an entry that was written again from what it was, and no more. An
    entry whose manager only removed a field of others need not change: then nothing shows who it was.
    """
    entries = [
        (str(entry.get("time") or ""), str(entry.get("manager")))
        for entry in (workload.get("metadata") or {}).get("managedFields") or ()
        if entry.get("manager") and entry.get("subresource") != "status" and entry["manager"] not in _OTHERS_DUTIES
    ]
    return tuple(f"{manager} {time}" for time, manager in sorted(entries, reverse=True)[:MOST_MANAGERS])
