"""The StatefulSet controller: numbered pods, made in order and replaced in reverse order.

Source: kubernetes pkg/controller/statefulset/stateful_set_control.go (1.20 and 1.37), without volume claims.
"""

from __future__ import annotations

from ..objects import Manifest, key_of, labels_of
from ..versions import Trait
from .context import Context, count, is_ready
from .events import warn
from .pods import make_pod
from .quotas import RETRY, refuse_pod
from .revisions import ensure_revision, forget_revisions, list_revisions, template_of
from .rolling import scale_value

_HASH = "controller.kubernetes.io/hash"  # on the ControllerRevision
REVISION = "controller-revision-hash"  # on the pods; a StatefulSet's holds the revision's whole name


class StatefulSetController:
    """Keeps the pods of StatefulSets and rolls them, one at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def reconcile(self, workload: Manifest) -> None:
        """Take one step towards the StatefulSet's spec and tell where it stands."""
        update = ensure_revision(self._context, workload, _HASH)
        current = self._find_revision(workload, workload["status"].get("currentRevision")) or update
        self._step(workload, current, update)
        self._tell(workload, current["metadata"]["name"], update["metadata"]["name"])
        used = {labels_of(pod).get(REVISION, "") for pod in self._pods(workload).values()}
        forget_revisions(self._context, workload, used | {current["metadata"]["name"], update["metadata"]["name"]})

    def _find_revision(self, workload: Manifest, name: str | None) -> Manifest | None:
        revisions = list_revisions(self._context, workload)
        return next((item for item in revisions if item["metadata"]["name"] == name), None)

    def _pods(self, workload: Manifest) -> dict[int, Manifest]:
        owned = self._context.store.owned_by(workload["metadata"]["uid"], "Pod")
        return {int(pod["metadata"]["name"].rpartition("-")[2]): pod for pod in owned}

    def _step(self, workload: Manifest, current: Manifest, update: Manifest) -> None:
        in_order = workload["spec"]["podManagementPolicy"] == "OrderedReady"
        if self._fill(workload, current, update, in_order=in_order):
            return
        pods, replicas = self._pods(workload), workload["spec"]["replicas"]
        condemned = sorted((number for number in pods if number >= replicas), reverse=True)
        for number in condemned[: 1 if in_order else None]:
            self._context.delete_pod(pods[number])
        if not condemned and workload["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            self._replace_some(workload, pods, update["metadata"]["name"])

    def _fill(self, workload: Manifest, current: Manifest, update: Manifest, *, in_order: bool) -> bool:
        """Make missing pods; True when the rest must wait for a pod that is not there or not ready."""
        pods = self._pods(workload)
        for number in range(workload["spec"]["replicas"]):
            pod = pods.get(number)
            if pod is None:
                revision = current if number < _partition(workload) else update
                made = _make_pod(workload, number, revision)
                if self._is_refused(workload, made):
                    return True
                self._context.store.create(made)
            if in_order and (pod is None or _is_going(pod) or not self._is_available(workload, pod)):
                return True
        return False

    def _is_refused(self, workload: Manifest, pod: Manifest) -> bool:
        """Whether admission refuses the pod; then only an event says so."""
        refusal = refuse_pod(self._context.store, pod)
        if refusal is not None:
            name, about = pod["metadata"]["name"], workload["metadata"]["name"]
            message = f"create Pod {name} in StatefulSet {about} failed error: {refusal}"
            warn(self._context, workload, "FailedCreate", message, source="statefulset-controller")
            self._context.requeue(key_of(workload), RETRY)
        return refusal is not None

    def _replace_some(self, workload: Manifest, pods: dict[int, Manifest], update: str) -> None:
        if self._context.version.has(Trait.STATEFUL_SET_UNAVAILABLE):
            self._replace_up_to_the_limit(workload, pods, update)
        else:
            self._replace_one(workload, pods, update)

    def _replace_up_to_the_limit(self, workload: Manifest, pods: dict[int, Manifest], update: str) -> None:
        """Delete pods of an old revision, the highest first, as long as few enough are unavailable. Where pods are not
        kept in order, old ones that do not work go first, and count for nothing.
        """
        rolling = workload["spec"]["updateStrategy"]["rollingUpdate"]
        limit = max(1, scale_value(rolling["maxUnavailable"], workload["spec"]["replicas"], round_up=False))
        old = [
            pod
            for number, pod in sorted(pods.items(), reverse=True)
            if labels_of(pod).get(REVISION) != update and not _is_going(pod) and number >= _partition(workload)
        ]
        missing = [pod for pod in pods.values() if _is_going(pod) or not self._is_available(workload, pod)]
        parallel = workload["spec"]["podManagementPolicy"] == "Parallel"
        broken = [pod for pod in old if pod in missing] if parallel else []
        working = [pod for pod in old if pod not in broken]
        for pod in [*broken, *working[: max(0, limit - len(missing))]]:
            self._context.delete_pod(pod)

    def _is_available(self, workload: Manifest, pod: Manifest) -> bool:
        """Ready, and for ``minReadySeconds`` where this version knows them for a StatefulSet."""
        return self._context.is_available(pod, workload["spec"].get("minReadySeconds", 0), key_of(workload))

    def _replace_one(self, workload: Manifest, pods: dict[int, Manifest], update: str) -> None:
        """Delete the highest pod of an old revision, unless a pod above it is not healthy yet."""
        for number in sorted(pods, reverse=True):
            if number < _partition(workload):
                return
            pod = pods[number]
            if labels_of(pod).get(REVISION) != update and not _is_going(pod):
                self._context.delete_pod(pod)
                return
            if _is_going(pod) or not is_ready(pod):
                return

    def _tell(self, workload: Manifest, current: str, update: str) -> None:
        pods, replicas = list(self._pods(workload).values()), workload["spec"]["replicas"]
        living = [pod for pod in pods if not _is_going(pod)]
        updated = sum(labels_of(pod).get(REVISION) == update for pod in living)
        ready = sum(is_ready(pod) for pod in pods)
        rolling = workload["spec"]["updateStrategy"]["type"] == "RollingUpdate"
        if rolling and updated == len(pods) == replicas == ready:
            current = update
        available = sum(self._is_available(workload, pod) for pod in pods)
        status = {
            "observedGeneration": workload["metadata"]["generation"],
            "replicas": len(pods),
            **({"availableReplicas": available} if self._context.version.has(Trait.STATEFUL_SET_AVAILABLE) else {}),
            **count(
                readyReplicas=ready,
                currentReplicas=sum(labels_of(pod).get(REVISION) == current for pod in living),
                updatedReplicas=updated,
            ),
            "currentRevision": current,
            "updateRevision": update,
            "collisionCount": 0,
        }
        self._context.store.update_status(workload, status)


def _partition(workload: Manifest) -> int:
    """Pods below this number keep their revision."""
    rolling = workload["spec"]["updateStrategy"].get("rollingUpdate") or {}
    return int(rolling.get("partition", 0))


def _is_going(pod: Manifest) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _make_pod(workload: Manifest, number: int, revision: Manifest) -> Manifest:
    metadata = workload["metadata"]
    name = f"{metadata['name']}-{number}"
    labels = {REVISION: revision["metadata"]["name"], "statefulset.kubernetes.io/pod-name": name}
    return make_pod(template_of(revision), namespace=metadata["namespace"], name=name, owner=workload, labels=labels)
