"""Which manifests a kube-apiserver refuses, as far as a client of workloads can run into it.

Source: the messages of Kubernetes 1.20 and of pkg/apis/{apps,core}/validation.
"""

from __future__ import annotations

from typing import Any

from .objects import Manifest, equal
from .selectors import SelectorError, read_selector
from .statuses import StatusCause

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
_REQUIRED = "FieldValueRequired"


def find_type_errors(manifest: Manifest) -> list[str]:
    """Values of a type that cannot be decoded; a manifest with one gets no further."""
    errors = _map_errors(manifest.get("metadata"), "metadata")
    for part in ("spec", "status"):
        if not isinstance(manifest.get(part, {}), dict | None):
            errors.append(f"{part}: an object is expected")
    spec = manifest.get("spec")
    for part in ("endpoints", "ports"):
        if not isinstance(manifest.get(part, []), list | None):
            errors.append(f"{part}: a list is expected")
    if manifest["kind"] in WORKLOADS and isinstance(spec, dict):
        errors += _workload_type_errors(spec)
    return errors


def _workload_type_errors(spec: Manifest) -> list[str]:
    errors = []
    for name in ("replicas", "progressDeadlineSeconds", "minReadySeconds", "revisionHistoryLimit"):
        value = spec.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            errors.append(f"spec.{name}: unrecognized type: int32")
    if not isinstance(spec.get("paused", False), bool | None):
        errors.append("spec.paused: unrecognized type: bool")
    template = spec.get("template", {})
    if not isinstance(template, dict | None):
        return [*errors, "spec.template: an object is expected"]
    return errors + _map_errors((template or {}).get("metadata"), "spec.template.metadata")


def _map_errors(metadata: Any, at: str) -> list[str]:
    if metadata is None:
        return []
    if not isinstance(metadata, dict):
        return [f"{at}: an object is expected"]
    errors = []
    for name in ("labels", "annotations"):
        texts = metadata.get(name) or {}
        if not isinstance(texts, dict):
            errors.append(f"{at}.{name}: a map is expected")
        else:
            wrong = [key for key, value in texts.items() if not isinstance(value, str)]
            errors += [f"{at}.{name}.{key}: cannot convert to string" for key in wrong]
    return errors


def find_causes(manifest: Manifest) -> list[StatusCause]:
    """What is wrong with a completed manifest; empty when it may be stored."""
    spec = manifest.get("spec") or {}
    match manifest["kind"]:
        case "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet":
            return _workload_causes(spec)
        case "Pod":
            return _container_causes(spec, "spec")
        case "PodDisruptionBudget" if "minAvailable" in spec and "maxUnavailable" in spec:
            return [StatusCause("spec", "minAvailable and maxUnavailable cannot be both set")]
        case "Service" if not spec.get("ports") and spec.get("clusterIP") != "None":
            return [StatusCause("spec.ports", "Required value", _REQUIRED)]
        case "EndpointSlice":
            return _slice_causes(manifest)
    return []


def _slice_causes(manifest: Manifest) -> list[StatusCause]:
    known = ("FQDN", "IPv4", "IPv6")
    if manifest.get("addressType") not in known:
        message = f'Unsupported value: "{manifest.get("addressType")}": supported values: {", ".join(known)}'
        return [StatusCause("addressType", message, "FieldValueNotSupported")]
    return [
        StatusCause(f"endpoints[{position}].addresses", "Required value: must contain at least 1 address", _REQUIRED)
        for position, endpoint in enumerate(manifest.get("endpoints") or ())
        if not endpoint.get("addresses")
    ]


def _workload_causes(spec: Manifest) -> list[StatusCause]:
    causes = []
    for name in ("replicas", "progressDeadlineSeconds", "minReadySeconds", "revisionHistoryLimit"):
        if spec.get(name, 0) < 0:
            causes.append(
                StatusCause(f"spec.{name}", f"Invalid value: {spec[name]}: must be greater than or equal to 0")
            )
    if not spec.get("selector"):
        causes.append(StatusCause("spec.selector", "Required value", _REQUIRED))
    if not _selects_template(spec):
        message = "Invalid value: `selector` does not match template `labels`"
        causes.append(StatusCause("spec.template.metadata.labels", message))
    return causes + _container_causes(spec["template"]["spec"], "spec.template.spec")


def _selects_template(spec: Manifest) -> bool:
    if not spec.get("selector"):
        return False
    try:
        return read_selector(spec["selector"]).matches(spec["template"]["metadata"].get("labels") or {})
    except SelectorError:
        return False


def _container_causes(spec: Manifest, at: str) -> list[StatusCause]:
    if not spec["containers"]:
        return [StatusCause(f"{at}.containers", "Required value", _REQUIRED)]
    return [
        StatusCause(f"{at}.containers[{position}].{field}", "Required value", _REQUIRED)
        for position, container in enumerate(spec["containers"])
        for field in ("name", "image")
        if not container.get(field)
    ]


def find_immutable_changes(before: Manifest, after: Manifest) -> list[StatusCause]:
    """Fields that an update may not change."""
    old, new = before["metadata"], after["metadata"]
    causes = [
        StatusCause(f"metadata.{name}", f'Invalid value: "{new.get(name)}": field is immutable')
        for name in ("uid", "creationTimestamp")
        if new.get(name) != old[name]
    ]
    if before["kind"] in WORKLOADS and not equal(before["spec"]["selector"], after["spec"].get("selector")):
        causes.append(StatusCause("spec.selector", "Invalid value: field is immutable"))
    return causes
