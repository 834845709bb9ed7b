"""Runs the controllers: every change is noticed, and whoever it concerns looks again.

Level-triggered like kube-controller-manager: a controller gets the name of an object, reads what is there and takes
one step; the step is a change again, until nothing changes any more. There is no polling, so that a loop with nothing
to do has no timers of ours beyond deadlines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..objects import Key, Manifest, controller_of, key_of
from ..store import ObjectStore
from ..versions import Version
from .budgets import BudgetController
from .context import Context, Timing
from .daemon_sets import DaemonSetController
from .deployments import DeploymentController
from .endpoint_slices import EndpointSliceController
from .kubelet import Kubelet
from .replica_sets import ReplicaSetController
from .stateful_sets import StatefulSetController
from .timers import Timers

_WORK = "work"


class ControllerManager:
    """All controllers of the embedded cluster, on one event loop."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        now: Callable[[], float],
        pace: Timing,
        nodes: tuple[str, ...],
        version: Version,
    ) -> None:
        """``nodes`` are the nodes' names; pods that choose no node run on the first."""
        self._store = store
        self.timers = Timers()
        self.context = Context(store, self.timers, now, pace, nodes, version, self._requeue)
        self._waiting: dict[Key, None] = {}
        self._reconcilers: dict[str, Callable[[Manifest], None]] = {
            "Deployment": DeploymentController(self.context).reconcile,
            "ReplicaSet": ReplicaSetController(self.context).reconcile,
            "StatefulSet": StatefulSetController(self.context).reconcile,
            "DaemonSet": DaemonSetController(self.context).reconcile,
            "Pod": Kubelet(self.context).reconcile,
            "Service": EndpointSliceController(self.context).reconcile,
            "PodDisruptionBudget": BudgetController(self.context).reconcile,
            "Namespace": self._end_namespace,
        }
        store.subscribe(self._notice)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Work from now on, beginning with all that happened before."""
        self.timers.start(loop)

    def stop(self) -> None:
        """Work no more."""
        self.timers.stop()

    def enqueue(self, key: Key) -> None:
        """Look at this object soon."""
        self._waiting[key] = None
        if not self.timers.is_set(_WORK):
            self.timers.set(_WORK, self.context.pace.reconcile_after, self._work)

    def _requeue(self, key: Key, seconds: float) -> None:
        if seconds != float("inf"):
            self.timers.set(("requeue", key), seconds, lambda: self.enqueue(key))

    def _notice(self, before: Manifest | None, after: Manifest | None) -> None:
        changed = after or before
        if changed is None:
            return
        key = key_of(changed)
        self.enqueue(key)
        if owner := controller_of(changed):
            self.enqueue(Key(owner["kind"], key.namespace, owner["name"]))
        if after is None:
            self._notice_end(changed)
            for dependent in self._store.owned_by(changed["metadata"]["uid"]):
                self.enqueue(key_of(dependent))
        if changed["kind"] in ("Pod", "Deployment", "StatefulSet"):
            for budget in self._store.list_objects("PodDisruptionBudget", key.namespace):
                self.enqueue(key_of(budget))
        if changed["kind"] == "Pod":
            for service in self._store.list_objects("Service", key.namespace):
                self.enqueue(key_of(service))

    def _notice_end(self, gone: Manifest) -> None:
        """A Deployment that recreates waits for its last old pod, which only its ReplicaSet would be told about."""
        workload = self.context.workload_of(gone) if gone["kind"] == "Pod" else None
        if workload is not None:
            self.enqueue(workload)
        if gone["kind"] == "Pod":  # it may have left its port, or its share of a quota, to another
            for kind in ("Pod", "ReplicaSet", "StatefulSet", "DaemonSet"):
                for waiting in self._store.list_objects(kind):
                    if kind != "Pod" or "nodeName" not in waiting["spec"]:
                        self.enqueue(key_of(waiting))

    def _work(self) -> None:
        batch, self._waiting = self._waiting, {}
        for key in batch:
            found = self._store.find(key)
            if found is None:
                self.timers.cancel(("requeue", key))
            elif self._lost_owner(found):
                self._collect(found)
            elif reconcile := self._reconcilers.get(key.kind):
                reconcile(found)

    def _lost_owner(self, manifest: Manifest) -> bool:
        """The garbage collector's question: is the object's controller gone, or another one of the same name?"""
        owner = controller_of(manifest)
        if owner is None:
            return False
        found = self._store.find(Key(owner["kind"], manifest["metadata"]["namespace"], owner["name"]))
        return found is None or found["metadata"]["uid"] != owner["uid"]

    def _collect(self, manifest: Manifest) -> None:
        if manifest["kind"] != "Pod":
            self._store.remove(key_of(manifest))
            return
        self.context.delete_pod(manifest)
        found = self._store.find(key_of(manifest))
        if found is not None:
            self._reconcilers["Pod"](found)

    def _end_namespace(self, namespace: Manifest) -> None:
        if "deletionTimestamp" not in namespace["metadata"]:
            return
        for manifest in list(self._store.all_in(namespace["metadata"]["name"])):
            self._store.remove(key_of(manifest))
        self._store.remove(key_of(namespace))
