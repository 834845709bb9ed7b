"""The types of values: how each is read from a file, written into one, and described to an editor and to people."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, NoReturn, TypeVar

from .durations import DURATION_PATTERN, format_duration, parse_duration
from .nodes import TRAPS, ListNode, Node, ScalarNode, interpret_plain, show_node
from .problems import Problems

T = TypeVar("T")
Chosen = TypeVar("Chosen", bound=str)

# RFC 1123, as Kubernetes applies it: objects are named by a subdomain, namespaces and Services by a label.
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_PLAIN_LABEL = re.compile(_LABEL)
MOST_ITEMS = 300  # of a list that says nothing else; no honest one has more
_SAFE_WORD = re.compile(r"[A-Za-z/][-A-Za-z0-9_./]*")
_DURATION_REMEDY = "write it as 500ms, 5s, 10m, 1h or 1h30m, or as a number of seconds"


class Rejected(Exception):
    """The value cannot be used; why is among the problems already. A signal between readers that no user meets."""


class Value(NamedTuple):
    """One value of a file and the dotted path of its key."""

    problems: Problems
    key: str
    node: Node

    def reject(self, message: str, remedy: str | None = None) -> NoReturn:
        """Note that this value is a mistake. Raises Rejected."""
        self.problems.add(message, line=self.node.line, key=self.key, value=show_node(self.node), remedy=remedy)
        raise Rejected

    def scalar(self, wanted: str) -> ScalarNode:
        """The node, when it is one word or number. Raises Rejected, saying that it must be ``wanted``."""
        if not isinstance(self.node, ScalarNode):
            self.reject(f"must be {wanted}", "write one value here, without brackets or keys")
        if self.node.is_null:
            self.reject(f"must be {wanted}", "write one, or remove the key to use the default")
        return self.node


Reader = Callable[[Value], T]
Schema = Mapping[str, object]  # a JSON Schema


class ValueType(Generic[T]):
    """What may stand at a key: read from a file, written into one, and described twice.

    ``limits`` is what the documentation says is allowed; empty: the key's help says it.
    """

    limits: str = ""

    def schema(self) -> Schema:
        """What an editor can check of it."""
        raise NotImplementedError

    def read(self, value: Value) -> T:
        """What ``value`` means. Raises Rejected, with the mistake noted."""
        raise NotImplementedError

    def write(self, found: T) -> str:
        """``found`` as YAML that reads as the same."""
        return str(found)

    def write_lines(self, name: str, found: T) -> Iterator[str]:
        """The lines of YAML that give the key ``name`` the value ``found``."""
        yield f"{name}: {self.write(found)}"


class Flag(ValueType[bool]):
    """``true`` or ``false``, and none of YAML 1.1's other spellings."""

    limits = "`true`, `false`"

    def schema(self) -> Schema:
        return {"type": "boolean"}

    def read(self, value: Value) -> bool:
        scalar = value.scalar("true or false")
        if not isinstance(scalar.value, bool):
            meant = {**TRAPS, "true": True, "false": False}.get(scalar.text.lower())
            remedy = None if meant is None else f"write {str(meant).lower()}, without quotes"
            value.reject("must be true or false", remedy)
        return scalar.value

    def write(self, found: bool) -> str:
        return "true" if found else "false"


class WholeNumber(ValueType[int]):
    """Whole numbers from ``low`` to ``high``, both included, of so many ``unit``."""

    def __init__(self, low: int, high: int, unit: str = "") -> None:
        self.low, self.high, self.unit = low, high, unit
        self.limits = f"{low} to {high} {unit}".strip()

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    def read(self, value: Value) -> int:
        remedy = f"write a whole number from {self.low} to {self.high}"
        scalar = value.scalar("a whole number")
        if isinstance(scalar.value, bool) or not isinstance(scalar.value, int):
            value.reject("must be a whole number", "remove the quotes" if scalar.is_quoted_number else remedy)
        if not self.low <= scalar.value <= self.high:
            value.reject("is out of range", remedy)
        return scalar.value


