"""Readers of what PowerShell and hand-edited JSON hold: a number in quotes, a list that became text, ``"False"``.

PowerShell writes such values by itself: arithmetic on what ``Read-Host`` returned gives text, ``ConvertTo-Json`` turns
what lies deeper than its ``-Depth`` into text, and a list of one item into that item. They are accepted where only one
meaning is possible. Like every reader, these note a mistake and raise Rejected.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from .nodes import ListNode, ScalarNode, interpret_plain
from .values import MOST_ITEMS, Reader, Value, list_of, read_flag, whole_number

T = TypeVar("T")

DEPTH_REMEDY = "write the file again with ConvertTo-Json -Depth 10"

# What .NET prints of a list or an object that ConvertTo-Json did not go into.
_CUT_OFF = re.compile(r"@\{|System\.\w+(\.\w+)*(\[\])?$")
_DECIMAL = re.compile(r"[0-9]+[.,][0-9]+")
_THOUSANDS = re.compile(r"[0-9]+[.,][0-9]{3}")  # 1,000 is a thousand in English and one in German
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def not_cut_off(read: Reader[T]) -> Reader[T]:
    """A reader that says so where PowerShell left only a type's name or ``@{...}`` of the value."""

    def read_whole(value: Value) -> T:
        if isinstance(value.node, ScalarNode) and _CUT_OFF.match(value.node.text):
            value.reject("was cut off by PowerShell", DEPTH_REMEDY)
        return read(value)

    return read_whole


def whole(low: int, high: int) -> Reader[int]:
    """A reader of whole numbers from ``low`` to ``high``, in quotes or not."""
    read = whole_number(low, high)
    return lambda value: read(_unquote(value))


def seconds(low: float, high: float) -> Reader[float]:
    """A reader of numbers of seconds, in quotes or not, with a point or a comma. The ERP's format has no units."""

    def read(value: Value) -> float:
        number = _unquote(value).scalar("a number of seconds").value
        if isinstance(number, bool) or not isinstance(number, int | float):
            value.reject("must be a number of seconds", "write it without quotes and unit: 30")
        if not low <= number <= high:
            value.reject("is out of range", f"write a number of seconds from {low:g} to {high:g}")
        return float(number)

    return read


def read_loose_flag(value: Value) -> bool:
    """``true`` or ``false``, in quotes or not and in any case, or 1 or 0."""
    scalar = value.scalar("true or false")
    meant = _FLAGS.get(scalar.text.strip().lower())
    return read_flag(value) if meant is None else meant


def loose_list(read: Reader[T], *, most: int = MOST_ITEMS) -> Reader[tuple[T, ...]]:
    """Reads lists of at most ``most`` items without blanks: also ``"8081 8082"``, ``"8081, 8082"`` or one item."""
    read_items = list_of(read, most=most)

    def read_list(value: Value) -> tuple[T, ...]:
        return read_items(_replace(value, _split))

    return not_cut_off(read_list)


def _split(node: ScalarNode) -> ListNode | ScalarNode:
    if node.is_null:
        return node
    if not node.quoted:
        return ListNode(node.line, [node])
    words = node.text.replace(",", " ").split()
    return ListNode(node.line, [ScalarNode(word, word, node.line, quoted=True) for word in words])


def _unquote(value: Value) -> Value:
    return _replace(value, _interpret)


def _interpret(node: ScalarNode) -> ScalarNode:
    """The number that a text in quotes is; the node itself where it is none, or not sure."""
    text = node.text.strip()
    if not node.quoted or _THOUSANDS.fullmatch(text):
        return node
    number = interpret_plain(text.replace(",", ".") if _DECIMAL.fullmatch(text) else text, node.line)
    return number if isinstance(number.value, int | float) and not isinstance(number.value, bool) else node


def _replace(value: Value, change: Callable[[ScalarNode], ScalarNode | ListNode]) -> Value:
    node = value.node
    return Value(value.problems, value.key, change(node)) if isinstance(node, ScalarNode) else value
