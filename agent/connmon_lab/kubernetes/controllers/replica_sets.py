"""The ReplicaSet controller: as many pods as wanted, and their count."""

from __future__ import annotations

from ..objects import Manifest, key_of, labels_of
from ..versions import Trait
from .conditions import replica_failure, set_condition
from .context import Context, count, has_ended, is_ready
from .pods import make_pod
from .quotas import RETRY, refuse_pod


class ReplicaSetController:
    """Keeps the number of pods of every ReplicaSet."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._refusals: dict[str, str] = {}  # uid -> why its newest pod was refused

    def reconcile(self, replica_set: Manifest) -> None:
        """Make the missing pods, delete the surplus, tell the count."""
        missing = replica_set["spec"]["replicas"] - len(self._pods(replica_set))
        self._fill(replica_set, missing)
        for pod in self._surplus(replica_set, -missing):
            self._context.delete_pod(pod)
        self._tell(replica_set)

    def _fill(self, replica_set: Manifest, missing: int) -> None:
        """Make the missing pods, up to the first that is refused."""
        self._refusals.pop(replica_set["metadata"]["uid"], None)
        for _ in range(missing):
            pod = self._make_pod(replica_set)
            if refusal := refuse_pod(self._context.store, pod):
                self._refusals[replica_set["metadata"]["uid"]] = refusal
                self._context.requeue(key_of(replica_set), RETRY)
                return
            self._context.store.create(pod)

    def _pods(self, replica_set: Manifest) -> list[Manifest]:
        """The pods that count: neither ended nor being deleted."""
        owned = self._context.store.owned_by(replica_set["metadata"]["uid"], "Pod")
        return [pod for pod in owned if "deletionTimestamp" not in pod["metadata"] and not has_ended(pod)]

    def _make_pod(self, replica_set: Manifest) -> Manifest:
        metadata, template = replica_set["metadata"], replica_set["spec"]["template"]
        name = self._context.store.generate_name(metadata["name"] + "-")
        return make_pod(template, namespace=metadata["namespace"], name=name, owner=replica_set, labels={})

    def _surplus(self, replica_set: Manifest, number: int) -> list[Manifest]:
        """The pods to let go: unready ones first, then the newest."""
        if number <= 0:
            return []
        newest_first = self._pods(replica_set)[::-1]
        return sorted(newest_first, key=is_ready)[:number]

    def _tell(self, replica_set: Manifest) -> None:
        pods, key = self._pods(replica_set), key_of(replica_set)
        wanted = labels_of(replica_set["spec"]["template"]).items()
        least = replica_set["spec"].get("minReadySeconds", 0)
        status: Manifest = {"replicas": len(pods)} | count(
            fullyLabeledReplicas=sum(wanted <= labels_of(pod).items() for pod in pods),
            readyReplicas=sum(is_ready(pod) for pod in pods),
            availableReplicas=sum(self._context.is_available(pod, least, key) for pod in pods),
        )
        if self._context.version.has(Trait.TERMINATING_REPLICAS):
            owned = self._context.store.owned_by(replica_set["metadata"]["uid"], "Pod")
            status["terminatingReplicas"] = sum("deletionTimestamp" in pod["metadata"] for pod in owned)
        status["observedGeneration"] = replica_set["metadata"]["generation"]
        if refusal := self._refusals.get(replica_set["metadata"]["uid"]):
            failure = replica_failure(refusal, self._context.timestamp())
            status = {"conditions": replica_set["status"].get("conditions") or [], **status}
            status = set_condition(status, failure)
        self._context.store.update_status(replica_set, status)
