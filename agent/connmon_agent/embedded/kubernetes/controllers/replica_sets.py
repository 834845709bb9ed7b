"""The ReplicaSet controller: as many pods as wanted, and their count."""

from __future__ import annotations

from ..objects import Manifest, key_of, labels_of
from ..versions import Trait
from .context import Context, count, is_ready
from .pods import make_pod


class ReplicaSetController:
    """Keeps the number of pods of every ReplicaSet."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def reconcile(self, replica_set: Manifest) -> None:
        """Make the missing pods, delete the surplus, tell the count."""
        missing = replica_set["spec"]["replicas"] - len(self._pods(replica_set))
        for _ in range(missing):
            self._context.store.create(self._make_pod(replica_set))
        for pod in self._surplus(replica_set, -missing):
            self._context.delete_pod(pod)
        self._tell(replica_set)

    def _pods(self, replica_set: Manifest) -> list[Manifest]:
        owned = self._context.store.owned_by(replica_set["metadata"]["uid"], "Pod")
        return [pod for pod in owned if "deletionTimestamp" not in pod["metadata"]]

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
        status = {"replicas": len(pods)} | count(
            fullyLabeledReplicas=sum(wanted <= labels_of(pod).items() for pod in pods),
            readyReplicas=sum(is_ready(pod) for pod in pods),
            availableReplicas=sum(self._context.is_available(pod, least, key) for pod in pods),
        )
        if self._context.version.has(Trait.TERMINATING_REPLICAS):
            owned = self._context.store.owned_by(replica_set["metadata"]["uid"], "Pod")
            status["terminatingReplicas"] = len(owned) - len(pods)
        status["observedGeneration"] = replica_set["metadata"]["generation"]
        self._context.store.update_status(replica_set, status)