class Number(ValueType[float]):
    """Numbers, whole or with a fraction, from ``low`` to ``high``, both included."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self.limits = f"{low:.7g} to {high:.7g}"

    def schema(self) -> Schema:
        return {"type": "number", "minimum": self.low, "maximum": self.high}

    def read(self, value: Value) -> float:
        remedy = f"write a number from {self.limits}"
        scalar = value.scalar("a number")
        if isinstance(scalar.value, bool) or not isinstance(scalar.value, int | float):
            value.reject("must be a number", "remove the quotes" if scalar.is_quoted_number else remedy)
        if not self.low <= scalar.value <= self.high:
            value.reject("is out of range", remedy)
        return float(scalar.value)

    def write(self, found: float) -> str:
        return repr(found).removesuffix(".0")


class Duration(ValueType[float]):
    """Durations from ``low`` to ``high`` seconds, both included: with units, or as a number of seconds."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high
        self.limits = f"{format_duration(low)} to {format_duration(high)}"

    def schema(self) -> Schema:
        seconds = {"type": "number", "minimum": self.low, "maximum": self.high}
        return {"anyOf": [{"type": "string", "pattern": DURATION_PATTERN}, seconds]}

    def read(self, value: Value) -> float:
        seconds = self._read_seconds(value, value.scalar("a duration"))
        if not self.low <= seconds <= self.high:
            value.reject("is out of range", f"write a duration from {self.limits}")
        return seconds

    def _read_seconds(self, value: Value, scalar: ScalarNode) -> float:
        if isinstance(scalar.value, bool):
            value.reject("must be a duration", _DURATION_REMEDY)
        if isinstance(scalar.value, int | float):
            return float(scalar.value)
        try:
            return parse_duration(scalar.text)
        except ValueError:
            value.reject("must be a duration", _DURATION_REMEDY)

    def write(self, found: float) -> str:
        """With units where that says exactly the same, else the number of seconds."""
        text = format_duration(found)
        return text if parse_duration(text) == found else repr(found)


