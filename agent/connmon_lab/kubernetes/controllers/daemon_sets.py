"""The DaemonSet controller: one pod on every node, replaced at most ``maxUnavailable`` at a time.

Source: kubernetes pkg/controller/daemon (1.20), without taints, affinity and surge.
"""

from __future__ import annotations

from ..objects import Manifest, key_of, labels_of
from .context import Context, count, is_ready
from .events import warn
from .pods import make_pod
from .quotas import RETRY, refuse_pod
from .revisions import ensure_revision, forget_revisions
from .rolling import scale_value

_HASH = "controller-revision-hash"


class DaemonSetController:
    """Keeps the pods of DaemonSets and rolls them."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def reconcile(self, workload: Manifest) -> None:
        """Take one step towards the DaemonSet's spec and tell where it stands."""
        revision = labels_of(ensure_revision(self._context, workload, _HASH))[_HASH]
        self._fill(workload, revision)
        if workload["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            self._replace_some(workload, revision)
        self._tell(workload, revision)
        used = {revision, *(labels_of(pod).get(_HASH, "") for pod in self._pods(workload))}
        forget_revisions(self._context, workload, {f"{workload['metadata']['name']}-{item}" for item in used})

    def _pods(self, workload: Manifest) -> list[Manifest]:
        return self._context.store.owned_by(workload["metadata"]["uid"], "Pod")

    def _fill(self, workload: Manifest, revision: str) -> None:
        """A node gets its pod once the one before is gone."""
        taken = {pod["spec"].get("nodeName") for pod in self._pods(workload)}
        for node in self._context.nodes:
            if node not in taken:
                self._create(workload, self._make_pod(workload, node, revision))

    def _create(self, workload: Manifest, pod: Manifest) -> None:
        """Make the pod; where admission refuses it, only an event says so."""
        refusal = refuse_pod(self._context.store, pod)
        if refusal is None:
            self._context.store.create(pod)
            return
        warn(self._context, workload, "FailedCreate", f"Error creating: {refusal}", source="daemonset-controller")
        self._context.requeue(key_of(workload), RETRY)

    def _make_pod(self, workload: Manifest, node: str, revision: str) -> Manifest:
        metadata, template = workload["metadata"], workload["spec"]["template"]
        placed = {**template, "spec": {**template["spec"], "nodeName": node}}
        name = self._context.store.generate_name(metadata["name"] + "-")
        return make_pod(placed, namespace=metadata["namespace"], name=name, owner=workload, labels={_HASH: revision})

    def _replace_some(self, workload: Manifest, revision: str) -> None:
        living = [pod for pod in self._pods(workload) if not _is_going(pod)]
        old = [pod for pod in living if labels_of(pod).get(_HASH) != revision]
        available = [pod for pod in living if self._is_available(workload, pod)]
        limit = workload["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"]
        may_miss = scale_value(limit, len(self._context.nodes), round_up=True)
        may_go = max(0, may_miss - (len(self._context.nodes) - len(available)))
        broken = [pod for pod in old if pod not in available]
        working = [pod for pod in old if pod in available]
        for pod in [*broken, *working[:may_go]]:
            self._context.delete_pod(pod)

    def _is_available(self, workload: Manifest, pod: Manifest) -> bool:
        return self._context.is_available(pod, workload["spec"].get("minReadySeconds", 0), key_of(workload))

    def _tell(self, workload: Manifest, revision: str) -> None:
        living = [pod for pod in self._pods(workload) if not _is_going(pod)]
        desired = len(self._context.nodes)
        available = sum(self._is_available(workload, pod) for pod in living)
        status = {
            "currentNumberScheduled": len(living),
            "numberMisscheduled": 0,
            "desiredNumberScheduled": desired,
            "numberReady": sum(is_ready(pod) for pod in living),
            "observedGeneration": workload["metadata"]["generation"],
            **count(
                updatedNumberScheduled=sum(labels_of(pod).get(_HASH) == revision for pod in living),
                numberAvailable=available,
                numberUnavailable=desired - available,
            ),
        }
        self._context.store.update_status(workload, status)


def _is_going(pod: Manifest) -> bool:
    return "deletionTimestamp" in pod["metadata"]
