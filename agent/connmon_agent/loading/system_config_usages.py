"""Which keys of the ERP's ``system_config.json`` are in force here, and why the others are not."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

from ..settings import KeyUsage
from .defaults import Contents
from .nodes import MappingNode
from .sections import Section
from .usages import use_of, why_not_started

_OTHERS = "no key of connmon-agent; left alone"


def list_system_config_usages(
    root: Section, sections: tuple[Section, Section, Section], contents: Contents, *, platform: str = sys.platform
) -> Iterator[KeyUsage]:
    """Every key of the three sections, in the order of the file, and each section of others in one piece.

    ``sections`` are ConnectionMonitor, Kubernetes and Logging, read to ``contents`` without a mistake.
    """
    by_name = dict(zip(("ConnectionMonitor", "Kubernetes", "Logging"), sections, strict=True))
    reasons = _find_reasons(contents, platform)
    for entry, known in root.list_entries():
        if known is None:
            meant = root.find_meant(entry)
            reason = f"did you mean {meant}?" if meant else "another program's section; left alone"
            yield use_of(entry, entry.key, reason, ours=False)
        else:
            yield from _list_section(by_name[known], reasons, contents)


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
