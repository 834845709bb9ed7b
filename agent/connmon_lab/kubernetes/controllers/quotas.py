"""ResourceQuotas, as far as they count pods: admission refuses the pod that would be one too many.

Source: kubernetes plugin/pkg/admission/resourcequota; of the resources only ``pods`` and ``count/pods`` are known.
"""

from __future__ import annotations

from ..objects import Manifest
from ..store import ObjectStore
from .context import has_ended

RETRY = 1.0  # seconds after which a pod that was refused is asked for again; kube-controller-manager doubles its pause
_COUNTED = ("pods", "count/pods")


def refuse_pod(store: ObjectStore, pod: Manifest) -> str | None:
    """The API server's answer to a pod that exceeds a quota of its namespace; None: there is room."""
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    used = sum(not has_ended(one) for one in store.list_objects("Pod", namespace))
    for quota in store.list_objects("ResourceQuota", namespace):
        hard = quota["spec"].get("hard") or {}
        for resource in _COUNTED:
            if resource in hard and used + 1 > int(hard[resource]):
                excess = f"requested: {resource}=1, used: {resource}={used}, limited: {resource}={hard[resource]}"
                return f'pods "{name}" is forbidden: exceeded quota: {quota["metadata"]["name"]}, {excess}'
    return None
