"""The effective configuration as text, in the form of ``connmon.yaml``: loading it again gives the same settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..core.plan import DampingPlan, Kind, QualityPlan, RecoveryPlan, ServicePlan, When
from ..settings import (
    DnsTarget,
    ForwardingSettings,
    ForwardSettings,
    GatewayTarget,
    HttpTarget,
    IcmpTarget,
    InterfaceTarget,
    JournalSettings,
    KubernetesSettings,
    LoggingSettings,
    MetricsSettings,
    Settings,
    StartSettings,
    Target,
    TcpTarget,
)
from .defaults import join_address
from .durations import format_duration, parse_duration
from .file_paths import escape_path
from .nodes import interpret_plain

_SAFE_WORD = re.compile(r"[A-Za-z/][-A-Za-z0-9_./]*")
_KEYS_OF_KINDS = {Kind.DEPLOYMENT: "deployment", Kind.STATEFUL_SET: "statefulset", Kind.DAEMON_SET: "daemonset"}


def describe_settings(settings: Settings) -> str:
    """``settings`` as YAML, every key written out, whether it is a default or not."""
    return "\n".join(_list_lines(settings)) + "\n"


def _list_lines(settings: Settings) -> Iterator[str]:
    yield f"# The effective configuration, from {quote_text(settings.source)}."
    yield f"state_dir: {quote_text(escape_path(settings.state_dir))}"
    yield f"stop_timeout: {write_seconds(settings.stop_timeout)}"
    yield f"state_group: {'null' if settings.state_group is None else quote_text(settings.state_group)}"
    yield from _describe_start(settings.start)
    yield from _describe_link(settings)
    yield from _describe_recovery(settings.plan.recovery)
    yield from _describe_kubernetes(settings.kubernetes)
    yield from _describe_forwarding(settings.forwarding)
    yield "services:" if settings.plan.services else "services: {}"
    for service in settings.plan.services:
        yield from _describe_service(service, settings.forwards.get(service.name))
    yield from _describe_logging(settings.logging)
    yield from _describe_journal(settings.journal)
    yield from _describe_metrics(settings.metrics)


def _describe_start(start: StartSettings) -> Iterator[str]:
    yield "start:"
    yield f"  enabled: {write_flag(start.enabled)}"
    yield f"  autostart: {write_flag(start.autostart)}"
    yield f"  mode: {start.mode}"


def _describe_link(settings: Settings) -> Iterator[str]:
    link = settings.plan.link
    yield "link:"
    yield f"  check_interval: {write_seconds(link.check_interval)}"
    yield f"  confirm_interval: {write_seconds(link.confirm_interval)}"
    yield f"  offline_interval: {write_seconds(link.offline_interval)}"
    yield f"  timeout: {write_seconds(settings.timeout)}"
    yield f"  quorum: {link.quorum}"
    yield f"  fall: {link.fall}"
    yield f"  rise: {link.rise}"
    yield f"  hold: {write_seconds(link.hold)}"
    yield f"  boot_grace: {write_seconds(link.boot_grace)}"
    yield f"  after_blind: {link.after_blind}"
    yield f"  metered: {'auto' if link.metered is None else str(link.metered).lower()}"
    yield from _describe_quality(link.quality)
    yield from _describe_damping(link.damping)
    yield "  targets:"
    for target in settings.targets:
        yield f"    - {{{', '.join(_describe_target(target))}}}"


def _describe_quality(quality: QualityPlan) -> Iterator[str]:
    yield "  quality:"
    yield f"    window: {write_seconds(quality.window)}"
    yield f"    enter_loss: {quality.enter_loss!r}"
    yield f"    leave_loss: {quality.leave_loss!r}"
    yield f"    enter_latency: {write_seconds(quality.enter_latency)}"
    yield f"    leave_latency: {write_seconds(quality.leave_latency)}"
    yield f"    least: {quality.least}"


def _describe_damping(damping: DampingPlan) -> Iterator[str]:
    yield "  damping:"
    yield f"    penalty: {damping.penalty!r}"
    yield f"    half_life: {write_seconds(damping.half_life)}"
    yield f"    suppress: {damping.suppress!r}"
    yield f"    reuse: {damping.reuse!r}"
    yield f"    ceiling: {damping.ceiling!r}"


def _describe_target(target: Target) -> Iterator[str]:
    match target:
        case TcpTarget(host=host, port=port, family=family):
            yield from ("kind: tcp", f"host: {quote_text(host)}", f"port: {port}", f"family: {_write_text(family)}")
        case DnsTarget(server=server, query=query, port=port, record=record, transport=transport):
            yield from ("kind: dns", f"server: {quote_text(server)}", f"name: {quote_text(query)}", f"port: {port}")
            yield from (f"record: {record}", f"transport: {transport}")
        case HttpTarget(url=url, status=status, body=body, proxy=proxy, family=family):
            yield from ("kind: http", f"url: {quote_text(url)}", f"status: {status}")
            if body is not None:
                yield f"body: {quote_text(body, always=True)}"
            yield from (f"proxy: {_write_text(proxy)}", f"family: {_write_text(family)}")
        case IcmpTarget(host=host, family=family):
            yield from ("kind: icmp", f"host: {quote_text(host)}", f"family: {_write_text(family)}")
        case GatewayTarget():
            yield "kind: gateway"
        case InterfaceTarget(interface=interface):
            yield from ("kind: interface", f"name: {_write_text(interface)}")


def _describe_recovery(recovery: RecoveryPlan) -> Iterator[str]:
    yield "recovery:"
    yield f"  act: {write_flag(recovery.act)}"
    if recovery.when is When.OUTAGE_LONGER_THAN:
        yield f"  when: {{outage_longer_than: {write_seconds(recovery.outage_longer_than)}}}"
    else:
        yield f"  when: {recovery.when}"
    yield f"  max_restart_attempts: {recovery.max_restart_attempts}"
    yield f"  parallel: {recovery.parallel}"
    yield f"  ready_timeout: {write_seconds(recovery.ready_timeout)}"
    yield f"  healthy_for: {write_seconds(recovery.healthy_for)}"
    first, longest = write_seconds(recovery.backoff_first), write_seconds(recovery.backoff_max)
    yield f"  backoff: {{first: {first}, max: {longest}}}"
    yield f"  postpone_limit: {write_seconds(recovery.postpone_limit)}"


def _describe_kubernetes(kubernetes: KubernetesSettings) -> Iterator[str]:
    yield "kubernetes:"
    yield f"  kubeconfig: {write_path(kubernetes.kubeconfig)}"
    yield f"  context: {_write_text(kubernetes.context)}"
    yield f"  namespace: {quote_text(kubernetes.namespace)}"
    yield f"  connect_timeout: {write_seconds(kubernetes.connect_timeout)}"
    yield f"  read_timeout: {write_seconds(kubernetes.read_timeout)}"
    yield "  registries:" if kubernetes.registries else "  registries: {}"
    for name, endpoint in kubernetes.registries.items():
        yield f"    {quote_text(name, always=True)}: {quote_text(endpoint, always=True)}"


def _describe_forwarding(forwarding: ForwardingSettings) -> Iterator[str]:
    yield "forwards:"
    yield f"  bind: [{', '.join(quote_text(address, always=True) for address in forwarding.bind)}]"
    yield f"  allow_remote: {write_flag(forwarding.allow_remote)}"
    yield f"  reclaim: {forwarding.reclaim}"
    yield f"  backend_wait: {write_seconds(forwarding.backend_wait)}"
    yield f"  max_connections: {forwarding.max_connections}"


def _describe_service(service: ServicePlan, forward: ForwardSettings | None) -> Iterator[str]:
    yield f"  {quote_text(service.name)}:"
    yield f"    {_KEYS_OF_KINDS[service.kind]}: {quote_text(service.workload)}"
    yield f"    namespace: {quote_text(service.namespace)}"
    if forward is not None:
        yield f"    service: {quote_text(forward.service)}"
        yield f"    port: {forward.port}"
        yield f"    alternatives: [{', '.join(map(str, forward.alternatives))}]"
        yield f"    target: {_write_text(forward.target)}"
        yield f"    check: {_write_text(forward.check)}"
        yield f"    transport: {forward.transport}"
    yield f"    depends_on: [{', '.join(map(quote_text, service.depends_on))}]"


def _describe_logging(logging: LoggingSettings) -> Iterator[str]:
    yield "logging:"
    yield f"  dir: {write_path(logging.dir)}"
    yield f"  level: {logging.level}"
    yield f"  format: {logging.format}"
    yield f"  console: {write_flag(logging.console)}"
    yield f"  journal: {write_flag(logging.journal)}"
    yield f"  event_log: {write_flag(logging.event_log)}"
    yield f"  max_file_size: {logging.max_file_size}"
    yield f"  max_files: {logging.max_files}"


def _describe_journal(journal: JournalSettings) -> Iterator[str]:
    yield "journal:"
    yield f"  rounds_keep: {write_seconds(journal.rounds_keep)}"


def _describe_metrics(metrics: MetricsSettings) -> Iterator[str]:
    yield "metrics:"
    yield f"  listen: {'null' if metrics.listen is None else quote_text(join_address(*metrics.listen), always=True)}"
    yield f"  allow_remote: {write_flag(metrics.allow_remote)}"


def write_flag(flag: bool) -> str:
    """A truth value as YAML writes it."""
    return "true" if flag else "false"


def write_seconds(seconds: float) -> str:
    """A duration with units where that says exactly the same, else the number of seconds."""
    text = format_duration(seconds)
    return text if parse_duration(text) == seconds else repr(seconds)


def _write_text(text: str | None) -> str:
    return "null" if text is None else quote_text(text)


def write_path(path: Path | None) -> str:
    """An absolute path as a file writes it; None as ``null``."""
    return _write_text(None if path is None else escape_path(path))


def quote_text(text: str, *, always: bool = False) -> str:
    """``text`` as a YAML scalar that reads as this text: bare where every YAML reader sees a word, else in quotes."""
    node = interpret_plain(text, 0)
    if not always and _SAFE_WORD.fullmatch(text) and isinstance(node.value, str) and not node.is_trap:
        return text
    return f'"{"".join(map(_escape, text))}"'


def _escape(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"
