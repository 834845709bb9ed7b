"""Which keys of a configuration file are in force, and why the others are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..settings import KeyUsage, StartSettings
from .nodes import Entry, MappingNode, show_node
from .sections import Section

Unused = Callable[[str], str | None]  # why the key of this dotted path has no effect; None: it is in force


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
