"""Changed copies of frozen values, for the hot path of a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Copier(Generic[T]):
    """``dataclasses.replace`` for one class. A step copies about seven values, so this decides how fast it is.

    The class must be a frozen dataclass with slots and without ``__post_init__``. A function that is generated for the
    class, as ``dataclasses`` generates its ``__init__``, fills its copies slot by slot.
    """

    __slots__ = ("copy",)

    copy: Callable[[T, Mapping[str, Any]], T]  # the value with the changes; KeyError: the class has no such field

    def __init__(self, cls: type[T]) -> None:
        setters = {field.name: getattr(cls, field.name).__set__ for field in fields(cls)}  # type: ignore[arg-type]  # only dataclasses have fields
        lines = [f"    set_{name}(copied, value.{name})" for name in setters]
        text = "\n".join((_HEAD, *lines, _TAIL))
        scope: dict[str, Any] = {"cls": cls, "make": object.__new__, "setters": setters}
        scope |= {f"set_{name}": setter for name, setter in setters.items()}
        exec(text, scope)  # nothing goes into the text but the names of the class's own fields
        self.copy = scope["copy"]


_HEAD = "def copy(value, changes):\n    copied = make(cls)"
_TAIL = "    for name in changes:\n        setters[name](copied, changes[name])\n    return copied"
