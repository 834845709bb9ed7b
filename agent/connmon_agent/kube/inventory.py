"""What leads from a Service to its pods, as values: of every object only what that takes is kept in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .annotations import parse_time
from .object_fields import condition_of
from .requests import Json

SERVICE_OF_SLICE = "kubernetes.io/service-name"  # the label of an EndpointSlice that names its Service


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod. Times are Unix seconds; an address is None until there is one."""

    name: str
    uid: str
    labels: Mapping[str, str]
    phase: str  # Pending, Running, Succeeded, Failed or Unknown
    ip: str | None
    host_ip: str | None
    ready_since: float | None  # None: it is not ready
    deleting: bool
    restarts: int
    created: float
    ports: Mapping[str, int]  # container ports by name


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service. ``target`` is a number, the name of a container port, or None: the number itself."""

    name: str
    number: int
    protocol: str
    target: int | str | None
    node_port: int | None


@dataclass(frozen=True, slots=True)
class ServiceObject:
    """One Service. ``selector`` None: somebody else makes its EndpointSlices; ``cluster_ip`` None: it has none."""

    name: str
    selector: Mapping[str, str] | None
    cluster_ip: str | None
    publish_not_ready: bool
    external_name: str | None
    ports: tuple[ServicePort, ...]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One line of an EndpointSlice. ``pod`` is the name of the pod that it stands for; None: it is no pod's."""

    addresses: tuple[str, ...]
    ready: bool
    pod: str | None


@dataclass(frozen=True, slots=True)
class Slice:
    """One EndpointSlice. ``service`` names its Service; ``ports`` are the TCP ports by name ("" where it has none)."""

    name: str
    service: str
    endpoints: tuple[Endpoint, ...]
    ports: Mapping[str, int]


def read_pod(pod: Json) -> Pod:
    """Raises AttributeError, KeyError, TypeError or ValueError for what is no pod, as the others here do."""
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    ready = condition_of(pod, "Ready")
    statuses = status.get("containerStatuses") or ()
    return Pod(
        name=str(metadata["name"]),
        uid=str(metadata.get("uid") or metadata["name"]),
        labels=dict(metadata.get("labels") or {}),
        phase=str(status.get("phase") or "Pending"),
        ip=status.get("podIP") or None,
        host_ip=status.get("hostIP") or None,
        ready_since=(parse_time(ready.get("lastTransitionTime")) or 0.0) if ready.get("status") == "True" else None,
        deleting=bool(metadata.get("deletionTimestamp")),
        restarts=sum(int(one.get("restartCount") or 0) for one in statuses),
        created=parse_time(metadata.get("creationTimestamp")) or 0.0,
        ports=_read_container_ports(spec),
    )


def read_service(service: Json) -> ServiceObject:
    """One Service."""
    spec = service.get("spec") or {}
    address = spec.get("clusterIP")
    return ServiceObject(
        name=str(service["metadata"]["name"]),
        selector=dict(spec["selector"]) if spec.get("selector") else None,
        cluster_ip=str(address) if address and address != "None" else None,
        publish_not_ready=bool(spec.get("publishNotReadyAddresses")),
        external_name=spec.get("externalName") if spec.get("type") == "ExternalName" else None,
        ports=tuple(_read_service_port(port) for port in spec.get("ports") or ()),
    )


def read_slice(one: Json) -> Slice:
    """One EndpointSlice of discovery.k8s.io/v1 or v1beta1."""
    metadata = one["metadata"]
    return Slice(
        name=str(metadata["name"]),
        service=str((metadata.get("labels") or {}).get(SERVICE_OF_SLICE) or ""),
        endpoints=tuple(_read_endpoint(endpoint) for endpoint in one.get("endpoints") or ()),
        ports={
            str(port.get("name") or ""): int(port["port"])
            for port in one.get("ports") or ()
            if port.get("port") and (port.get("protocol") or "TCP") == "TCP"
        },
    )


def _read_container_ports(spec: Json) -> dict[str, int]:
    """By name; of two with one name a container's counts before an init container's, and the first before the next."""
    ports: dict[str, int] = {}
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        for port in container.get("ports") or ():
            if port.get("name"):
                ports.setdefault(str(port["name"]), int(port["containerPort"]))
    return ports


def _read_service_port(port: Json) -> ServicePort:
    target = port.get("targetPort")
    return ServicePort(
        name=str(port.get("name") or ""),
        number=int(port["port"]),
        protocol=str(port.get("protocol") or "TCP"),
        target=_read_target(target),
        node_port=int(port["nodePort"]) if port.get("nodePort") else None,
    )


def _read_target(target: object) -> int | str | None:
    """A number may stand as text; 0 means the same as nothing."""
    if isinstance(target, str) and not target.isdigit():
        return target or None
    return int(str(target)) or None if target is not None else None


def _read_endpoint(endpoint: Json) -> Endpoint:
    reference = endpoint.get("targetRef") or {}
    ready = (endpoint.get("conditions") or {}).get("ready")
    return Endpoint(
        addresses=tuple(map(str, endpoint.get("addresses") or ())),
        ready=ready is None or bool(ready),  # the API: unknown counts as ready
        pod=str(reference["name"]) if reference.get("kind") == "Pod" else None,
    )