class FlagOr(ValueType[bool | None]):
    """``true``, ``false`` or ``word``, which is None."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.limits = f"`{word}`, `true`, `false`"

    def schema(self) -> Schema:
        return {"enum": [self.word, True, False]}

    def read(self, value: Value) -> bool | None:
        scalar = value.scalar(f"{self.word}, true or false")
        if scalar.value == self.word:
            return None
        if not isinstance(scalar.value, bool):
            value.reject("is none of the choices", f"write {self.word}, true or false, without quotes")
        return scalar.value

    def write(self, found: bool | None) -> str:
        return self.word if found is None else FLAG.write(found)


class Choice(ValueType[Chosen]):
    """One of ``choices``: words, or the members of an enumeration of words."""

    def __init__(self, *choices: Chosen) -> None:
        self.choices = choices
        self.limits = ", ".join(f"`{choice}`" for choice in choices)

    def schema(self) -> Schema:
        return {"enum": [str(choice) for choice in self.choices]}

    def read(self, value: Value) -> Chosen:
        text = value.scalar("a word").text
        choice = next((choice for choice in self.choices if choice == text), None)
        if choice is None:
            value.reject("is none of the choices", f"write {join_choices(self.choices)}")
        return choice


class Text(ValueType[str]):
    """Text of which ``read`` takes what it allows; ``limits`` says what that is. ``quoted``: written in quotes."""

    def __init__(self, read: Reader[str], limits: str = "", *, quoted: bool = False) -> None:
        self._read, self.limits, self._quoted = read, limits, quoted

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1}

    def read(self, value: Value) -> str:
        return self._read(value)

    def write(self, found: str) -> str:
        return quote_text(found, always=self._quoted)


class OrNull(ValueType[T | None]):
    """What ``type`` takes, or ``null``, which is None."""

    def __init__(self, type: ValueType[T]) -> None:
        self.type = type
        self.limits = f"{type.limits}, `null`" if type.limits else ""

    def schema(self) -> Schema:
        return {"anyOf": [self.type.schema(), {"type": "null"}]}

    def read(self, value: Value) -> T | None:
        return None if isinstance(value.node, ScalarNode) and value.node.is_null else self.type.read(value)

    def write(self, found: T | None) -> str:
        return "null" if found is None else self.type.write(found)


class ListOf(ValueType[tuple[T, ...]]):
    """Lists of at most ``most`` items of ``type``. All items are read before the list is rejected for one of them."""

    def __init__(self, type: ValueType[T], *, most: int = MOST_ITEMS) -> None:
        self.type, self.most = type, most
        self.limits = f"a list, each {type.limits}" if type.limits else "a list"

    def schema(self) -> Schema:
        return {"type": "array", "items": self.type.schema(), "maxItems": self.most}

    def read(self, value: Value) -> tuple[T, ...]:
        if not isinstance(value.node, ListNode):
            example = '["a", "b"]' if value.problems.json else "[a, b] or as lines that begin with a dash"
            value.reject("must be a list", f"write it as {example}")
        if len(value.node.items) > self.most:
            value.reject(f"has {len(value.node.items)} items", f"write at most {self.most}")
        items, rejected = [], False
        for index, node in enumerate(value.node.items):
            try:
                items.append(self.type.read(Value(value.problems, f"{value.key}[{index}]", node)))
            except Rejected:
                rejected = True
        if rejected:
            raise Rejected
        return tuple(items)

    def write(self, found: Sequence[T]) -> str:
        return f"[{', '.join(map(self.type.write, found))}]"


def read_text(value: Value) -> str:
    """Printable text that is not empty. Raises Rejected."""
    scalar = value.scalar("text")
    if scalar.is_trap:
        value.reject(
            "is ambiguous: YAML versions read it as text or as true or false", f'put it in quotes: "{scalar.text}"'
        )
    if not isinstance(scalar.value, str):
        value.reject("must be text", f'put it in quotes: "{scalar.text}"')
    if not scalar.value.strip():
        value.reject("must not be empty", "write one, or remove the key to use the default")
    if not scalar.value.isprintable():
        value.reject("contains a character that cannot be printed", "remove it; in quotes write each backslash twice")
    return scalar.value


def read_object_name(value: Value) -> str:
    """The name of a Kubernetes object: an RFC 1123 subdomain. Raises Rejected."""
    return _check_name(value, read_text(value), pattern=_SUBDOMAIN, longest=253)


def read_label(value: Value) -> str:
    """The name of a Kubernetes namespace or Service: an RFC 1123 label. Raises Rejected."""
    return _check_name(value, read_text(value), pattern=_PLAIN_LABEL, longest=63)


def _check_name(value: Value, name: str, *, pattern: re.Pattern[str] = _SUBDOMAIN, longest: int = 253) -> str:
    """``name``, when it matches. Raises Rejected."""
    if len(name) > longest:
        value.reject(f"is longer than the {longest} characters that Kubernetes allows", "shorten it")
    if not pattern.fullmatch(name):
        allowed = "a-z, 0-9, hyphens and dots" if pattern is _SUBDOMAIN else "a-z, 0-9 and hyphens"
        value.reject("is not a Kubernetes name by RFC 1123", f"use {allowed}, a letter or digit at both ends")
    return name


def join_choices(names: Sequence[str]) -> str:
    """``a, b or c``."""
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def find_nearest(word: str, names: Sequence[str]) -> str | None:
    """The one of ``names`` most like ``word``; None when none is like it."""
    from difflib import get_close_matches  # only where a file holds a slip

    return next(iter(get_close_matches(word, names, n=1)), None)


def quote_text(text: str, *, always: bool = False) -> str:
    """``text`` as a YAML scalar that reads as this text: bare where every YAML reader sees a word, else in quotes."""
    node = interpret_plain(text, 0)
    if not always and _SAFE_WORD.fullmatch(text) and isinstance(node.value, str) and not node.is_trap:
        return text
    return f'"{"".join(map(_escape, text))}"'


def _escape(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"


FLAG = Flag()
TEXT = Text(read_text)
LABEL = Text(read_label, "a Kubernetes name")
OBJECT_NAME = Text(read_object_name, "a Kubernetes name")
PORT = WholeNumber(1, 65535)
