"""What every controller is given, as kube-controller-manager's ControllerContext."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..objects import Key, Manifest, controller_of, labels_of, rfc3339
from ..store import ObjectStore
from ..versions import Version
from .timers import Timers


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things take, in seconds on the loop's clock."""

    ready_after: float = 1.0  # from a pod's creation until it is Ready
    terminate_after: float = 0.0  # from a pod's deletion until it is gone
    reconcile_after: float = 0.0  # until a controller notices a change
    linger: float = 1.0  # one direction of a forwarded connection has left when the other is over, as in containerd


@dataclass(slots=True)
class Ailment:
    """Revisions that are to fail: ``how`` as in ``workloads.Failure``, ``times`` how many more (None: all)."""

    how: str
    times: int | None


class Ailments:
    """What goes wrong in this cluster, because somebody asked for it."""

    def __init__(self) -> None:
        self._coming: dict[Key, Ailment] = {}
        self._broken: dict[tuple[str, str], str] = {}  # (namespace, revision) -> how
        self.unready: set[str] = set()  # uids of pods that run and do not answer

    def plan(self, workload: Key, how: str, times: int | None) -> None:
        """Let the next ``times`` revisions of a workload fail (None: all; 0: no more)."""
        self._coming[workload] = Ailment(how, times)

    def claim(self, workload: Key, revision: str) -> None:
        """A new revision of the workload appears: does it belong to those that fail?"""
        ailment = self._coming.get(workload)
        if ailment is None or ailment.times == 0:
            return
        if ailment.times is not None:
            ailment.times -= 1
        self._broken[workload.namespace, revision] = ailment.how

    def of_revision(self, namespace: str, revision: str) -> str | None:
        """How the pods of a revision fail, or None."""
        return self._broken.get((namespace, revision))


@dataclass(slots=True)
class Context:
    """The shared means of the controllers. ``requeue`` looks at an object again after some seconds."""

    store: ObjectStore
    timers: Timers
    now: Callable[[], float]  # Unix seconds, for timestamps only
    pace: Timing
    nodes: tuple[str, ...]
    version: Version
    requeue: Callable[[Key, float], None]
    ailments: Ailments = field(default_factory=Ailments)
    paces: dict[Key, float] = field(default_factory=dict)  # workload -> its own ready_after
    ready_since: dict[str, float] = field(default_factory=dict)  # pod uid -> loop time

    def timestamp(self) -> str:
        """This instant as Kubernetes writes it."""
        return rfc3339(self.now())

    def delete_pod(self, pod: Manifest) -> None:
        """Ask for the pod's end; the kubelet carries it out."""
        if "deletionTimestamp" not in pod["metadata"]:
            metadata = {**pod["metadata"], "deletionTimestamp": self.timestamp()}
            self.store.update({**pod, "metadata": metadata}, counted=False)

    def workload_of(self, pod: Manifest) -> Key | None:
        """The Deployment, StatefulSet or DaemonSet (or lone ReplicaSet) a pod belongs to; None: to nothing."""
        owner = controller_of(pod)
        if owner is None:
            return None
        key = Key(owner["kind"], pod["metadata"]["namespace"], owner["name"])
        found = self.store.find(key) if key.kind == "ReplicaSet" else None
        above = controller_of(found) if found is not None else None
        return key if above is None else Key(above["kind"], key.namespace, above["name"])

    def pods_of(self, workload: Key) -> list[Manifest]:
        """The pods of a workload that are not being deleted."""
        pods = self.store.list_objects("Pod", workload.namespace)
        return [pod for pod in pods if self.workload_of(pod) == workload and "deletionTimestamp" not in pod["metadata"]]

    def is_available(self, pod: Manifest, min_ready_seconds: int, requeue: Key) -> bool:
        """Whether the pod has been Ready long enough; ``requeue`` is looked at again when it will have been."""
        if not is_ready(pod):
            return False
        since = self.ready_since.get(pod["metadata"]["uid"], self.timers.time())
        left = since + min_ready_seconds - self.timers.time()
        if left > 0:
            self.requeue(requeue, left)
        return left <= 0


def is_ready(pod: Manifest) -> bool:
    """Whether the pod's Ready condition is True."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def has_ended(pod: Manifest) -> bool:
    """Whether the pod has ended for good and lies about until somebody deletes it."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def revision_of(pod: Manifest) -> str:
    """The name of the ReplicaSet or ControllerRevision a pod was made from; empty when from none."""
    owner = controller_of(pod)
    if owner is None:
        return ""
    if owner["kind"] == "ReplicaSet":
        return str(owner["name"])
    label = labels_of(pod).get("controller-revision-hash", "")
    return f"{owner['name']}-{label}" if owner["kind"] == "DaemonSet" else label


def count(**numbers: int) -> Manifest:
    """Counters of a status; those at zero are left out, as Go's ``omitempty`` does."""
    return {name: number for name, number in numbers.items() if number}
