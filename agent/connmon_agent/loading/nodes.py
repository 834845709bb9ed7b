"""What YAML and JSON have in common, with the line of every key and value."""

from __future__ import annotations

import re

from msgspec import Struct

from ..redaction import redact
from ..texts import LONGEST_READ

MAX_DEPTH = 100  # no honest file nests deeper; it keeps a hostile one from exhausting the stack

# YAML 1.1 reads these as truth values, YAML 1.2 as words. They are words here, and refused where that could surprise.
TRAPS = {"on": True, "yes": True, "y": True, "off": False, "no": False, "n": False}

_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_WHOLE_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,3})?")


class ScalarNode(Struct, frozen=True):
    """One word, number, truth value or null.

    ``text`` is what the file says, without quotes; ``quoted`` tells text that was meant as text.
    """

    value: bool | int | float | str | None
    text: str
    line: int
    quoted: bool = False

    @property
    def is_null(self) -> bool:
        """Nothing was written, or ``null``."""
        return self.value is None

    @property
    def is_trap(self) -> bool:
        """An unquoted on, off, yes, no, y or n: a word to one reader of YAML, a truth value to another."""
        return not self.quoted and isinstance(self.value, str) and self.text.lower() in TRAPS

    @property
    def is_quoted_number(self) -> bool:
        """Digits in quotes, which make them text."""
        return self.quoted and self.text.isdecimal()


class Entry(Struct, frozen=True):
    """One key of a mapping with its value. ``line`` is the key's."""

    key: str
    line: int
    node: Node


class ListNode(Struct):
    """A list. Built piece by piece by its reader, and never changed afterwards."""

    line: int
    items: list[Node] = []


class MappingNode(Struct):
    """Keys and values in the order of the file; of a key that was written twice, the first one."""

    line: int
    entries: dict[str, Entry] = {}


Node = ScalarNode | ListNode | MappingNode


def interpret_plain(text: str, line: int) -> ScalarNode:
    """An unquoted scalar: null, true, false, a decimal number, else text.

    ``1:30``, ``010``, ``0x1F``, ``1_000`` and ``.inf``, numbers in YAML 1.1, stay text: a wrong guess would be silent.
    """
    if text in _CONSTANTS:
        return ScalarNode(_CONSTANTS[text], text, line)
    if _WHOLE_NUMBER.fullmatch(text):
        return ScalarNode(int(text), text, line)
    if _NUMBER.fullmatch(text):
        return ScalarNode(float(text), text, line)
    return ScalarNode(text, text, line)


def show_node(node: Node, *, depth: int = 2) -> str:
    """The value as written, for a message: on one line, cut at 80 characters and at ``depth`` nested brackets.

    Credentials are taken out before it is cut: a part of one may not look like one any more.
    """
    text = redact(_show_whole(node, depth))
    return text if len(text) <= 80 else text[:77] + "..."


def _show_whole(node: Node, depth: int) -> str:
    # Only the first items can be seen anyway; and aliases can make a short file unfold without end.
    if isinstance(node, ListNode):
        return f"[{', '.join(_show_whole(item, depth - 1) for item in node.items[:20])}]" if depth else "[...]"
    if isinstance(node, MappingNode):
        entries = list(node.entries.values())[:20]
        shown = ", ".join(f"{entry.key}: {_show_whole(entry.node, depth - 1)}" for entry in entries) if depth else "..."
        return f"{{{shown}}}"
    text = redact(node.text[:LONGEST_READ])[:81]
    if not text.isprintable():
        text = text.encode("unicode_escape").decode()
    return f'"{text}"' if node.quoted else text or "nothing"
