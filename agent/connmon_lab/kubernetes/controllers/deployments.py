"""The Deployment controller: a changed pod template becomes a new ReplicaSet, and the old ones give way to it.

Source: kubernetes pkg/controller/deployment (sync.go, rolling.go, recreate.go, progress.go), without proportional
scaling in the middle of a rollout.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..objects import Manifest, equal, hash_template, key_of, labels_of, owner_reference
from ..versions import Trait
from .conditions import (
    COMPLETE,
    FAILURE,
    NEW_REPLICA_SET,
    PAUSED,
    RESUMED,
    TIMED_OUT,
    UPDATED,
    availability,
    find_condition,
    has_progressed,
    is_complete,
    progressing,
    renew_condition,
    set_condition,
    without_condition,
)
from .context import Context, count
from .rolling import Fleet, grow_new, resolve_fenceposts, shrink_old

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"


@dataclass(frozen=True, slots=True)
class ReplicaSets:
    """The ReplicaSets of one Deployment: the one of its present template (None: not made yet), and the others."""

    new: Manifest | None
    old: list[Manifest]

    @property
    def all(self) -> list[Manifest]:
        """All of them, oldest first, the new one last."""
        return [*self.old, *([self.new] if self.new else [])]


class DeploymentController:
    """Rolls Deployments out."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._progress_at: dict[str, float] = {}  # uid -> loop time of the last progress

    def reconcile(self, deployment: Manifest) -> None:
        """Take one step towards the Deployment's spec and tell where it stands."""
        deployment = self._note_pause(deployment)
        if deployment["spec"].get("paused"):
            self._scale_current(deployment)
        elif deployment["spec"]["strategy"]["type"] == "Recreate":
            deployment = self._recreate(deployment)
        else:
            deployment = self._roll(deployment)
        self._tell(deployment)
        self._forget_history(deployment)

    def _sets(self, deployment: Manifest) -> ReplicaSets:
        owned = self._context.store.owned_by(deployment["metadata"]["uid"], "ReplicaSet")
        owned.sort(key=_revision)
        template = deployment["spec"]["template"]
        new = next((item for item in owned if equal(_without_hash(item["spec"]["template"]), template)), None)
        return ReplicaSets(new, [item for item in owned if item is not new])

    def _note_pause(self, deployment: Manifest) -> Manifest:
        paused, status = bool(deployment["spec"].get("paused")), deployment["status"]
        current = find_condition(status, "Progressing")
        said_paused = current is not None and current["reason"] == PAUSED
        at = self._context.timestamp()
        if paused and not said_paused and (current is None or current["reason"] != TIMED_OUT):
            status = set_condition(status, progressing("Unknown", PAUSED, "Deployment is paused", at))
        elif said_paused and not paused:
            status = set_condition(status, progressing("Unknown", RESUMED, "Deployment is resumed", at))
            self._note_progress(deployment)
        return self._context.store.update_status(deployment, status)

    def _scale_current(self, deployment: Manifest) -> None:
        """A paused Deployment rolls nothing, but it scales what runs."""
        sets = self._sets(deployment).all
        active = [item for item in sets if item["spec"]["replicas"]]
        for item in (active or sets)[-1:]:
            self._scale(item, deployment["spec"]["replicas"])

    def _recreate(self, deployment: Manifest) -> Manifest:
        sets = self._sets(deployment)
        for item in sets.old:
            self._scale(item, 0)
        if any(self._context.store.owned_by(item["metadata"]["uid"], "Pod") for item in sets.old):
            return deployment
        deployment, new = self._ensure_new(deployment, sets)
        self._scale(new, deployment["spec"]["replicas"])
        return deployment

    def _roll(self, deployment: Manifest) -> Manifest:
        sets = self._sets(deployment)
        deployment, new = self._ensure_new(deployment, sets)
        surge, unavailable = _fenceposts(deployment)
        desired, old = deployment["spec"]["replicas"], [_fleet(item) for item in sets.old]
        total = new["spec"]["replicas"] + sum(fleet.wanted for fleet in old)
        wanted = grow_new(desired, surge, total=total, new=new["spec"]["replicas"])
        if wanted != new["spec"]["replicas"]:
            self._scale(new, wanted)
            return deployment
        for item, keep in zip(sets.old, shrink_old(desired, unavailable, new=_fleet(new), old=old), strict=True):
            self._scale(item, keep)
        return deployment

    def _scale(self, replica_set: Manifest, replicas: int) -> None:
        self._context.store.update({**replica_set, "spec": {**replica_set["spec"], "replicas": replicas}})

    def _ensure_new(self, deployment: Manifest, sets: ReplicaSets) -> tuple[Manifest, Manifest]:
        """The ReplicaSet of the present template, with the highest revision; made when there is none."""
        revision = str(max((_revision(item) for item in sets.old), default=0) + 1)
        if sets.new is None:
            new = self._context.store.create(_make_replica_set(deployment, revision))
            self._context.ailments.claim(key_of(deployment), new["metadata"]["name"])
            message = f'Created new replica set "{new["metadata"]["name"]}"'
            condition = progressing("True", NEW_REPLICA_SET, message, self._context.timestamp())
            self._note_progress(deployment)
            deployment = {**deployment, "status": set_condition(deployment["status"], condition)}
        else:
            revision = str(max(int(revision), _revision(sets.new)))
            new = self._annotate(sets.new, revision)
        return self._annotate(deployment, revision), new

    def _annotate(self, manifest: Manifest, revision: str) -> Manifest:
        annotations = {**(manifest["metadata"].get("annotations") or {}), REVISION: revision}
        metadata = {**manifest["metadata"], "annotations": annotations}
        return self._context.store.update({**manifest, "metadata": metadata}, counted=False)

    def _tell(self, deployment: Manifest) -> None:
        status = self._count(deployment)
        if not deployment["spec"].get("paused"):
            status = self._judge_progress(deployment, status)
        self._context.store.update_status(deployment, status)

    def _count(self, deployment: Manifest) -> Manifest:
        sets, desired = self._sets(deployment), deployment["spec"]["replicas"]
        available = _sum(sets.all, "availableReplicas")
        total = sum(item["spec"]["replicas"] for item in sets.all)
        status: Manifest = {"observedGeneration": deployment["metadata"]["generation"]} | count(
            replicas=_sum(sets.all, "replicas"),
            updatedReplicas=_sum([sets.new] if sets.new else [], "replicas"),
            readyReplicas=_sum(sets.all, "readyReplicas"),
            availableReplicas=available,
            unavailableReplicas=max(0, total - available),
        )
        if self._context.version.has(Trait.TERMINATING_REPLICAS):
            status["terminatingReplicas"] = _sum(sets.all, "terminatingReplicas")
        status["conditions"] = deployment["status"].get("conditions") or []
        status = self._tell_failure(sets, status)
        _, unavailable = _fenceposts(deployment)
        return set_condition(status, availability(available >= desired - unavailable, self._context.timestamp()))

    def _tell_failure(self, sets: ReplicaSets, status: Manifest) -> Manifest:
        """What keeps a ReplicaSet from making pods, the new one's reason before an older one's."""
        failures = (find_condition(item["status"], FAILURE) for item in reversed(sets.all))
        failure = next((one for one in failures if one is not None), None)
        if failure is None:
            return without_condition(status, FAILURE)
        return set_condition(status, {"lastUpdateTime": failure["lastTransitionTime"], **failure})

    def _judge_progress(self, deployment: Manifest, status: Manifest) -> Manifest:
        """Complete, moving on, or too long without a move: kubectl believes what stands here."""
        current, name, at = find_condition(status, "Progressing"), self._name_new(deployment), self._context.timestamp()
        reason = current["reason"] if current else None
        if reason == COMPLETE and status.get("replicas", 0) == status.get("updatedReplicas", 0):
            return status
        if is_complete(deployment, status):
            message = f'ReplicaSet "{name}" has successfully progressed.'
            return set_condition(status, progressing("True", COMPLETE, message, at))
        if has_progressed(deployment["status"], status):
            self._note_progress(deployment)
            message = f'ReplicaSet "{name}" is progressing.'
            status = renew_condition(status, progressing("True", UPDATED, message, at))
        elif reason not in (None, COMPLETE, TIMED_OUT) and self._time_left(deployment) <= 0:
            message = f'ReplicaSet "{name}" has timed out progressing.'
            return set_condition(status, progressing("False", TIMED_OUT, message, at))
        if reason != TIMED_OUT:
            self._context.requeue(key_of(deployment), self._time_left(deployment))
        return status

    def _name_new(self, deployment: Manifest) -> str:
        new = self._sets(deployment).new
        return str(new["metadata"]["name"]) if new else ""

    def _note_progress(self, deployment: Manifest) -> None:
        self._progress_at[deployment["metadata"]["uid"]] = self._context.timers.time()

    def _time_left(self, deployment: Manifest) -> float:
        """Seconds until the progress deadline; unlimited without one."""
        deadline = deployment["spec"].get("progressDeadlineSeconds", float("inf"))
        since = self._progress_at.get(deployment["metadata"]["uid"], self._context.timers.time())
        return float(since + deadline - self._context.timers.time())

    def _forget_history(self, deployment: Manifest) -> None:
        """Old ReplicaSets beyond ``revisionHistoryLimit`` go, oldest first."""
        idle = [
            item
            for item in self._sets(deployment).old
            if not item["spec"]["replicas"] and not item["status"].get("replicas")
        ]
        surplus = len(idle) - deployment["spec"]["revisionHistoryLimit"]
        for item in idle[: max(0, surplus)]:
            self._context.store.remove(key_of(item))


