"""Which keys of a configuration file are in force, and why the others are not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping

from ..settings import KeyUsage, StartSettings
from .defaults import Contents
from .nodes import Entry, MappingNode, show_node
from .sections import Section

Unused = Callable[[str], str | None]  # why the key of this dotted path has no effect; None: it is in force


_OTHERS = "no key of connmon-agent; skipped"


def list_usages(root: MappingNode, unused: Unused) -> tuple[KeyUsage, ...]:
    """Every key below ``root`` that holds no further keys, in the order of the file."""
    return tuple(_walk(root, "", unused))


def _walk(node: MappingNode, prefix: str, unused: Unused) -> Iterator[KeyUsage]:
    for entry in node.entries.values():
        key = f"{prefix}.{entry.key}".strip(".")
        if isinstance(entry.node, MappingNode) and entry.node.entries:
            yield from _walk(entry.node, key, unused)
        else:
            yield use_of(entry, key, unused(key))


def use_of(entry: Entry, key: str, unused: str | None = None, *, ours: bool = True) -> KeyUsage:
    """The usage of ``entry``, whose dotted path is ``key``. Not ``ours``: the value may be another program's secret."""
    return KeyUsage(key, show_node(entry.node) if ours else "...", entry.line, unused)


def find_unused(start: StartSettings, *, has_ports: bool) -> Unused:
    """What decides of the keys of ``connmon.yaml``, once all of them could be read."""

    def unused(key: str) -> str | None:
        section, _, name = key.partition(".")
        if section == "start":
            return why_not_started(start, name, enabled="start.enabled", autostart="start.autostart")
        if section == "forwards" and not has_ports:
            return "no service has a local port"
        return None

    return unused


def why_not_started(start: StartSettings, name: str, *, enabled: str, autostart: str) -> str | None:
    """Why the key ``name`` (``autostart`` or ``mode``) decides nothing; the others are named as the file names them."""
    if not start.enabled and name in ("autostart", "mode"):
        return f"{enabled} is false"
    return f"{autostart} is false" if name == "mode" and not start.autostart else None


def warn_of_disabled(start: StartSettings, section: Section, name: str) -> None:
    """Note that the agent cannot be started, at the key that says so."""
    if not start.enabled:
        message = "is false: start refuses, autostart does nothing, a running agent continues"
        key, line = section.path_of(name), section.line_of(name)
        section.problems.warn(message, line=line, key=key, remedy="write true to allow it")


def list_system_config_usages(
    root: Section, sections: Mapping[str, Section], contents: Contents, *, platform: str = sys.platform
) -> Iterator[KeyUsage]:
    """Every key of the three sections, in the order of the file, and each section of others in one piece.

    ``sections`` are these by their names, read to ``contents`` without a mistake.
    """
    reasons = _find_reasons(contents, platform)
    for entry, known in root.list_entries():
        if known is None:
            meant = root.find_meant(entry)
            reason = f"did you mean {meant}?" if meant else "another program's section; skipped"
            yield use_of(entry, entry.key, reason, ours=False)
        else:
            yield from _list_section(sections[known], reasons, contents)


def _find_reasons(contents: Contents, platform: str) -> Mapping[str, str | None]:
    start = contents.start
    started = {
        name: why_not_started(start, name.lower(), enabled="Enabled", autostart="AutoStart")
        for name in ("AutoStart", "Mode")
    }
    lacks = contents.logging.event_log and platform != "win32"
    event = "this system has no Windows event log; connmon-agent writes log files" if lacks else None
    return {
        **started,
        "ScriptPath": "connmon-agent runs in place of this script",
        "EnableEventLog": event,
    }


def _list_section(section: Section, reasons: Mapping[str, str | None], contents: Contents) -> Iterator[KeyUsage]:
    for entry, known in section.list_entries():
        if known == "PortForwardConfig" and isinstance(entry.node, MappingNode) and entry.node.entries:
            yield from _list_ports(section.section(known), contents)
        elif known is not None:
            yield use_of(entry, section.path_of(entry.key), reasons.get(known))
        else:
            meant = section.find_meant(entry)
            reason = f"did you mean {meant}?" if meant else _OTHERS
            yield use_of(entry, section.path_of(entry.key), reason, ours=meant is not None)


def _list_ports(ports: Section, contents: Contents) -> Iterator[KeyUsage]:
    watched = {name.casefold() for name in contents.forwards}
    for entry, _ in ports.list_entries():
        reason = None if entry.key.casefold() in watched else "not in ServicesToMonitor"
        yield use_of(entry, ports.path_of(entry.key), reason)
