"""YAML to nodes. The only door to PyYAML's parser; nothing in a file is ever constructed or executed."""

from __future__ import annotations

from typing import Any

import yaml
from msgspec import Struct

from ..errors import ConfigurationError
from .nodes import MAX_DEPTH, Entry, ListNode, MappingNode, Node, ScalarNode, interpret_plain
from .problems import Problems, refuse_file

# libyaml's parser is ten times as fast; a PyYAML built without it has the same parser in Python.
FASTEST_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_TAG_OF_TEXT = "tag:yaml.org,2002:str"
_TOO_DEEP = f"lists and mappings nest deeper than {MAX_DEPTH} levels"


def parse_yaml(text: str, problems: Problems, *, loader: Any = FASTEST_LOADER) -> Node | None:
    """The one document of ``text``; None when there is nothing in it. ``loader`` is one of PyYAML's.

    Duplicate keys, tags and merge keys are noted in ``problems`` and passed over.
    Raises ConfigurationError for text that is not YAML.
    """
    builder = _Builder(problems)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _translate(error, text, problems.file) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, max(text.find(chr(error.character)), 0)) + 1
        message = f"not a text file: it contains the character U+{error.character:04X}"
        raise refuse_file(problems.file, message, line=line, remedy="remove the character") from error
    return builder.root


def _translate(error: yaml.MarkedYAMLError, text: str, file: str) -> ConfigurationError:
    line, last = error.problem_mark.line + 1 if error.problem_mark else None, text.rstrip().count("\n") + 1
    if line is not None and line > last:
        # There is nothing to look at behind the last line: name the one that opened what was never closed.
        line = min(error.context_mark.line + 1, last) if error.context_mark else last
    if "nesting depth" in (error.problem or ""):
        # A newer libyaml has a bound of its own, and looks far enough ahead to meet it before the builder meets ours.
        return refuse_file(file, _TOO_DEEP, line=line)
    context = f"{error.context}: " if error.context else ""
    remedy = "look at this line and the ones before it: indentation, a missing colon, an open quote or bracket"
    if line is not None and "\t" in text.splitlines()[line - 1]:
        remedy = "indent with spaces: YAML allows no tabs"
    if any(word in (error.problem or "") for word in ("escape", "hexdecimal", "hexadecimal")):  # a path of Windows
        remedy = r"write it in single quotes, 'C:\ERP\logs', or each backslash twice"
    return refuse_file(file, f"this is not YAML: {context}{error.problem}", line=line, remedy=remedy)


class _Level(Struct):
    """A list or mapping that is still open. ``entry_key`` waits for its value."""

    node: ListNode | MappingNode
    path: str
    entry_key: ScalarNode | None = None


class _Builder(Struct):
    """Turns parser events into nodes without recursion, so that no depth can exhaust the stack."""

    problems: Problems
    root: Node | None = None
    levels: list[_Level] = []
    anchors: dict[str, Node] = {}
    documents: int = 0

    def take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._start_document(line)
        elif isinstance(event, yaml.ScalarEvent):
            self._place(self._read_scalar(event, line), event.anchor, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._open(ListNode(line), event, line)
        elif isinstance(event, yaml.MappingStartEvent):
            self._open(MappingNode(line), event, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.levels.pop()
        elif isinstance(event, yaml.AliasEvent):
            self._place(self._resolve(event.anchor, line), None, line)

    def _start_document(self, line: int) -> None:
        self.documents += 1
        if self.documents > 1:
            message, remedy = "a second document starts here", "keep one document per file; remove the line ---"
            raise refuse_file(self.problems.file, message, line=line, remedy=remedy)

    def _read_scalar(self, event: yaml.ScalarEvent, line: int) -> ScalarNode:
        self._check_tag(event.tag, line)
        if event.style or event.tag == _TAG_OF_TEXT:
            return ScalarNode(event.value, event.value, line, quoted=True)
        return interpret_plain(event.value, line)

    def _check_tag(self, tag: str | None, line: int) -> None:
        if tag not in (None, "!", _TAG_OF_TEXT):
            self.problems.add("tags are not supported", line=line, key=self._path(), value=tag, remedy="remove the tag")

    def _resolve(self, anchor: str | None, line: int) -> Node:
        node = self.anchors.get(anchor or "")
        if node is None or any(level.node is node for level in self.levels):
            message = "this alias names no value" if node is None else "this alias names a value that contains it"
            raise refuse_file(self.problems.file, f"{message}: *{anchor}", line=line, remedy="write the value itself")
        return node

    def _open(self, node: ListNode | MappingNode, event: yaml.CollectionStartEvent, line: int) -> None:
        self._check_tag(event.tag, line)
        if len(self.levels) >= MAX_DEPTH:
            raise refuse_file(self.problems.file, _TOO_DEEP, line=line)
        path = self._path()
        self._place(node, event.anchor, line)
        self.levels.append(_Level(node, path))

    def _path(self) -> str:
        """Where the next value goes: ``link.targets[2].port``."""
        if not self.levels:
            return ""
        level = self.levels[-1]
        if isinstance(level.node, ListNode):
            return f"{level.path}[{len(level.node.items)}]"
        name = level.entry_key.text if level.entry_key else ""
        return f"{level.path}.{name}".strip(".")

    def _place(self, node: Node, anchor: str | None, line: int) -> None:
        if anchor is not None:
            self.anchors[anchor] = node
        if not self.levels:
            self.root = node
            return
        level = self.levels[-1]
        if isinstance(level.node, ListNode):
            level.node.items.append(node)
        elif level.entry_key is None:
            level.entry_key = self._read_key(node, line)
        else:
            self._set_entry(level.node, level.entry_key, node)
            level.entry_key = None

    def _read_key(self, node: Node, line: int) -> ScalarNode:
        if not isinstance(node, ScalarNode):
            message, remedy = "a list or mapping cannot be a key", "write a plain name before the colon"
            raise refuse_file(self.problems.file, message, line=line, remedy=remedy)
        return node

    def _set_entry(self, mapping: MappingNode, key: ScalarNode, node: Node) -> None:
        if key.text == "<<" and not key.quoted:
            remedy = "write the settings out where they are meant"
            self.problems.add("merge keys are not supported", line=key.line, key=self._path(), remedy=remedy)
        elif key.text in mapping.entries:
            first = mapping.entries[key.text].line
            self.problems.add_duplicate(self._path(), node, first=first, line=key.line)
        else:
            mapping.entries[key.text] = Entry(key.text, key.line, node)