def _fenceposts(deployment: Manifest) -> tuple[int, int]:
    """(surge, unavailable); Recreate has neither."""
    strategy, desired = deployment["spec"]["strategy"], deployment["spec"]["replicas"]
    if strategy["type"] != "RollingUpdate":
        return 0, 0
    rolling = strategy["rollingUpdate"]
    return resolve_fenceposts(rolling["maxSurge"], rolling["maxUnavailable"], desired)


def _fleet(replica_set: Manifest) -> Fleet:
    return Fleet(replica_set["spec"]["replicas"], replica_set["status"].get("availableReplicas", 0))


def _sum(replica_sets: list[Manifest], name: str) -> int:
    return sum(item["status"].get(name, 0) for item in replica_sets)


def _revision(replica_set: Manifest) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(REVISION, 0))


def _without_hash(template: Manifest) -> Manifest:
    labels = {name: value for name, value in template["metadata"]["labels"].items() if name != HASH}
    return {**template, "metadata": {**template["metadata"], "labels": labels}}


def _make_replica_set(deployment: Manifest, revision: str) -> Manifest:
    metadata, spec, template = deployment["metadata"], deployment["spec"], deployment["spec"]["template"]
    revision_hash = {HASH: hash_template(template)}
    labels = {**labels_of(template), **revision_hash}
    matched = {**(spec["selector"].get("matchLabels") or {}), **revision_hash}
    return {
        "kind": "ReplicaSet",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": f"{metadata['name']}-{revision_hash[HASH]}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": {REVISION: revision},
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {
            "replicas": 0,
            **({"minReadySeconds": spec["minReadySeconds"]} if "minReadySeconds" in spec else {}),
            "selector": {**spec["selector"], "matchLabels": matched},
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
        },
        "status": {"replicas": 0},
    }
