"""What differs between the versions of Kubernetes that the embedded API can speak: every difference, in one table.

Seen on a real 1.20.2 and 1.37.2 and read in kubernetes pkg/features/kube_features.go, where each gate names the version
in which it became the default.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

NEWEST = "v1.37.2"
OLDEST = "v1.20.2"


class Trait(Enum):
    """What not every version does: (what it is, the minor version from which on, the one that does it no more).

    None: every later version does it.
    """

    POLICY_V1BETA1 = ("the group policy in v1beta1", 5, 25)
    POLICY_V1 = ("the group policy in v1, where an empty selector means every pod instead of none", 21, None)
    DISCOVERY_V1BETA1 = ("the group discovery.k8s.io in v1beta1", 17, 25)
    DISCOVERY_V1 = ("discovery.k8s.io in v1, where a pod that is going keeps its endpoint, not ready", 21, None)
    NAMESPACE_LABEL = ("the label kubernetes.io/metadata.name of every namespace", 21, None)
    SERVICE_FAMILIES = ("ipFamilies and ipFamilyPolicy of a Service", 21, None)
    SERVICE_TRAFFIC_POLICY = ("internalTrafficPolicy of a Service", 22, None)
    DAEMON_SET_SURGE = ("maxSurge in the rolling update of a DaemonSet", 22, None)
    STATEFUL_SET_AVAILABLE = ("status.availableReplicas of a StatefulSet, which minReadySeconds delays", 23, None)
    SCHEDULING_GATES = ("spec.schedulingGates of a pod", 27, None)
    STATEFUL_SET_CLAIMS = ("persistentVolumeClaimRetentionPolicy of a StatefulSet", 27, None)
    POD_READY_TO_START = ("the condition PodReadyToStartContainers of a pod", 29, None)
    SIDECARS = ("an init container with restartPolicy Always, which runs as long as its pod", 29, None)
    ADMISSION_POLICIES = ("ValidatingAdmissionPolicy, whose refusal is a 422", 30, None)
    NULL_TIMES = ("a time that is not set is written as null instead of left out", 1, 34)
    POD_GENERATION = ("metadata.generation of a pod, and observedGeneration in its status", 34, None)
    WATCH_CATCHES_UP = ("a watch without a version begins when the server's cache is as new as etcd", 34, None)
    FORWARD_NEEDS_CREATE = ("a port-forward over a WebSocket takes the verb create, too", 35, None)
    TERMINATING_REPLICAS = ("status.terminatingReplicas of a Deployment and of its ReplicaSets", 35, None)
    STATEFUL_SET_UNAVAILABLE = ("maxUnavailable in the rolling update of a StatefulSet", 37, None)


@dataclass(frozen=True, slots=True)
class Version:
    """A version of Kubernetes as ``/version`` tells it: ``v1.37.2``, ``v1.33.1+k3s1``."""

    text: str

    @property
    def minor(self) -> int:
        """The 37 of ``v1.37.2``. Raises ValueError for what is no version of Kubernetes."""
        found = re.match(r"v?1\.(\d+)", self.text)
        if found is None:
            raise ValueError(f"{self.text!r} is no version of Kubernetes; write it as {NEWEST}")
        return int(found[1])

    def has(self, trait: Trait) -> bool:
        """Whether this version does it."""
        _, since, gone = trait.value
        return since <= self.minor and (gone is None or self.minor < gone)

    @property
    def policy_versions(self) -> tuple[str, ...]:
        """The versions of the group policy, the preferred one first."""
        return self._served(Trait.POLICY_V1, Trait.POLICY_V1BETA1)

    @property
    def discovery_versions(self) -> tuple[str, ...]:
        """The versions of the group discovery.k8s.io, the preferred one first."""
        return self._served(Trait.DISCOVERY_V1, Trait.DISCOVERY_V1BETA1)

    def _served(self, stable: Trait, beta: Trait) -> tuple[str, ...]:
        return tuple(name for name, trait in (("v1", stable), ("v1beta1", beta)) if self.has(trait))
