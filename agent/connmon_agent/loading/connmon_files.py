"""Our own format, ``connmon.yaml``: what its sections say together. Their keys: ``keys``."""

from __future__ import annotations

from ipaddress import ip_address

from ..core.plan import RecoveryPlan
from ..settings import (
    ForwardingSettings,
    JournalSettings,
    KubernetesSettings,
    LoggingSettings,
    MetricsSettings,
    StartSettings,
    Transport,
    WebSettings,
)
from .defaults import Contents
from .documents import Document
from .durations import format_duration
from .keys import BACKOFF, FORWARDS, JOURNAL, KUBERNETES, LOGGING, METRICS, RECOVERY, ROOT, START, WEB
from .links import read_link
from .network_values import ENDPOINT, LOCALHOST
from .notify import read_notify
from .places import PathRules
from .sections import Section
from .services import read_services
from .usages import find_unused, list_usages, warn_of_disabled


def read_connmon_file(document: Document, rules: PathRules) -> Contents:
    """What the file says; its paths mean what ``rules`` say.

    Raises ConfigurationError with every mistake in it.
    """
    document.problems.paths = rules
    root = Section(document.problems, "", document.root)
    values = {**ROOT.defaults, **ROOT.read_written(root)}
    start = _read_start(root.section("start"))
    link = read_link(root.section("link"))
    recovery = _read_recovery(root.section("recovery"))
    kubernetes = _read_kubernetes(root.section("kubernetes"))
    forwarding, transport = _read_forwards(root.section("forwards"))
    services = read_services(root, kubernetes.namespace, transport)
    logging = LoggingSettings(**LOGGING.read_section(root.section("logging")))
    journal = JournalSettings(**JOURNAL.read_section(root.section("journal")))
    metrics = _read_metrics(root.section("metrics"))
    notify = read_notify(root.section("notify"))
    web = WebSettings(**WEB.read_section(root.section("web")))
    root.close()
    document.problems.raise_if_any()
    return Contents(
        **values,
        link=link.plan,
        targets=link.targets,
        timeout=link.timeout,
        recovery=recovery,
        kubernetes=kubernetes,
        services=services.plans,
        forwards=services.forwards,
        forwarding=forwarding,
        logging=logging,
        journal=journal,
        metrics=metrics,
        notify=notify,
        web=web,
        start=start,
        usages=list_usages(document.root, find_unused(start, has_ports=bool(services.forwards))),
        warnings=tuple(document.problems.warnings),
    )


def _read_start(section: Section) -> StartSettings:
    settings = StartSettings(**START.read_section(section))
    warn_of_disabled(settings, section, "enabled")
    return settings


def _read_recovery(section: Section) -> RecoveryPlan:
    values = RECOVERY.read_section(section)
    backoff, occasion = _read_backoff(section.section("backoff")), values.pop("when")
    return RecoveryPlan(**values, **occasion._asdict(), backoff_first=backoff["first"], backoff_max=backoff["max"])


def _read_backoff(section: Section) -> dict[str, float]:
    """Where only one of both is written, the other gives way."""
    written, default = BACKOFF.read_written(section), BACKOFF.defaults
    longest = written.get("max", max(written.get("first", default["first"]), default["max"]))
    first = written.get("first", default["first"] if section.has("first") else min(default["first"], longest))
    section.close()
    if section.is_sound("first", "max") and first > longest:
        limit = format_duration(longest)
        section.report("first", f"must not be longer than max, {limit}", remedy=f"write at most {limit}")
    return {"first": first, "max": longest}


def _read_kubernetes(section: Section) -> KubernetesSettings:
    values = KUBERNETES.read_section(section)
    registries = section.section("registries")
    found = {name: registries.take(name, None, ENDPOINT.read) for name in registries.names}
    registries.close()
    sound = {name: endpoint for name, endpoint in found.items() if endpoint is not None}
    return KubernetesSettings(**{**values, "registries": sound})


def _read_forwards(section: Section) -> tuple[ForwardingSettings, Transport]:
    """What holds for all local ports, and the transport of every service that names none."""
    values = FORWARDS.read_section(section)
    transport = values.pop("transport")
    settings = ForwardingSettings(**values)
    remote = [address for address in settings.bind if not ip_address(address).is_loopback]
    # Whoever opens the cluster's services to the network is to mean it.
    if remote and not settings.allow_remote and section.is_sound("bind", "allow_remote"):
        section.report(
            "bind",
            f"{', '.join(remote)} can be reached from other machines, and whoever reaches it reaches the services",
            remedy=f"write allow_remote: true beside it if that is meant, or bind: {LOCALHOST}",
        )
    return settings, transport


def _read_metrics(section: Section) -> MetricsSettings:
    settings = MetricsSettings(**METRICS.read_section(section))
    if settings.listen is None or ip_address(settings.listen[0]).is_loopback or settings.allow_remote:
        return settings
    # Names of workloads and targets, and when the site is down, are not for everybody.
    if section.is_sound("listen", "allow_remote"):
        section.report(
            "listen",
            f"{settings.listen[0]} can be reached from other machines, without a password or encryption",
            remedy="write allow_remote: true beside it if that is meant, or listen: 127.0.0.1:9180",
        )
    return settings
