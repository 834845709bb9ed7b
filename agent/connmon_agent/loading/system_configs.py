"""The ERP's ``system_config.json``: its three sections that concern us, mapped to ours. Its keys: ``system_keys``.

The file has other owners: other sections, and keys in these three that we do not know, are left alone. Keys are
compared as PowerShell compares them, in any case. What has no effect here (the script) is checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from ..core.plan import LinkPlan
from ..settings import ForwardSettings, KubernetesSettings
from .defaults import DEFAULTS, PORTS, Contents, default_forwards, services_of
from .documents import Document
from .key_tables import NO_DEFAULT
from .links import Pace, default_quality, fit_defaults
from .places import PathRules
from .sections import Section, open_section
from .services import check_alternatives, check_primaries
from .system_keys import SYSTEM_KEYS, not_cut_off, read_alternatives, read_port
from .targets import count_votes
from .usages import list_system_config_usages, warn_of_disabled
from .values import Reader, Value, find_nearest

_SECTIONS = ("ConnectionMonitor", "Kubernetes", "Logging")


def read_system_config(document: Document, rules: PathRules) -> Contents:
    """What the file says; its paths mean what ``rules`` say.

    Raises ConfigurationError with every mistake in our sections.
    """
    document.problems.paths = rules
    root = Section(document.problems, "", document.root, ignore_case=True)
    if not any(root.has(name) for name in _SECTIONS):
        message = f"none of the sections {', '.join(_SECTIONS)} is in this file"
        document.problems.add(message, line=None, remedy="name the ERP's system_config.json, or write a connmon.yaml")
    sections = {name: root.section(name) for name in _SECTIONS}
    written = {key.path: _take(sections[key.section], key.name, key.reader) for key in SYSTEM_KEYS}
    names = written["ConnectionMonitor.ServicesToMonitor"]
    contents = _make_contents(written, tuple(PORTS) if names is NO_DEFAULT else names, sections["Kubernetes"])
    warn_of_disabled(contents.start, sections["ConnectionMonitor"], "Enabled")
    _warn(root, sections, [service.name for service in contents.services])
    document.problems.raise_if_any()
    usages = list_system_config_usages(root, sections, contents)
    return replace(contents, usages=tuple(usages), warnings=tuple(document.problems.warnings))


def _take(section: Section, name: str, read: Reader[Any]) -> Any:
    return section.take(name, NO_DEFAULT, read)


def _make_contents(written: Mapping[str, Any], names: tuple[str, ...], kubernetes: Section) -> Contents:
    ours: dict[str, dict[str, Any]] = {}
    for key in SYSTEM_KEYS:
        section, _, name = key.becomes.partition(".")
        values = ours.setdefault(section, {})
        if written[key.path] is not NO_DEFAULT:
            values[name] = written[key.path]
    settings: KubernetesSettings = replace(DEFAULTS.kubernetes, **ours["kubernetes"])
    return Contents(
        **_fit_link(ours["link"]),
        recovery=replace(DEFAULTS.recovery, **ours["recovery"]),
        kubernetes=settings,
        services=services_of(names, settings.namespace),
        forwards=_read_forwards(kubernetes, names),
        logging=replace(DEFAULTS.logging, **ours["logging"]),
        start=replace(DEFAULTS.start, **ours["start"]),
    )


def _fit_link(written: Mapping[str, Any]) -> dict[str, Any]:
    """What holds of the link: the built-in values, as far as they fit ``written``."""
    values = {**fit_defaults(written), **written}
    targets, timeout = values.pop("targets"), values.pop("timeout")
    quality = default_quality(Pace(values["check_interval"], timeout, count_votes(targets)))
    return {"link": LinkPlan(**values, quality=quality), "targets": targets, "timeout": timeout}


def _read_forwards(kubernetes: Section, names: Sequence[str]) -> dict[str, ForwardSettings]:
    if not kubernetes.has("PortForwardConfig"):
        return {name: forward for name, forward in default_forwards().items() if name in names}
    section = kubernetes.section("PortForwardConfig")
    entries = {name: entry for name in section.names if (entry := section.take(name, None, not_cut_off(_read_entry)))}
    ports = {name: _read_forward(name, entry) for name, entry in entries.items()}
    check_primaries(((name, port.port, entries[name]) for name, port in ports.items() if port), key="Primary")
    by_folded = {name.casefold(): port for name, port in ports.items() if port}
    return {name: replace(by_folded[name], service=name) for name in names if name in by_folded}


def _read_entry(value: Value) -> Section:
    return open_section(value, ignore_case=True)


def _read_forward(name: str, section: Section) -> ForwardSettings | None:
    port = section.need("Primary", None, read_port)
    alternatives = section.take("Alternatives", (), read_alternatives)
    section.warn_of_typos()
    section.close_leniently()
    if port is None:
        return None
    check_alternatives(section, "Alternatives", port=port, alternatives=alternatives)
    return ForwardSettings(service=name, port=port, alternatives=alternatives)


def _warn(root: Section, sections: Mapping[str, Section], names: Sequence[str]) -> None:
    """Note the keys and services of the file that nearly are what was looked for."""
    monitor, kubernetes = sections["ConnectionMonitor"], sections["Kubernetes"]
    for section in (root, *sections.values()):
        section.warn_of_typos()
    for name in names:
        meant = None if name in PORTS else find_nearest(name, list(PORTS))
        if meant is not None and meant not in names:
            key, line = monitor.path_of("ServicesToMonitor"), monitor.line_of("ServicesToMonitor")
            root.problems.warn(
                f"{name} is not a service of the ERP", line=line, key=key, remedy=f"did you mean {meant}?"
            )
    if not kubernetes.is_sound("PortForwardConfig"):
        return
    ports = kubernetes.section("PortForwardConfig")
    watched = {name.casefold() for name in names}
    for name in ports.names:
        meant = None if name.casefold() in watched else find_nearest(name, names)
        if meant is not None and not ports.has(meant):
            line, remedy = ports.line_of(name), f"did you mean {meant}?"
            root.problems.warn("does not match any service", line=line, key=ports.path_of(name), remedy=remedy)
