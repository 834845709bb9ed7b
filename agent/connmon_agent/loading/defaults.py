"""The built-in configuration. ``config/connmon.yaml`` says the same to people, and a test keeps the two equal."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from ..core.plan import ForwardPlan, Kind, LinkPlan, RecoveryPlan, ServicePlan
from ..errors import Problem
from ..redaction import redact
from ..settings import (
    STOP_TIMEOUT,
    DnsTarget,
    ForwardingSettings,
    ForwardSettings,
    GatewayTarget,
    HttpTarget,
    IcmpTarget,
    InterfaceTarget,
    JournalSettings,
    KeyUsage,
    KubernetesSettings,
    LoggingSettings,
    MetricsSettings,
    NotifySettings,
    StartSettings,
    Target,
    TcpTarget,
    WebSettings,
)

NAMESPACE = "erp-system"

FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}  # as a file writes them, and as people do

# The ERP's services with their local ports: the primary one, then the alternatives.
PORTS: dict[str, tuple[int, ...]] = {
    "frontend": (8080, 8081, 8082, 8083, 8084),
    "frontend-custom": (8082, 8182, 8282, 8382, 8482),
    "frontend-react": (8090, 8091, 8092, 8093, 8094),
    "grafana": (3000, 3001, 3002, 3003, 3004),
    "jaeger": (16686, 16687, 16688, 16689, 16690),
    "api-gateway-simple": (8085, 8185, 8285, 8385, 8485),
    "service-mesh-dashboard": (8095, 8195, 8295, 8395, 8495),
}


def tcp_target(host: str, port: int, family: str | None = None) -> TcpTarget:
    """A TCP target with the name that people see: ``tcp 192.0.2.1:443``."""
    return TcpTarget(host, port, f"tcp {join_address(host, port)}{_tell_family(family)}", family)


def dns_target(server: str, query: str, port: int = 53, *, record: str = "A", transport: str = "udp") -> DnsTarget:
    """A DNS target with the name that people see: ``dns 192.0.2.2 (example.com)``, ``(example.com AAAA over tcp)``."""
    asked = query + (f" {record}" if record != "A" else "") + (f" over {transport}" if transport != "udp" else "")
    name = f"dns {server if port == 53 else join_address(server, port)} ({asked})"
    return DnsTarget(server, query, name, port, record, transport)


def http_target(
    url: str, status: int = 200, body: str | None = None, *, proxy: str | None = None, family: str | None = None
) -> HttpTarget:
    """An HTTP target with the name that people see: its URL, and the proxy that is configured for it."""
    way = "" if proxy is None else " without a proxy" if proxy == "none" else f" through {proxy}"
    return HttpTarget(url, f"{redact(url)}{_tell_family(family)}{way}", status, body, proxy, family)


def icmp_target(host: str, family: str | None = None) -> IcmpTarget:
    """An ICMP target with the name that people see: ``icmp 192.0.2.1``."""
    return IcmpTarget(host, f"icmp {host}{_tell_family(family)}", family)


def gateway_target() -> GatewayTarget:
    """The gateway target, which there is one of."""
    return GatewayTarget("gateway of the default route")


def interface_target(interface: str | None) -> InterfaceTarget:
    """An interface target with the name that people see: ``interface wan0``, ``interface of the default route``."""
    return InterfaceTarget(interface, f"interface {interface or 'of the default route'}")


def _tell_family(family: str | None) -> str:
    return "" if family is None else f" ({FAMILIES[family]})"


def join_address(host: str, port: int) -> str:
    """``192.0.2.1:443``, ``[2001:db8::1]:443``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# Three kinds at three operators: no failure of one company or of one way of asking looks like a dead link.
# No interface target: it has no vote, and the agent asks the operating system for such evidence anyway.
TARGETS: tuple[Target, ...] = (
    tcp_target("1.1.1.1", 443),
    dns_target("9.9.9.9", "example.com"),
    http_target("http://connectivitycheck.gstatic.com/generate_204", 204),
)


def services_of(names: tuple[str, ...], namespace: str) -> tuple[ServicePlan, ...]:
    """A Deployment of each name, none depending on another."""
    return tuple(ServicePlan(name, Kind.DEPLOYMENT, namespace, name) for name in names)


def default_forwards() -> dict[str, ForwardSettings]:
    """The local ports of the ERP's services."""
    return {name: ForwardSettings(name, ports[0], ports[1:]) for name, ports in PORTS.items()}


class Contents(Struct, frozen=True):
    """What a configuration file says. The fields' defaults are the built-in configuration.

    ``state_dir`` None: the file names none, and the rules of ``places`` choose. ``warnings``: what can be used and is
    probably not meant so.
    """

    state_dir: Path | None = None
    state_group: str | None = None
    link: LinkPlan = LinkPlan()
    targets: tuple[Target, ...] = TARGETS
    timeout: float = 1.0  # seconds; one probe
    recovery: RecoveryPlan = RecoveryPlan()
    kubernetes: KubernetesSettings = KubernetesSettings(namespace=NAMESPACE)
    services: tuple[ServicePlan, ...] = services_of(tuple(PORTS), NAMESPACE)
    forwards: dict[str, ForwardSettings] = field(default_factory=default_forwards)
    forwarding: ForwardingSettings = ForwardingSettings()
    logging: LoggingSettings = LoggingSettings()
    journal: JournalSettings = JournalSettings()
    metrics: MetricsSettings = MetricsSettings()
    notify: NotifySettings = NotifySettings()
    web: WebSettings = WebSettings()
    stop_timeout: float = STOP_TIMEOUT  # seconds
    start: StartSettings = StartSettings()
    usages: tuple[KeyUsage, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def service_plans(self) -> tuple[ServicePlan, ...]:
        """The services, each with the part of its local port that decides."""
        shared = self.forwarding
        plans = {
            name: ForwardPlan(forward.port, forward.alternatives, shared.bind, shared.reclaim)
            for name, forward in self.forwards.items()
        }
        return tuple(replace(service, forward=plans.get(service.name)) for service in self.services)


DEFAULTS = Contents()
