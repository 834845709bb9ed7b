"""What a kube-apiserver makes of a manifest before it stores it: unknown fields dropped, defaults filled in.

Source: defaulting as observed on Kubernetes 1.20 and in kubernetes pkg/apis/{apps,core}/v1/defaults.go. Fields are
known down to the pod template's metadata and the spec of a workload; what lies below is kept as it comes.
"""

from __future__ import annotations

from typing import Any

from .objects import Manifest

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


def complete(manifest: Manifest) -> Manifest:
    """The manifest as it is stored. Expects the right types; ``validation`` looks at them first."""
    known = {name: value for name, value in manifest.items() if name in _OBJECT}
    known["metadata"] = _complete_metadata(known["metadata"])
    spec = _only(known.get("spec") or {}, _SPECS.get(manifest["kind"]))
    match manifest["kind"]:
        case "Deployment":
            known["spec"] = _complete_deployment(spec)
        case "StatefulSet":
            known["spec"] = _complete_stateful_set(spec)
        case "DaemonSet":
            known["spec"] = _complete_daemon_set(spec)
        case "ReplicaSet":
            known["spec"] = {"replicas": 1, **spec, "template": complete_template(spec.get("template") or {})}
        case "Pod":
            known["spec"] = _complete_pod_spec(spec)
        case "Service":
            known["spec"] = _complete_service(spec)
        case "Namespace":
            known["spec"] = {"finalizers": ["kubernetes"], **spec}
        case "PodDisruptionBudget":
            known["spec"] = spec
    return known


def initial_status(kind: str) -> Manifest | None:
    """The status of a new object; None: this kind has none."""
    match kind:
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


def complete_template(template: Manifest) -> Manifest:
    """A pod template with its defaults."""
    metadata = {"creationTimestamp": None, **_complete_metadata(template.get("metadata") or {})}
    return {"metadata": metadata, "spec": _complete_pod_spec(template.get("spec") or {})}


def _only(fields: Manifest, known: set[str] | None) -> Manifest:
    return {name: value for name, value in fields.items() if known is None or name in known}


def _complete_metadata(metadata: Manifest) -> Manifest:
    """Empty maps and lists are not stored, so that removing the last label equals having none."""
    kept = _only(metadata, _METADATA)
    return {name: value for name, value in kept.items() if value not in ({}, [], None)}


def _complete_deployment(spec: Manifest) -> Manifest:
    strategy = {"type": "RollingUpdate", **(spec.get("strategy") or {})}
    if strategy["type"] == "RollingUpdate":
        given = strategy.get("rollingUpdate") or {}
        strategy["rollingUpdate"] = {"maxUnavailable": "25%", "maxSurge": "25%", **given}
    defaults = {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}
    spec = {name: value for name, value in spec.items() if not (name == "paused" and value is False)}
    return defaults | spec | {"strategy": strategy, "template": complete_template(spec.get("template") or {})}


def _complete_stateful_set(spec: Manifest) -> Manifest:
    strategy = {"type": "RollingUpdate", **(spec.get("updateStrategy") or {})}
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {"partition": 0, **(strategy.get("rollingUpdate") or {})}
    defaults = {"replicas": 1, "serviceName": "", "podManagementPolicy": "OrderedReady", "revisionHistoryLimit": 10}
    return defaults | spec | {"updateStrategy": strategy, "template": complete_template(spec.get("template") or {})}


def _complete_daemon_set(spec: Manifest) -> Manifest:
    strategy = {"type": "RollingUpdate", **(spec.get("updateStrategy") or {})}
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = {"maxUnavailable": 1, **(strategy.get("rollingUpdate") or {})}
    template = complete_template(spec.get("template") or {})
    return {"revisionHistoryLimit": 10} | spec | {"updateStrategy": strategy, "template": template}


def _complete_pod_spec(spec: Manifest) -> Manifest:
    defaults: Manifest = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
    return defaults | spec | {"containers": [_complete_container(item) for item in spec.get("containers") or []]}


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


def _complete_service(spec: Manifest) -> Manifest:
    ports = [{"protocol": "TCP", "targetPort": port.get("port"), **port} for port in spec.get("ports") or []]
    return {"type": "ClusterIP", "sessionAffinity": "None", **spec, "ports": ports}
