"""The ERP's ``system_config.json``: its three sections that concern us, mapped to ours.

The file has other owners: other sections, and keys in these three that we do not know, are left alone. Keys are
compared as PowerShell compares them, in any case. What has no effect here (the script) is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from msgspec import structs

from ..core.plan import LinkPlan, RecoveryPlan
from ..settings import MODES, ForwardSettings, KubernetesSettings, LoggingSettings, StartSettings
from .connmon_files import MOST_FILES, MOST_MEGABYTES
from .defaults import DEFAULTS, PORTS, Contents, default_forwards, services_of
from .documents import Document
from .file_paths import PathRules, windows_file_path
from .links import HOUR, SHORTEST, count_votes, default_confirm, default_offline, default_timeout
from .powershell_values import loose_list, not_cut_off, read_loose_flag, seconds, whole
from .qualities import Pace, default_quality
from .recoveries import MOST_ATTEMPTS
from .sections import Section, open_section
from .services import MOST_ALTERNATIVES, check_alternatives, check_primaries
from .system_config_usages import list_system_config_usages
from .usages import warn_of_disabled
from .values import Value, find_nearest, join_choices, nullable, read_label, read_object_name

_SECTIONS = ("ConnectionMonitor", "Kubernetes", "Logging")
_LEVELS = {  # as .NET, PowerShell and Serilog name them
    **dict.fromkeys(("verbose", "trace", "debug"), "debug"),
    **dict.fromkeys(("info", "information"), "info"),
    **dict.fromkeys(("warn", "warning"), "warning"),
    **dict.fromkeys(("error", "critical", "fatal"), "error"),
}


def read_system_config(document: Document, rules: PathRules) -> Contents:
    """What the file says; its paths mean what ``rules`` say.

    Raises ConfigurationError with every mistake in our sections.
    """
    root = Section(document.problems, "", document.root, ignore_case=True)
    if not any(root.has(name) for name in _SECTIONS):
        message = f"none of the sections {', '.join(_SECTIONS)} is in this file"
        document.problems.add(message, line=None, remedy="name the ERP's system_config.json, or write a connmon.yaml")
    monitor, kubernetes, logging = (root.section(name) for name in _SECTIONS)
    settings = KubernetesSettings(namespace=kubernetes.take("Namespace", DEFAULTS.kubernetes.namespace, read_label))
    names = monitor.take("ServicesToMonitor", tuple(PORTS), _read_names)
    link = _read_link(monitor)
    start = _read_start(monitor)
    contents = Contents(
        link=link,
        timeout=default_timeout(link.check_interval),
        recovery=_read_recovery(monitor, kubernetes),
        kubernetes=settings,
        services=services_of(names, settings.namespace),
        forwards=_read_forwards(kubernetes, names),
        logging=_read_logging(logging, rules),
        start=start,
    )
    # Not expanded: a variable of Windows in a key that has no effect must not keep the agent from starting.
    monitor.take("ScriptPath", None, nullable(_read_string))
    _warn(root, monitor, kubernetes, logging, names)
    document.problems.raise_if_any()
    usages = list_system_config_usages(root, (monitor, kubernetes, logging), contents)
    return replace(contents, usages=tuple(usages), warnings=tuple(document.problems.warnings))


def _read_start(monitor: Section) -> StartSettings:
    default = DEFAULTS.start
    start = StartSettings(
        enabled=monitor.take("Enabled", default.enabled, read_loose_flag),
        autostart=monitor.take("AutoStart", default.autostart, read_loose_flag),
        mode=monitor.take("Mode", default.mode, _read_mode),
    )
    warn_of_disabled(start, monitor, "Enabled")
    return start


def _read_link(monitor: Section) -> LinkPlan:
    check_interval = monitor.take("CheckInterval", DEFAULTS.link.check_interval, seconds(SHORTEST, HOUR))
    pace = Pace(check_interval, default_timeout(check_interval), count_votes(DEFAULTS.targets))
    return structs.replace(
        DEFAULTS.link,
        check_interval=check_interval,
        confirm_interval=default_confirm(check_interval),
        offline_interval=default_offline(check_interval),
        quality=default_quality(pace),
    )


def _read_recovery(monitor: Section, kubernetes: Section) -> RecoveryPlan:
    default = DEFAULTS.recovery
    attempts = monitor.take("MaxRestartAttempts", default.max_restart_attempts, _read_attempts)
    act = kubernetes.take("EnableAutoRestart", default.act, read_loose_flag)
    return structs.replace(default, act=act, max_restart_attempts=attempts)


def _read_attempts(value: Value) -> int:
    attempts = whole(0, MOST_ATTEMPTS)(value)
    if attempts == 0:
        value.reject(
            "would restart nothing", f'write "EnableAutoRestart": false to restart nothing, or 1 to {MOST_ATTEMPTS}'
        )
    return attempts


def _read_names(value: Value) -> tuple[str, ...]:
    names = loose_list(read_object_name)(value)
    repeated = {name for index, name in enumerate(names) if name in names[:index]}
    if repeated:
        value.reject(f"{', '.join(sorted(repeated))} is here twice", "name each service once")
    return names


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
    port = section.need("Primary", None, _read_port)
    alternatives = section.take("Alternatives", (), loose_list(_read_port, most=MOST_ALTERNATIVES))
    section.warn_of_typos()
    section.close_leniently()
    if port is None:
        return None
    check_alternatives(section, "Alternatives", port=port, alternatives=alternatives)
    return ForwardSettings(service=name, port=port, alternatives=alternatives)


def _read_logging(section: Section, rules: PathRules) -> LoggingSettings:
    return replace(
        DEFAULTS.logging,
        dir=section.take("LogDir", None, nullable(windows_file_path(rules, _read_string))),
        level=section.take("Level", DEFAULTS.logging.level, _read_level),
        console=section.take("EnableConsoleOutput", DEFAULTS.logging.console, read_loose_flag),
        event_log=section.take("EnableEventLog", DEFAULTS.logging.event_log, read_loose_flag),
        max_file_size=section.take("MaxFileSize", DEFAULTS.logging.max_file_size, whole(1, MOST_MEGABYTES)),
        max_files=section.take("MaxFiles", DEFAULTS.logging.max_files, whole(1, MOST_FILES)),
    )


_read_port = whole(1, 65535)


def _warn(root: Section, monitor: Section, kubernetes: Section, logging: Section, names: Sequence[str]) -> None:
    """Note the keys and services of the file that nearly are what was looked for."""
    for section in (root, monitor, kubernetes, logging):
        section.warn_of_typos()
    for name in names:
        meant = None if name in PORTS else find_nearest(name, list(PORTS))
        if meant is not None and meant not in names:
            key, line = monitor.path_of("ServicesToMonitor"), monitor.line_of("ServicesToMonitor")
            root.problems.warn(f"{name} is no service of the ERP", line=line, key=key, remedy=f"did you mean {meant}?")
    if not kubernetes.is_sound("PortForwardConfig"):
        return
    ports = kubernetes.section("PortForwardConfig")
    watched = {name.casefold() for name in names}
    for name in ports.names:
        meant = None if name.casefold() in watched else find_nearest(name, names)
        if meant is not None and not ports.has(meant):
            line, remedy = ports.line_of(name), f"did you mean {meant}?"
            root.problems.warn("is in no service's name", line=line, key=ports.path_of(name), remedy=remedy)


def _read_string(value: Value) -> str:
    scalar = value.scalar("text")
    if not isinstance(scalar.value, str):
        value.reject("must be text", f'put it in quotes: "{scalar.text}"')
    if any("\ud800" <= character <= "\udfff" for character in scalar.value):
        value.reject("is not UTF-8 text", "save the file as UTF-8")
    if scalar.value and not scalar.value.isprintable():
        value.reject("holds a character that cannot be printed", r"write each backslash twice: C:\\ERP\\logs")
    return scalar.value


def _read_mode(value: Value) -> str:
    return _read_word(value, {mode: mode for mode in MODES}, [mode.title() for mode in MODES])


def _read_level(value: Value) -> str:
    return _read_word(value, _LEVELS, ("Debug", "Info", "Warning", "Error"))


def _read_word(value: Value, meanings: dict[str, str], shown: Sequence[str]) -> str:
    text = value.scalar("a word").text
    if text.lower() not in meanings:
        value.reject("is none of the choices", f"write {join_choices(shown)}")
    return meanings[text.lower()]
