"""Make workloads fail, hang or recover on request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from .controllers import ControllerManager
from .controllers.context import has_ended
from .objects import Key, Manifest, key_of

Failure = Literal[
    "never-ready",
    "image-pull",
    "image-never-pull",
    "image-name",
    "config",
    "create",
    "mount",
    "run",
    "sidecar-crash",
    "unschedulable",
]

_EVICTED: Manifest = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}


class Workloads:
    """The control of what happens to Deployments, StatefulSets and DaemonSets. Callable from any thread."""

    def __init__(self, controllers: ControllerManager, invoke: Callable[[Callable[[], None]], None]) -> None:
        """``invoke`` runs an action where the controllers live."""
        self._controllers = controllers
        self._invoke = invoke

    def fail_rollouts(
        self, kind: str, namespace: str, name: str, *, times: int | None = 1, how: Failure = "never-ready"
    ) -> None:
        """The pods of the next ``times`` revisions (None: of all, 0: of none any more) never become Ready.

        ``never-ready``: their containers crash (CrashLoopBackOff); ``sidecar-crash``: an init container with
        restartPolicy Always crashes, and the others run; ``unschedulable``: they get no node; ``mount``: they wait
        for a Secret, which only an event says; the others: their
        containers wait, as in ``WAITING`` of ``controllers.pods``. A revision that exists already is not touched.
        """
        self._invoke(lambda: self._controllers.context.ailments.plan(Key(kind, namespace, name), how, times))

    def become_unready(self, kind: str, namespace: str, name: str) -> None:
        """The running pods hang: they run on, not Ready, until they are replaced."""
        self._invoke(lambda: self._set_ready(Key(kind, namespace, name), ready=False))

    def become_ready(self, kind: str, namespace: str, name: str) -> None:
        """Pods that hang answer again."""
        self._invoke(lambda: self._set_ready(Key(kind, namespace, name), ready=True))

    def evict(self, kind: str, namespace: str, name: str) -> None:
        """The kubelet ends the running pods for want of memory: they lie about, Failed, and others take their place."""
        self._invoke(lambda: self._evict(Key(kind, namespace, name)))

    def leave_evicted_pods(self, kind: str, namespace: str, name: str, number: int) -> None:
        """Beside the pods of a workload so many lie about that were evicted before, as a loop of evictions leaves."""
        self._invoke(lambda: self._leave_evicted_pods(Key(kind, namespace, name), number))

    def set_ready_after(self, kind: str, namespace: str, name: str, *, seconds: float) -> None:
        """Pods of this workload made from now on need ``seconds`` to become Ready."""
        self._invoke(lambda: self._controllers.context.paces.update({Key(kind, namespace, name): seconds}))

    def _set_ready(self, workload: Key, *, ready: bool) -> None:
        unready = self._controllers.context.ailments.unready
        for pod in self._controllers.context.pods_of(workload):
            self._note(pod, unready, ready=ready)
            self._controllers.enqueue(key_of(pod))

    def _evict(self, workload: Key) -> None:
        context = self._controllers.context
        for pod in context.pods_of(workload):
            if not has_ended(pod):
                context.store.update_status(pod, {**_EVICTED, "startTime": context.timestamp()})

    def _leave_evicted_pods(self, workload: Key, number: int) -> None:
        context = self._controllers.context
        pod = context.pods_of(workload)[0]
        for _ in range(number):
            metadata = {**pod["metadata"], "name": context.store.generate_name(f"{workload.name}-evicted-")}
            context.store.create(
                {**pod, "metadata": metadata, "status": {**_EVICTED, "startTime": context.timestamp()}}
            )

    @staticmethod
    def _note(pod: Manifest, unready: set[str], *, ready: bool) -> None:
        if ready:
            unready.discard(pod["metadata"]["uid"])
        else:
            unready.add(pod["metadata"]["uid"])
