"""From a Service to the pods that a new connection may go to, the best first, by kubectl's rules.

https://github.com/kubernetes/kubectl/blob/master/pkg/util/service_port.go, podutils.ActivePods
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .inventory import Pod, ServiceObject, ServicePort, Slice
from .selectors import match_labels

SET_TARGET = "Set target to one of them"
# Words in the names of ports that a browser can use, the likeliest first; "query" is Jaeger's user interface. A name
# that also has one of the others is a port for programs: "http-metrics", "grpc-web".
_WEB_WORDS = ("http", "web", "www", "ui", "query", "dashboard", "console", "frontend", "gui")
_MACHINE_WORDS = frozenset(
    {"admin", "collector", "debug", "envoy", "grpc", "health", "healthz", "internal", "metrics", "peer", "probe", "tls"}
)


@dataclass(frozen=True, slots=True)
class Backend:
    """One end of a connection. ``pod`` None: an address that is no pod's, which can only be dialled."""

    port: int
    pod: str | None = None
    uid: str = ""
    address: str | None = None
    host: str | None = None  # the address of its node

    @property
    def key(self) -> str:
        """What tells it from every other backend, also from an earlier pod of its name."""
        return f"{self.uid or self.address}:{self.port}"

    @property
    def name(self) -> str:
        """For people."""
        return self.pod or f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Backends:
    """All that a new connection may go to, the best first. ``absence`` says why there is nothing; None: there is."""

    ends: tuple[Backend, ...]
    absence: str | None = None
    cluster_ip: str | None = None
    port: int = 0  # the Service's own
    node_port: int | None = None


class NoBackend(Exception):
    """What was configured leads nowhere, and a person must mend it; the text says what there is instead."""


class AmbiguousPort(NoBackend):
    """The Service has several TCP ports, and nothing says which of them is meant; the text names them."""


def find_backends(
    name: str,
    target: str | None,
    *,
    local_port: int,
    services: Mapping[str, ServiceObject],
    pods: Mapping[str, Pod],
    slices: Mapping[str, Slice] | None = None,
) -> Backends:
    """The backends of one port of the Service ``name``, chosen by ``target`` and ``local_port``: see ``find_port``.

    ``slices`` count only where the Service has no selector. Raises NoBackend.
    """
    service = find_service(name, services)
    port = find_port(service, target, local_port)
    if service.selector is None:
        ends, absence = _follow_slices(service, port, pods, (slices or {}).values())
    else:
        ends, absence = _follow_selector(service, port, pods.values())
    return Backends(ends, None if ends else absence, service.cluster_ip, port.number, port.node_port)


def find_service(name: str, services: Mapping[str, ServiceObject]) -> ServiceObject:
    """The Service ``name``. Raises NoBackend."""
    service = services.get(name)
    if service is None:
        raise NoBackend(f"no Service {name}; the Services are: {', '.join(sorted(services)) or 'none'}")
    if service.external_name:
        raise NoBackend(f"the Service {name} is an ExternalName for {service.external_name} and has no pods")
    return service


def find_port(service: ServiceObject, target: str | None, local_port: int) -> ServicePort:
    """The port of ``service`` to forward to.

    ``target`` is its name or number. None: its only TCP port; of several the one with the number of ``local_port`` (the
    primary local port), else the one that is named for people, as http or web. Raises NoBackend, and AmbiguousPort
    where that leaves a choice: the first of several ports is often one for machines, and answers all the same.
    """
    named = [port for port in service.ports if target is None or target in (port.name, str(port.number))]
    if not named:
        which = "no port" if target is None else f"no port {target}"
        raise NoBackend(f"the Service {service.name} has {which}; it has: {list_ports(service.ports)}")
    spoken = [port for port in named if port.protocol == "TCP"]
    if not spoken:
        protocols = " and ".join(sorted({port.protocol for port in named}))
        which = "its ports use" if target is None else f"its port {target} uses"
        raise NoBackend(f"the Service {service.name} cannot be forwarded: {which} {protocols}, but only TCP works")
    if len(spoken) == 1 or target is not None:
        return spoken[0]
    chosen = next((port for port in spoken if port.number == local_port), None) or _find_web_port(spoken)
    if chosen is None:
        raise AmbiguousPort(f"the Service {service.name} has several TCP ports: {list_ports(spoken)}; {SET_TARGET}")
    return chosen


