"""Readers: each turns one node of a file into one typed value, or notes why it cannot and raises Rejected."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from inspect import isfunction
from typing import NoReturn, TypeVar, get_type_hints

from .durations import DURATION_PATTERN, format_duration, parse_duration
from .nodes import TRAPS, ListNode, Node, ScalarNode, show_node
from .problems import Problems

T = TypeVar("T")

# RFC 1123, as Kubernetes applies it: objects are named by a subdomain, namespaces and Services by a label.
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_PLAIN_LABEL = re.compile(_LABEL)
MOST_ITEMS = 300  # of a list that says nothing else; no honest one has more
_DURATION_REMEDY = "write it as 500ms, 5s, 10m, 1h or 1h30m, or as a number of seconds"


class Rejected(Exception):
    """The value cannot be used; why is among the problems already. A signal between readers that no user meets."""


@dataclass(frozen=True, slots=True)
class Value:
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
Schema = Mapping[str, object]  # a JSON Schema of what a reader takes


def described(schema: Schema | Callable[[], Schema]) -> Callable[[Reader[T]], Reader[T]]:
    """Give a reader the schema of what it takes, where the type that it returns does not say it.

    As a function it is made when it is asked for, which reading a file does not.
    """

    def describe(read: Reader[T]) -> Reader[T]:
        read.schema = schema  # type: ignore[attr-defined]
        return read

    return describe


def schema_of(read: Reader[object]) -> Schema:
    """What ``read`` takes: as it is described, else by the type that it returns. Empty: anything."""
    schema: Schema | Callable[[], Schema] | None = getattr(read, "schema", None)
    if schema is not None:
        return schema() if callable(schema) else schema
    returned = get_type_hints(read).get("return") if isfunction(read) else None
    if isinstance(returned, type) and issubclass(returned, StrEnum):
        return {"enum": [member.value for member in returned]}
    return _BY_TYPE.get(returned, {}) if isinstance(returned, type) else {}


_BY_TYPE: Mapping[type, Schema] = {bool: {"type": "boolean"}, str: {"type": "string", "minLength": 1}}


def read_text(value: Value) -> str:
    """Printable text that is not empty."""
    scalar = value.scalar("text")
    if scalar.is_trap:
        value.reject("programs disagree whether this is a word or a truth value", f'put it in quotes: "{scalar.text}"')
    if not isinstance(scalar.value, str):
        value.reject("must be text", f'put it in quotes: "{scalar.text}"')
    if not scalar.value.strip():
        value.reject("must not be empty", "write one, or remove the key to use the default")
    if not scalar.value.isprintable():
        value.reject("holds a character that cannot be printed", "remove it; in quotes write each backslash twice")
    return scalar.value


def read_flag(value: Value) -> bool:
    """``true`` or ``false``, and none of YAML 1.1's other spellings."""
    scalar = value.scalar("true or false")
    if not isinstance(scalar.value, bool):
        meant = {**TRAPS, "true": True, "false": False}.get(scalar.text.lower())
        value.reject("must be true or false", None if meant is None else f"write {str(meant).lower()}, without quotes")
    return scalar.value


def whole_number(low: int, high: int) -> Reader[int]:
    """A reader of whole numbers from ``low`` to ``high``, both included."""
    remedy = f"write a whole number from {low} to {high}"

    @described({"type": "integer", "minimum": low, "maximum": high})
    def read(value: Value) -> int:
        scalar = value.scalar("a whole number")
        if isinstance(scalar.value, bool) or not isinstance(scalar.value, int):
            value.reject("must be a whole number", "remove the quotes" if scalar.is_quoted_number else remedy)
        if not low <= scalar.value <= high:
            value.reject("is out of range", remedy)
        return scalar.value

    return read


read_port = whole_number(1, 65535)


def number(low: float, high: float) -> Reader[float]:
    """A reader of numbers, whole or with a fraction, from ``low`` to ``high``, both included."""
    remedy = f"write a number from {low:.7g} to {high:.7g}"

    @described({"type": "number", "minimum": low, "maximum": high})
    def read(value: Value) -> float:
        scalar = value.scalar("a number")
        if isinstance(scalar.value, bool) or not isinstance(scalar.value, int | float):
            value.reject("must be a number", "remove the quotes" if scalar.is_quoted_number else remedy)
        if not low <= scalar.value <= high:
            value.reject("is out of range", remedy)
        return float(scalar.value)

    return read


