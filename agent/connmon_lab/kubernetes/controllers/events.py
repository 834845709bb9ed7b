"""Events: what controllers and kubelets tell of objects whose status has no place for it.

Source: kubernetes client-go tools/record; the same again counts up instead of being told twice.
"""

from __future__ import annotations

from ..objects import Key, Manifest
from .context import Context


def warn(context: Context, about: Manifest, reason: str, message: str, *, source: str) -> None:
    """Record a warning about an object."""
    metadata, at = about["metadata"], context.timestamp()
    name = f"{metadata['name']}.{metadata['uid'][:8]}-{reason.lower()}"
    key = Key("Event", metadata["namespace"], name)
    found = context.store.find(key)
    if found is not None:
        told = {"count": found["count"] + 1, "lastTimestamp": at, "message": message}
        context.store.update({**found, **told}, counted=False)
        return
    involved = {"kind": about["kind"], "namespace": metadata["namespace"], "name": metadata["name"]}
    context.store.create(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": metadata["namespace"]},
            "involvedObject": {**involved, "uid": metadata["uid"], "apiVersion": about["apiVersion"]},
            "reason": reason,
            "message": message,
            "type": "Warning",
            "count": 1,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "source": {"component": source},
        }
    )
