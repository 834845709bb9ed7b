"""What a workload's object says about its rollout: from the API's JSON to a Observation.

Completion and failure are decided as ``kubectl rollout status`` decides them, except that a change of the object that
leaves its spec alone is not waited for (see spec_generations):
https://github.com/kubernetes/kubectl/blob/master/pkg/polymorphichelpers/rollout_status.go
The sentences follow kubectl's too, without the object's name, which their reader knows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2s

from ..core.observations import Observation, Rollout
from ..core.plan import Kind
from .annotations import TOKEN, list_managers
from .object_fields import condition_of, metadata_of, number_of, part_of
from .reasons import explain_reason, list_gates
from .requests import Json

_UNOBSERVED = "its controller has not observed the newest change"
# Seen on a real cluster: with OrderedReady the controller takes the new template and replaces nothing while a pod is
# not ready, so a restart cannot help a stuck one.
_STUCK_IN_ORDER = "; no pod is replaced while another is not ready, so delete a stuck pod manually"
_ON_DELETE = "its update strategy is OnDelete, so a changed pod template restarts nothing"
_SETTLED_REASONS = ("NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused")


@dataclass(frozen=True, slots=True)
class _Standing:
    """Where a rollout stands; the fields are those of Observation."""

    rollout: Rollout
    progress: str
    rolling: bool
    desired: int
    available: int
    restartable: str | None = None


def read_workload(kind: Kind, workload: Json, *, changed_at: int | None = None) -> Observation:
    """The observation in one object of the API, without what only ``inspect(closely=True)`` asks for.

    ``changed_at`` is the generation at which its spec was changed last; None: it is not known, so the newest change of
    the object counts, as it does for kubectl.
    """
    metadata, template = metadata_of(workload), read_template(workload)
    annotations = metadata_of(template).get("annotations") or {}
    needed = number_of(metadata, "generation") if changed_at is None else changed_at
    observed = needed <= number_of(part_of(workload, "status"), "observedGeneration")
    standing = _READERS[kind](workload, observed)
    return Observation(
        uid=metadata.get("uid"),
        generation=number_of(metadata, "generation"),
        rollout=standing.rollout,
        progress=standing.progress,
        rolling=standing.rolling,
        desired=standing.desired,
        available=standing.available,
        paused=bool(part_of(workload, "spec").get("paused")),
        restartable=standing.restartable,
        token=annotations.get(TOKEN),
        template=digest_template(workload),
        managers=list_managers(workload),
        annotated=bool(annotations),
        gated=_find_gates(part_of(template, "spec")),
        trouble=find_failure(workload),
    )


def find_failure(workload: Json) -> str | None:
    """Why the controller cannot make pods, as a quota or an admission webhook forbids it; None: nothing is said.

    Only a Deployment says so in its status; of the others the events tell.
    """
    failure = condition_of(workload, "ReplicaFailure")
    if failure.get("status") != "True":
        return None
    return explain_reason(str(failure.get("reason") or "ReplicaFailure"), failure.get("message"))


def _find_gates(pod_spec: Json) -> str | None:
    gates = list_gates(pod_spec)
    return (
        f"its pod template has the scheduling gate{'s' if len(gates) > 1 else ''} {', '.join(gates)}" if gates else None
    )


def digest_template(workload: Json) -> str:
    """What tells two pod templates apart, and an object from one that was made anew under its name."""
    canonical = json.dumps([metadata_of(workload).get("uid"), read_template(workload)], sort_keys=True)
    return blake2s(canonical.encode(), digest_size=8).hexdigest()


def read_template(workload: Json) -> Json:
    """The workload's pod template."""
    return part_of(part_of(workload, "spec"), "template")


def _read_deployment(deployment: Json, observed: bool) -> _Standing:
    status, wanted = part_of(deployment, "status"), _replicas(deployment)
    updated, available = number_of(status, "updatedReplicas"), number_of(status, "availableReplicas")
    old = number_of(status, "replicas") - updated
    progressing = condition_of(deployment, "Progressing")
    reason = progressing.get("reason")
    if not observed:
        rollout, progress = Rollout.UNDER_WAY, _UNOBSERVED
    elif reason == "ProgressDeadlineExceeded":
        rollout, progress = Rollout.FAILED, _explain_deadline(progressing)
    elif updated < wanted:
        rollout, progress = Rollout.UNDER_WAY, f"{updated} out of {wanted} new replicas have been updated"
    elif old > 0:
        rollout, progress = Rollout.UNDER_WAY, f"{old} old replicas are pending termination"
    elif available < updated:
        rollout, progress = Rollout.UNDER_WAY, f"{available} of {updated} updated replicas are available"
    else:
        rollout, progress = Rollout.COMPLETE, "successfully rolled out"
    unsettled = reason is not None and reason not in _SETTLED_REASONS
    rolling = not observed or updated < wanted or old > 0 or unsettled
    return _Standing(rollout, progress, rolling, wanted, available)


