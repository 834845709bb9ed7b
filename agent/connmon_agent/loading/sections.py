"""Reading a mapping key by key: what was not asked for when it is closed is an unknown key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from .nodes import Entry, MappingNode, Node, ScalarNode, show_node
from .problems import Problems
from .values import Reader, Rejected, Value, find_nearest

T = TypeVar("T")
D = TypeVar("D")


class Section:
    """One mapping of a file while it is read.

    ``node`` None: the section is not in the file, and every key has its default. ``ignore_case``: keys are compared as
    PowerShell compares them.
    """

    def __init__(
        self, problems: Problems, key: str, node: MappingNode | None, *, line: int = 1, ignore_case: bool = False
    ) -> None:
        self.problems = problems
        self.key = key
        self.line = node.line if node else line
        self._ignore_case = ignore_case
        self._entries: dict[str, Entry] = {}
        self._known: list[str] = []
        self._missing: list[str] = []
        self._wrong: set[str] = set()
        for entry in node.entries.values() if node else ():
            self._add_entry(entry)

    def _add_entry(self, entry: Entry) -> None:
        name = self._fold(entry.key)
        if name in self._entries:
            first = self._entries[name].line
            self.problems.add_duplicate(self.path_of(entry.key), entry.node, first=first, line=entry.line)
        else:
            self._entries[name] = entry

    def _fold(self, name: str) -> str:
        return name.casefold() if self._ignore_case else name

    @property
    def names(self) -> list[str]:
        """The keys that the file holds, as written, in its order."""
        return [entry.key for entry in self._entries.values()]

    def path_of(self, name: str) -> str:
        """The dotted path of a key of this section."""
        return f"{self.key}.{name}".strip(".")

    def list_entries(self) -> list[tuple[Entry, str | None]]:
        """Each key of the file, in its order, with the name by which it was asked for; None: it was not."""
        known = {self._fold(name): name for name in self._known}
        return [(entry, known.get(name)) for name, entry in self._entries.items()]

    def find_meant(self, entry: Entry) -> str | None:
        """The key that ``entry``, which nobody asked for, probably is with a slip; None where none is near."""
        meant = find_nearest(entry.key, self._known)
        return meant if meant is not None and not self.has(meant) else None

    def line_of(self, name: str) -> int:
        """The line of a key; of the section, where the key is not in the file."""
        entry = self._entries.get(self._fold(name))
        return entry.line if entry else self.line

    def has(self, name: str) -> bool:
        """The file holds this key, if only as ``null``."""
        return self._fold(name) in self._entries

    def is_sound(self, *names: str) -> bool:
        """None of these keys was found wrong; without names: no key of this section was."""
        return self._wrong.isdisjoint(names) if names else not self._wrong

    def expect(self, names: Iterable[str]) -> None:
        """These are the keys of this section: what else is written in it is not known."""
        self._known += [name for name in names if name not in self._known]

    def rename(self, former: str, name: str) -> None:
        """Read a key by its former name, with a warning, where the file does not hold the name of today."""
        old, new = self._fold(former), self._fold(name)
        if old in self._entries and new not in self._entries:
            entry = self._entries[new] = self._entries.pop(old)
            self.problems.warn(
                f"is called {name} now", line=entry.line, key=self.path_of(entry.key), remedy=f"rename it to {name}"
            )

    def find(self, name: str) -> Value | None:
        """The value of a key, which is thereby known; None when the file does not hold it."""
        if name not in self._known:
            self._known.append(name)
        entry = self._entries.get(self._fold(name))
        return Value(self.problems, self.path_of(entry.key), entry.node) if entry else None

    def take(self, name: str, default: D, read: Reader[T]) -> T | D:
        """What ``read`` makes of a key; ``default`` when the file does not hold it, or holds a mistake."""
        value = self.find(name)
        if value is None:
            return default
        try:
            return read(value)
        except Rejected:
            self._wrong.add(name)
            return default

    def need(self, name: str, placeholder: D, read: Reader[T]) -> T | D:
        """Like ``take``, but a missing key is a mistake, which closing notes. Only a section that is not sound holds
        the placeholder.
        """
        if not self.has(name):
            self._missing.append(name)
            self._wrong.add(name)
        return self.take(name, placeholder, read)

    def section(self, name: str) -> Section:
        """The mapping under a key; an empty one when there is none, or nothing but comments in it."""
        value = self.find(name)
        if value is None:
            return Section(self.problems, self.path_of(name), None, line=self.line, ignore_case=self._ignore_case)
        try:
            return open_section(value, ignore_case=self._ignore_case)
        except Rejected:
            self._wrong.add(name)
            return Section(self.problems, value.key, None, line=value.node.line, ignore_case=self._ignore_case)

    def mark_wrong(self, name: str) -> None:
        """A mistake at the key ``name`` is noted already."""
        self._wrong.add(name)

    def report(self, name: str, message: str, *, remedy: str | None = None) -> None:
        """Note a mistake that shows only beside other keys, at the key ``name``."""
        self._wrong.add(name)
        entry = self._entries.get(self._fold(name))
        shown = show_node(entry.node) if entry else None
        self.problems.add(message, line=self.line_of(name), key=self.path_of(name), value=shown, remedy=remedy)

    def close(self) -> None:
        """Note every key that nobody asked for, and every one that is missing."""
        known = {self._fold(name) for name in self._known}
        for name, entry in self._entries.items():
            if name not in known:
                self._report_unknown(entry)
        self.close_leniently()

    def close_leniently(self) -> None:
        """Note every key that is missing, and leave those alone that nobody asked for: they have other owners."""
        for name in self._missing:
            self.report(
                name, "is missing", remedy=f'write "{name}": ...' if self.problems.json else f"write {name}: ..."
            )

    def warn_of_typos(self) -> None:
        """Note every key that nearly is one of those asked for: probably a slip, though it may be another program's."""
        for entry, known in self.list_entries():
            meant = None if known else self.find_meant(entry)
            if meant is not None:
                remedy = f"did you mean {meant}?"
                self.problems.warn("has no effect", line=entry.line, key=self.path_of(entry.key), remedy=remedy)

    def _report_unknown(self, entry: Entry) -> None:
        meant = find_nearest(entry.key.lower(), self._known)
        if meant in self._missing:
            self._missing.remove(meant)  # it is not missing but misspelt: one mistake, one message
        remedy = f"did you mean {meant}?" if meant else f"the keys here are {', '.join(self._known)}"
        self._wrong.add(entry.key)
        self.problems.add("unknown key", line=entry.line, key=self.path_of(entry.key), remedy=remedy)


def open_section(value: Value, *, ignore_case: bool = False) -> Section:
    """The mapping that ``value`` is, ``null`` being an empty one. Raises Rejected."""
    node: Node = value.node
    if isinstance(node, ScalarNode) and node.is_null:
        return Section(value.problems, value.key, None, line=node.line, ignore_case=ignore_case)
    if not isinstance(node, MappingNode):
        remedy = 'write keys in braces: {"key": ...}' if value.problems.json else "write keys below it, indented"
        value.reject("must contain keys and values", remedy)
    return Section(value.problems, value.key, node, ignore_case=ignore_case)
