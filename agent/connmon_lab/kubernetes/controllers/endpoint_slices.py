"""The endpoint slice controller: where the pods behind a Service are reached.

Source: kubernetes pkg/controller/endpointslice (1.20), with slices of any length. What it writes for a Service with no
pods, and that terminating pods have no endpoint before discovery.k8s.io/v1, is as seen on a 1.20.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..objects import Manifest, canonical, key_of, labels_of, owner_reference
from ..selectors import Requirement, Selector
from ..versions import Trait
from .context import Context, is_ready

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_CONTROLLER = "endpointslice-controller.k8s.io"


@dataclass(frozen=True, slots=True)
class Part:
    """What one slice is to say: endpoints that have the same ports. None, as the real one writes it: nothing."""

    ports: list[Manifest] | None
    endpoints: list[Manifest] | None


class EndpointSliceController:
    """Keeps the slices of Services that select pods."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._version = context.version.discovery_versions[0]
        self._terminating = context.version.has(Trait.DISCOVERY_V1)  # pods that are going have endpoints, too

    def reconcile(self, service: Manifest) -> None:
        """Let the slices say what is true, in as few changes as it takes."""
        if not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            return
        parts = {canonical(part.ports): part for part in self._divide(service)}
        slices = {canonical(found["ports"]): found for found in self._slices_of(service)}
        unused = [found for ports, found in slices.items() if ports not in parts]
        for ports, part in parts.items():
            found = slices.get(ports) or (unused.pop() if unused else None)
            self._write(service, part, found)
        for found in unused:
            self._context.store.remove(key_of(found))

    def _slices_of(self, service: Manifest) -> list[Manifest]:
        owned = self._context.store.owned_by(service["metadata"]["uid"], "EndpointSlice")
        return [found for found in owned if labels_of(found).get(MANAGED_BY) == _CONTROLLER]

    def _divide(self, service: Manifest) -> list[Part]:
        """The endpoints of a Service by what its ports come to; named ones may differ from pod to pod."""
        parts: dict[str, Part] = {}
        for pod in self._pods_of(service):
            ports = resolve_ports(service, pod)
            part = parts.setdefault(canonical(ports), Part(ports, []))
            if part.endpoints is not None:
                part.endpoints.append(self._describe(service, pod))
        return list(parts.values()) or [Part(None, None)]

    def _pods_of(self, service: Manifest) -> list[Manifest]:
        wanted = service["spec"]["selector"].items()
        selector = Selector(tuple(Requirement(key, "in", (value,)) for key, value in wanted))
        pods = self._context.store.list_objects("Pod", service["metadata"]["namespace"])
        return [pod for pod in pods if selector.matches(labels_of(pod)) and self._has_endpoint(service, pod)]

    def _has_endpoint(self, service: Manifest, pod: Manifest) -> bool:
        going = "deletionTimestamp" in pod["metadata"]
        wanted = not going or self._terminating or publishes_unready(service)
        return wanted and "podIP" in pod["status"]

    def _describe(self, service: Manifest, pod: Manifest) -> Manifest:
        metadata, serving, going = pod["metadata"], is_ready(pod), "deletionTimestamp" in pod["metadata"]
        conditions = {"ready": publishes_unready(service) or (serving and not going)}
        target = {"kind": "Pod", **{name: metadata[name] for name in ("namespace", "name", "uid")}}
        endpoint: Manifest = {"addresses": [pod["status"]["podIP"]], "conditions": conditions, "targetRef": target}
        if self._terminating:
            conditions |= {"serving": serving, "terminating": going}
            return endpoint | {"nodeName": pod["spec"]["nodeName"]}
        return endpoint | {"topology": {"kubernetes.io/hostname": pod["spec"]["nodeName"]}}

    def _write(self, service: Manifest, part: Part, found: Manifest | None) -> None:
        told = {"addressType": "IPv4", "endpoints": part.endpoints, "ports": part.ports}
        labels = {**labels_of(service), SERVICE_NAME: service["metadata"]["name"], MANAGED_BY: _CONTROLLER}
        if service["spec"].get("clusterIP") == "None":
            labels["service.kubernetes.io/headless"] = ""
        if found is not None:
            self._context.store.update({**found, **told, "metadata": {**found["metadata"], "labels": labels}})
            return
        prefix = f"{service['metadata']['name']}-"
        metadata = {
            "name": self._context.store.generate_name(prefix),
            "generateName": prefix,
            "namespace": service["metadata"]["namespace"],
            "labels": labels,
            "ownerReferences": [owner_reference(service)],
        }
        kind = {"kind": "EndpointSlice", "apiVersion": f"discovery.k8s.io/{self._version}"}
        self._context.store.create({**kind, "metadata": metadata, **told})


def publishes_unready(service: Manifest) -> bool:
    """Whether the Service calls its pods ready whatever they say."""
    return bool(service["spec"].get("publishNotReadyAddresses"))


def resolve_ports(service: Manifest, pod: Manifest) -> list[Manifest]:
    """The ports of the Service as numbers of this pod; one whose name the pod does not know is left out."""
    resolved = []
    for port in service["spec"].get("ports") or ():
        number = find_port(pod, port.get("targetPort") or port["port"], port.get("protocol", "TCP"))
        if number is not None:
            resolved.append({"name": port.get("name", ""), "protocol": port.get("protocol", "TCP"), "port": number})
    return resolved


def find_port(pod: Manifest, target: int | str, protocol: str) -> int | None:
    """The number of a target port in this pod, None when no container has a port of that name."""
    if isinstance(target, int):
        return target
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == target and port.get("protocol", "TCP") == protocol:
                return int(port["containerPort"])
    return None