def _read_stateful_set(stateful_set: Json, observed: bool) -> _Standing:
    status, wanted = part_of(stateful_set, "status"), _replicas(stateful_set)
    ready, updated = number_of(status, "readyReplicas"), number_of(status, "updatedReplicas")
    strategy = part_of(part_of(stateful_set, "spec"), "updateStrategy")
    partition = (strategy.get("rollingUpdate") or {}).get("partition")
    changed = status.get("updateRevision") != status.get("currentRevision")
    to_update = wanted - (partition or 0)
    observed = observed and number_of(status, "observedGeneration") != 0
    if not observed:
        rollout, progress = Rollout.UNDER_WAY, _UNOBSERVED
    elif ready < wanted:
        stuck = _STUCK_IN_ORDER if changed and not updated and _ordered(stateful_set) else ""
        rollout, progress = Rollout.UNDER_WAY, f"waiting for {wanted - ready} pods to be ready{stuck}"
    elif _on_delete(stateful_set):
        rollout, progress = Rollout.COMPLETE, f"{ready} pods are ready"
    elif partition is not None and updated < to_update:
        rollout, progress = Rollout.UNDER_WAY, f"{updated} out of {to_update} new pods have been updated"
    elif strategy.get("rollingUpdate") is None and changed:
        rollout, progress = Rollout.UNDER_WAY, f"{updated} pods are at revision {status.get('updateRevision')}"
    else:
        rollout, progress = Rollout.COMPLETE, "rolling update complete"
    behind = updated < to_update or ready < wanted  # the last new pod counts as updated before it is ready
    rolling = not observed or (changed and behind and not _on_delete(stateful_set))
    return _Standing(rollout, progress, rolling, wanted, ready, _why_no_restart(stateful_set, to_update))


def _read_daemon_set(daemon_set: Json, observed: bool) -> _Standing:
    status = part_of(daemon_set, "status")
    wanted, updated = number_of(status, "desiredNumberScheduled"), number_of(status, "updatedNumberScheduled")
    available = number_of(status, "numberAvailable")
    behind = updated < wanted and not _on_delete(daemon_set)
    if not observed:
        rollout, progress = Rollout.UNDER_WAY, _UNOBSERVED
    elif behind:
        rollout, progress = Rollout.UNDER_WAY, f"{updated} out of {wanted} new pods have been updated"
    elif available < wanted:
        rollout, progress = Rollout.UNDER_WAY, f"{available} of {wanted} updated pods are available"
    else:
        rollout, progress = Rollout.COMPLETE, "successfully rolled out"
    restartable = _ON_DELETE if _on_delete(daemon_set) else None
    return _Standing(rollout, progress, not observed or behind, wanted, available, restartable)


_READERS = {
    Kind.DEPLOYMENT: _read_deployment,
    Kind.STATEFUL_SET: _read_stateful_set,
    Kind.DAEMON_SET: _read_daemon_set,
}


def _why_no_restart(stateful_set: Json, to_update: int) -> str | None:
    if _on_delete(stateful_set):
        return _ON_DELETE
    if to_update <= 0 < _replicas(stateful_set):
        return "its rolling update is held by a partition that leaves every pod at the old revision"
    return None


def _explain_deadline(progressing: Json) -> str:
    message = progressing.get("message") or "it exceeded its progress deadline"
    return f"ProgressDeadlineExceeded: {message}"


def _on_delete(workload: Json) -> bool:
    return part_of(part_of(workload, "spec"), "updateStrategy").get("type") == "OnDelete"


def _ordered(stateful_set: Json) -> bool:
    return part_of(stateful_set, "spec").get("podManagementPolicy") != "Parallel"


def _replicas(workload: Json) -> int:
    replicas = part_of(workload, "spec").get("replicas")
    return 1 if replicas is None else int(replicas)  # the API's own default