def duration(low: float, high: float) -> Reader[float]:
    """A reader of durations from ``low`` to ``high`` seconds, both included."""
    remedy = f"write a duration from {format_duration(low)} to {format_duration(high)}"
    seconds_schema = {"type": "number", "minimum": low, "maximum": high}

    @described({"anyOf": [{"type": "string", "pattern": DURATION_PATTERN}, seconds_schema]})
    def read(value: Value) -> float:
        seconds = _read_seconds(value, value.scalar("a duration"))
        if not low <= seconds <= high:
            value.reject("is out of range", remedy)
        return seconds

    return read


def _read_seconds(value: Value, scalar: ScalarNode) -> float:
    if isinstance(scalar.value, bool):
        value.reject("must be a duration", _DURATION_REMEDY)
    if isinstance(scalar.value, int | float):
        return float(scalar.value)
    try:
        return parse_duration(scalar.text)
    except ValueError:
        value.reject("must be a duration", _DURATION_REMEDY)


def choice(*names: str) -> Reader[str]:
    """A reader of one of ``names``."""

    @described({"enum": [str(name) for name in names]})
    def read(value: Value) -> str:
        text = value.scalar("a word").text
        if text not in names:
            value.reject("is none of the choices", f"write {join_choices(names)}")
        return text

    return read


def join_choices(names: Sequence[str]) -> str:
    """``a, b or c``."""
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def find_nearest(word: str, names: Sequence[str]) -> str | None:
    """The one of ``names`` most like ``word``; None when none is like it."""
    return next(iter(get_close_matches(word, names, n=1)), None)


def nullable(read: Reader[T]) -> Reader[T | None]:
    """A reader that also takes ``null``, as None."""

    @described(lambda: {"anyOf": [schema, {"type": "null"}]} if (schema := schema_of(read)) else {})
    def read_or_none(value: Value) -> T | None:
        return None if isinstance(value.node, ScalarNode) and value.node.is_null else read(value)

    return read_or_none


def list_of(read: Reader[T], *, most: int = MOST_ITEMS) -> Reader[tuple[T, ...]]:
    """A reader of lists of at most ``most`` items. It goes through all before it rejects the list for one of them."""

    @described(lambda: {"type": "array", "items": schema_of(read), "maxItems": most})
    def read_list(value: Value) -> tuple[T, ...]:
        if not isinstance(value.node, ListNode):
            example = '["a", "b"]' if value.problems.json else "[a, b] or as lines that begin with a dash"
            value.reject("must be a list", f"write it as {example}")
        if len(value.node.items) > most:
            value.reject(f"has {len(value.node.items)} items", f"write at most {most}")
        items, rejected = [], False
        for index, node in enumerate(value.node.items):
            try:
                items.append(read(Value(value.problems, f"{value.key}[{index}]", node)))
            except Rejected:
                rejected = True
        if rejected:
            raise Rejected
        return tuple(items)

    return read_list


def read_object_name(value: Value) -> str:
    """The name of a Kubernetes object: an RFC 1123 subdomain."""
    return _check_name(value, read_text(value), pattern=_SUBDOMAIN, longest=253)


def read_label(value: Value) -> str:
    """The name of a Kubernetes namespace or Service: an RFC 1123 label."""
    return _check_name(value, read_text(value), pattern=_PLAIN_LABEL, longest=63)


def _check_name(value: Value, name: str, *, pattern: re.Pattern[str] = _SUBDOMAIN, longest: int = 253) -> str:
    """``name``, when it matches. Raises Rejected."""
    if len(name) > longest:
        value.reject(f"is longer than the {longest} characters that Kubernetes allows", "shorten it")
    if not pattern.fullmatch(name):
        allowed = "a-z, 0-9, hyphens and dots" if pattern is _SUBDOMAIN else "a-z, 0-9 and hyphens"
        value.reject("is not a Kubernetes name by RFC 1123", f"use {allowed}, a letter or digit at both ends")
    return name
