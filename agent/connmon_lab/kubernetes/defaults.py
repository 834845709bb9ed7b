"""What a kube-apiserver makes of a manifest before it stores it: unknown fields dropped, defaults filled in.

Source: defaulting as observed on Kubernetes 1.20 and 1.37 and in kubernetes pkg/apis/{apps,core}/v1/defaults.go.
Fields are known down to the pod template's metadata and the spec of a workload; what lies below is kept as it comes.
"""

from __future__ import annotations

from typing import Any

from .objects import Manifest
from .versions import Trait, Version

_METADATA = {
    *("name", "generateName", "namespace", "uid", "resourceVersion", "generation", "labels", "annotations"),
    *("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "ownerReferences", "finalizers"),
}
_WORKLOAD = {"replicas", "selector", "template", "minReadySeconds", "revisionHistoryLimit"}
_SPECS = {
    "Deployment": _WORKLOAD | {"strategy", "paused", "progressDeadlineSeconds"},
    "StatefulSet": {
        *_WORKLOAD,
        *("serviceName", "podManagementPolicy", "updateStrategy", "volumeClaimTemplates", "ordinals"),
        "persistentVolumeClaimRetentionPolicy",
    },
    "DaemonSet": _WORKLOAD - {"replicas"} | {"updateStrategy"},
    "ReplicaSet": _WORKLOAD - {"revisionHistoryLimit"},
    "PodDisruptionBudget": {"minAvailable", "maxUnavailable", "selector", "unhealthyPodEvictionPolicy"},
}
_OBJECT = {
    *("kind", "apiVersion", "metadata", "spec", "status", "data", "revision"),
    *("addressType", "endpoints", "ports"),
}


def complete(manifest: Manifest, version: Version) -> Manifest:
    """The manifest as ``version`` stores it. Expects the right types; ``validation`` looks at them first."""
    known = {name: value for name, value in manifest.items() if name in _OBJECT}
    known["metadata"] = _complete_metadata(known["metadata"])
    spec = _only(known.get("spec") or {}, _SPECS.get(manifest["kind"]))
    match manifest["kind"]:
        case "Deployment":
            known["spec"] = _complete_deployment(spec, version)
        case "StatefulSet":
            known["spec"] = _complete_stateful_set(spec, version)
        case "DaemonSet":
            known["spec"] = _complete_daemon_set(spec, version)
        case "ReplicaSet":
            known["spec"] = {"replicas": 1, **spec, "template": _template_of(spec, version)}
        case "Pod":
            known["spec"] = _complete_pod_spec(spec, version)
        case "Service":
            known["spec"] = _complete_service(spec, version)
        case "Namespace":
            known["metadata"] = _name_namespace(known["metadata"], version)
            known["spec"] = {"finalizers": ["kubernetes"], **spec}
        case "PodDisruptionBudget" | "ResourceQuota":
            known["spec"] = spec
    return known


def initial_status(kind: str, version: Version) -> Manifest | None:
    """The status of a new object; None: this kind has none."""
    match kind:
        case "StatefulSet" if version.has(Trait.STATEFUL_SET_AVAILABLE):
            return {"replicas": 0, "availableReplicas": 0}
        case "StatefulSet" | "ReplicaSet":
            return {"replicas": 0}
        case "DaemonSet":
            counted = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
            return dict.fromkeys(counted, 0)
        case "Namespace":
            return {"phase": "Active"}
        case "Pod":
            return {"phase": "Pending"}
        case "Service":
            return {"loadBalancer": {}}
        case "PodDisruptionBudget":
            return dict.fromkeys(("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"), 0)
        case "Deployment":
            return {}
        case _:
            return None


def complete_template(template: Manifest, version: Version) -> Manifest:
    """A pod template with its defaults."""
    metadata = {**unset_time(version), **_complete_metadata(template.get("metadata") or {})}
    return {"metadata": metadata, "spec": _complete_pod_spec(template.get("spec") or {}, version)}


def unset_time(version: Version) -> Manifest:
    """The creationTimestamp of what has none."""
    return {"creationTimestamp": None} if version.has(Trait.NULL_TIMES) else {}


def _template_of(spec: Manifest, version: Version) -> Manifest:
    return complete_template(spec.get("template") or {}, version)


def _only(fields: Manifest, known: set[str] | None) -> Manifest:
    return {name: value for name, value in fields.items() if known is None or name in known}


def _complete_metadata(metadata: Manifest) -> Manifest:
    """Empty maps and lists are not stored, so that removing the last label equals having none."""
    kept = _only(metadata, _METADATA)
    return {name: value for name, value in kept.items() if value not in ({}, [], None)}


def _name_namespace(metadata: Manifest, version: Version) -> Manifest:
    if not version.has(Trait.NAMESPACE_LABEL):
        return metadata
    return {**metadata, "labels": {**metadata.get("labels", {}), "kubernetes.io/metadata.name": metadata["name"]}}


def _complete_deployment(spec: Manifest, version: Version) -> Manifest:
    strategy = {"type": "RollingUpdate", **(spec.get("strategy") or {})}
    if strategy["type"] == "RollingUpdate":
        given = strategy.get("rollingUpdate") or {}
        strategy["rollingUpdate"] = {"maxUnavailable": "25%", "maxSurge": "25%", **given}
    defaults = {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}
    spec = {name: value for name, value in spec.items() if not (name == "paused" and value is False)}
    return defaults | spec | {"strategy": strategy, "template": _template_of(spec, version)}


def _complete_stateful_set(spec: Manifest, version: Version) -> Manifest:
    strategy = {"type": "RollingUpdate", **(spec.get("updateStrategy") or {})}
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = _complete_ordered_update(strategy.get("rollingUpdate") or {}, version)
    defaults: Manifest = {"replicas": 1, "serviceName": "", "podManagementPolicy": "OrderedReady"}
    defaults["revisionHistoryLimit"] = 10
    if version.has(Trait.STATEFUL_SET_CLAIMS):
        defaults["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    if not version.has(Trait.STATEFUL_SET_AVAILABLE):
        spec = {name: value for name, value in spec.items() if name != "minReadySeconds"}
    return defaults | spec | {"updateStrategy": strategy, "template": _template_of(spec, version)}


def _complete_ordered_update(given: Manifest, version: Version) -> Manifest:
    if version.has(Trait.STATEFUL_SET_UNAVAILABLE):
        return {"partition": 0, "maxUnavailable": 1, **given}
    return {"partition": 0, **{name: value for name, value in given.items() if name != "maxUnavailable"}}


def _complete_daemon_set(spec: Manifest, version: Version) -> Manifest:
    strategy = {"type": "RollingUpdate", **(spec.get("updateStrategy") or {})}
    if strategy["type"] == "RollingUpdate":
        surge = {"maxSurge": 0} if version.has(Trait.DAEMON_SET_SURGE) else {}
        strategy["rollingUpdate"] = {"maxUnavailable": 1, **surge, **(strategy.get("rollingUpdate") or {})}
    return {"revisionHistoryLimit": 10} | spec | {"updateStrategy": strategy, "template": _template_of(spec, version)}


def _complete_pod_spec(spec: Manifest, version: Version) -> Manifest:
    defaults: Manifest = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
    if not version.has(Trait.SCHEDULING_GATES):
        spec = {name: value for name, value in spec.items() if name != "schedulingGates"}
    containers: Manifest = {"containers": [_complete_container(item) for item in spec.get("containers") or []]}
    if spec.get("initContainers"):
        containers["initContainers"] = [_complete_init_container(item, version) for item in spec["initContainers"]]
    return defaults | spec | containers


def _complete_init_container(container: Manifest, version: Version) -> Manifest:
    if not version.has(Trait.SIDECARS):  # the server knows no such field, and drops it
        container = {name: value for name, value in container.items() if name != "restartPolicy"}
    return _complete_container(container)


def _complete_container(container: Manifest) -> Manifest:
    _, _, tag = str(container.get("image", "")).rpartition("/")[2].partition(":")
    defaults: Manifest = {
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "Always" if tag in ("", "latest") else "IfNotPresent",
    }
    lists: dict[str, Any] = {name: value for name, value in container.items() if value not in ([], None)}
    if "ports" in lists:
        lists["ports"] = [{"protocol": "TCP", **port} for port in lists["ports"]]
    return defaults | lists


def _complete_service(spec: Manifest, version: Version) -> Manifest:
    ports = [{"protocol": "TCP", "targetPort": port.get("port"), **port} for port in spec.get("ports") or []]
    defaults: Manifest = {"type": "ClusterIP", "sessionAffinity": "None"}
    if version.has(Trait.SERVICE_TRAFFIC_POLICY):
        defaults["internalTrafficPolicy"] = "Cluster"
    if version.has(Trait.SERVICE_FAMILIES):
        defaults |= {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}
    return {**defaults, **spec, "ports": ports}