def _find_web_port(ports: Sequence[ServicePort]) -> ServicePort | None:
    """The one whose name is a word for web pages, else the only one with such a word in it; None: there is none."""
    for word in _WEB_WORDS:
        if (exact := next((port for port in ports if port.name == word), None)) is not None:
            return exact
    described = [port for port in ports if _is_for_people(port.name.split("-"))]
    return described[0] if len(described) == 1 else None


def _is_for_people(words: Sequence[str]) -> bool:
    return not _MACHINE_WORDS.intersection(words) and any(word in words for word in _WEB_WORDS)


def rank(pod: Pod) -> tuple[object, ...]:
    """Sorts the best first: ready, ready for longest, fewest restarts, oldest."""
    since = pod.ready_since
    return (since is None, since or 0.0, pod.restarts, pod.created, pod.name)


def _follow_selector(service: ServiceObject, port: ServicePort, pods: Iterable[Pod]) -> tuple[tuple[Backend, ...], str]:
    wanted = {"matchLabels": service.selector}
    matching = [pod for pod in pods if match_labels(wanted, pod.labels)]
    usable = sorted((pod for pod in matching if _is_usable(pod, service)), key=rank)
    ends = tuple(end for pod in usable if (end := _resolve(pod, port)) is not None)
    if usable and not ends:
        raise NoBackend(
            f"the Service {service.name} targets the container port {port.target!r}, but none of its pods has it "
            f"({usable[0].name} has: {', '.join(usable[0].ports) or 'no named port'})"
        )
    return ends, _explain_absence(service, len(matching))


def _is_usable(pod: Pod, service: ServiceObject) -> bool:
    ready = pod.ready_since is not None or service.publish_not_ready
    return ready and pod.phase == "Running" and not pod.deleting


def _resolve(pod: Pod, port: ServicePort) -> Backend | None:
    """The port of this very pod: during a rollout the old and the new ones may differ."""
    number = pod.ports.get(port.target) if isinstance(port.target, str) else port.target or port.number
    return None if number is None else Backend(number, pod.name, pod.uid, pod.ip, pod.host_ip)


def _follow_slices(
    service: ServiceObject, port: ServicePort, pods: Mapping[str, Pod], slices: Iterable[Slice]
) -> tuple[tuple[Backend, ...], str]:
    own = [one for one in slices if one.service == service.name]
    ends = tuple(end for one in own for end in _read_ends(one, port, service, pods))
    if not own:
        return ends, f"the Service {service.name} has no selector and no EndpointSlice"
    return ends, f"no endpoint of the Service {service.name} is ready"


def _read_ends(one: Slice, port: ServicePort, service: ServiceObject, pods: Mapping[str, Pod]) -> Iterator[Backend]:
    number = one.ports.get(port.name)
    for endpoint in one.endpoints if number is not None else ():
        if not endpoint.ready and not service.publish_not_ready:
            continue
        if endpoint.pod is None:
            yield from (Backend(number or 0, address=address) for address in endpoint.addresses)
        elif (pod := pods.get(endpoint.pod)) is not None and pod.phase == "Running" and not pod.deleting:
            yield Backend(number or 0, pod.name, pod.uid, pod.ip, pod.host_ip)


def _explain_absence(service: ServiceObject, matching: int) -> str:
    if matching == 0:
        return f"no pod matches the selector of the Service {service.name}"
    if matching == 1:
        return f"the only pod of the Service {service.name} is not ready"
    return f"none of the {matching} pods of the Service {service.name} is ready"


def list_ports(ports: Iterable[ServicePort]) -> str:
    """Their names and numbers, for people."""
    return ", ".join(f"{port.name} ({port.number})" if port.name else str(port.number) for port in ports) or "none"
