"""Our own format, ``connmon.yaml``: one reader a section. The keys: docs/configuration.md."""

from __future__ import annotations

from pathlib import Path

from ..settings import MODES, JournalSettings, KubernetesSettings, LoggingSettings, StartSettings
from .defaults import DEFAULTS, Contents
from .documents import Document
from .file_paths import PathRules, file_path
from .forwardings import read_forwarding
from .links import SHORTEST, read_link
from .monitoring import read_metrics
from .recoveries import read_recovery
from .registries import read_registries
from .sections import Section
from .services import read_services
from .usages import find_unused, list_usages, warn_of_disabled
from .values import Reader, choice, duration, nullable, read_flag, read_label, read_text, whole_number

MOST_MEGABYTES = 1_000_000
LONGEST_KEEP = 10 * 365 * 86_400.0  # seconds
MOST_FILES = 1000  # each is looked for whenever another one is begun
LEVELS = ("debug", "info", "warning", "error")


def read_connmon_file(document: Document, rules: PathRules) -> Contents:
    """What the file says; its paths mean what ``rules`` say.

    Raises ConfigurationError with every mistake in it.
    """
    root = Section(document.problems, "", document.root)
    path = file_path(rules)
    state_dir = root.take("state_dir", None, nullable(path))
    stop_timeout = root.take("stop_timeout", DEFAULTS.stop_timeout, duration(1.0, LONGEST_STOP))
    state_group = root.take("state_group", None, nullable(read_text))
    start = _read_start(root.section("start"))
    link = read_link(root.section("link"))
    recovery = read_recovery(root.section("recovery"))
    kubernetes = _read_kubernetes(root.section("kubernetes"), path)
    forwarding = read_forwarding(root.section("forwards"))
    services = read_services(root, kubernetes.namespace, forwarding.transport)
    logging = _read_logging(root.section("logging"), path)
    journal = _read_journal(root.section("journal"))
    metrics = read_metrics(root.section("metrics"))
    root.close()
    document.problems.raise_if_any()
    return Contents(
        state_dir=state_dir,
        state_group=state_group,
        link=link.plan,
        targets=link.targets,
        timeout=link.timeout,
        recovery=recovery,
        kubernetes=kubernetes,
        services=services.plans,
        forwards=services.forwards,
        forwarding=forwarding.settings,
        logging=logging,
        journal=journal,
        metrics=metrics,
        stop_timeout=stop_timeout,
        start=start,
        usages=list_usages(document.root, find_unused(start, has_ports=bool(services.forwards))),
        warnings=tuple(document.problems.warnings),
    )


LONGEST_STOP = 80.0  # seconds; systemd kills what has not ended after 90 s


def _read_start(section: Section) -> StartSettings:
    default = DEFAULTS.start
    settings = StartSettings(
        enabled=section.take("enabled", default.enabled, read_flag),
        autostart=section.take("autostart", default.autostart, read_flag),
        mode=section.take("mode", default.mode, choice(*MODES)),
    )
    section.close()
    warn_of_disabled(settings, section, "enabled")
    return settings


def _read_kubernetes(section: Section, path: Reader[Path]) -> KubernetesSettings:
    default = DEFAULTS.kubernetes
    settings = KubernetesSettings(
        kubeconfig=section.take("kubeconfig", None, nullable(path)),
        context=section.take("context", None, nullable(read_text)),
        namespace=section.take("namespace", default.namespace, read_label),
        connect_timeout=section.take("connect_timeout", default.connect_timeout, duration(SHORTEST, 300)),
        read_timeout=section.take("read_timeout", default.read_timeout, duration(SHORTEST, 300)),
        registries=read_registries(section.section("registries")),
    )
    section.close()
    return settings


def _read_logging(section: Section, path: Reader[Path]) -> LoggingSettings:
    default = DEFAULTS.logging
    settings = LoggingSettings(
        dir=section.take("dir", None, nullable(path)),
        level=section.take("level", default.level, choice(*LEVELS)),
        format=section.take("format", default.format, choice("text", "json")),
        console=section.take("console", default.console, read_flag),
        journal=section.take("journal", default.journal, read_flag),
        event_log=section.take("event_log", default.event_log, read_flag),
        max_file_size=section.take("max_file_size", default.max_file_size, whole_number(1, MOST_MEGABYTES)),
        max_files=section.take("max_files", default.max_files, whole_number(1, MOST_FILES)),
    )
    section.close()
    return settings


def _read_journal(section: Section) -> JournalSettings:
    keep = section.take("rounds_keep", DEFAULTS.journal.rounds_keep, duration(0.0, LONGEST_KEEP))
    section.close()
    return JournalSettings(keep)
