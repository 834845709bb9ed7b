"""Changed copies of frozen values, for the hot path of a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_HEAD = "def copy(value, changes):\n    copied = make(cls)"
_TAIL = "    for name in changes:\n        setters[name](copied, changes[name])\n    return copied"


class Copier(Generic[T]):
    """``dataclasses.replace`` for one class. A step copies about seven values, so this decides how fast it is.

    The class must be a frozen dataclass with slots and without ``__post_init__``. A function that is generated for the
    class, as ``dataclasses`` generates its ``__init__``, fills its copies slot by slot.
    """

    __slots__ = ("_cls", "copy")

    copy: Callable[[T, Mapping[str, Any]], T]  # the value with the changes; KeyError: the class has no such field

    def __init__(self, cls: type[T]) -> None:
        self._cls = cls

    def __getattr__(self, name: str) -> Callable[[T, Mapping[str, Any]], T]:
        """Called for ``copy`` until it is generated, at its first use: what only reads does not pay for it."""
        if name != "copy":
            raise AttributeError(name)
        self.copy = _generate(self._cls)
        return self.copy


def _generate(cls: type[T]) -> Callable[[T, Mapping[str, Any]], T]:
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # only dataclasses have fields
    setters = {name: getattr(cls, name).__set__ for name in names}
    lines = [f"    set_{name}(copied, value.{name})" for name in names]
    scope: dict[str, Any] = {"cls": cls, "make": object.__new__, "setters": setters}
    scope |= {f"set_{name}": setter for name, setter in setters.items()}
    exec("\n".join((_HEAD, *lines, _TAIL)), scope)  # nothing but the names of the class's own fields goes into the text
    copy: Callable[[T, Mapping[str, Any]], T] = scope["copy"]
    return copy
