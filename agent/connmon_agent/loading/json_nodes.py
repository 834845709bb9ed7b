"""JSON to nodes, by JSON's own rules: YAML, its near superset, refuses tabs and reads escapes otherwise."""

from __future__ import annotations

import json
import re

from msgspec import Struct

from .nodes import MAX_DEPTH, Entry, ListNode, MappingNode, Node, ScalarNode
from .problems import Problems, refuse_file

_BLANK = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[-+.0-9A-Za-z]+')
_COMMENT = re.compile(r"\s*(//|/\*|#)")
# Strings are matched first, so that a comma in one is none of these.
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=[ \t\r\n]*[}\]])')
_DECIMAL_COMMA = re.compile(r":\s*[0-9]+,[0-9]+\s*[,}\]\r\n]")


def parse_json(text: str, problems: Problems) -> Node:
    """The value of ``text``. Duplicate keys are noted in ``problems``, and the first one is taken.

    A comma before a closing bracket is passed over: it can mean nothing else.
    Raises ConfigurationError for text that is not JSON.
    """
    text = _TRAILING_COMMA.sub(lambda found: found[1] or " ", text)
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        remedy = _advise(error, text)
        raise refuse_file(problems.file, f"this is not JSON: {error.msg}", line=error.lineno, remedy=remedy) from error
    except RecursionError as error:
        raise refuse_file(problems.file, f"lists and mappings nest deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise refuse_file(problems.file, f"this is not JSON: {error}", remedy="write a decimal number") from error
    return _Walker(text, problems).read_document()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _advise(error: json.JSONDecodeError, text: str) -> str:
    line = "".join(text.split("\n")[error.lineno - 1 : error.lineno])  # as json counts lines
    if _COMMENT.match(line) or _COMMENT.match(text, error.pos):
        return "remove the comment; JSON does not allow comments"
    if _DECIMAL_COMMA.search(line):
        return "write decimal numbers with a point: 2.5"
    if error.pos >= len(text.rstrip()):
        return "the file ends too early: add the missing closing brackets } or ] at its end"
    if "escape" in error.msg:
        return r"write each backslash twice: C:\\ERP\\logs"
    return "look at this line and the one before it: a missing or extra comma, quote or bracket"


class _Walker(Struct):
    """Goes through text that is known to be JSON, only to learn where each value stands."""

    text: str
    problems: Problems
    at: int = 0
    line: int = 1
    counted: int = 0  # up to here the line breaks are counted

    def read_document(self) -> Node:
        self._skip_blanks()
        return self._read_value("", 0)

    def _skip_blanks(self) -> str:
        """Go on to the next character that means something, and return it."""
        match = _BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at
        self.line += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        return self.text[self.at : self.at + 1]

    def _read_value(self, path: str, depth: int) -> Node:
        if depth > MAX_DEPTH:
            message = f"lists and mappings nest deeper than {MAX_DEPTH} levels"
            raise refuse_file(self.problems.file, message, line=self.line)
        character = self.text[self.at]
        if character == "{":
            return self._read_mapping(path, depth)
        if character == "[":
            return self._read_list(path, depth)
        return self._read_scalar()

    def _read_scalar(self) -> ScalarNode:
        match = _TOKEN.match(self.text, self.at)
        token = match[0] if match else ""
        self.at += len(token)
        value = json.loads(token)
        quoted = isinstance(value, str)
        return ScalarNode(value, value if quoted else token, self.line, quoted=quoted)

    def _read_list(self, path: str, depth: int) -> ListNode:
        node = ListNode(self.line)
        self.at += 1
        while self._skip_blanks() != "]":
            node.items.append(self._read_value(f"{path}[{len(node.items)}]", depth + 1))
            self._skip_comma()
        self.at += 1
        return node

    def _read_mapping(self, path: str, depth: int) -> MappingNode:
        node = MappingNode(self.line)
        self.at += 1
        while self._skip_blanks() != "}":
            self._read_entry(node, path, depth)
            self._skip_comma()
        self.at += 1
        return node

    def _read_entry(self, mapping: MappingNode, path: str, depth: int) -> None:
        key = self._read_scalar()
        where = f"{path}.{key.text}".strip(".")
        self._skip_blanks()
        self.at += 1  # the colon
        self._skip_blanks()
        node = self._read_value(where, depth + 1)
        if key.text in mapping.entries:
            self.problems.add_duplicate(where, node, first=mapping.entries[key.text].line, line=key.line)
        else:
            mapping.entries[key.text] = Entry(key.text, key.line, node)

    def _skip_comma(self) -> None:
        if self._skip_blanks() == ",":
            self.at += 1
