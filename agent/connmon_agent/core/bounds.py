"""The door for what events say in words: no reason of others fills the journal, or brings a credential into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from operator import is_
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from msgspec import Struct
from msgspec.structs import replace

from ..texts import LONGEST_MESSAGE, LONGEST_REASON, make_encodable, make_safe

T = TypeVar("T")
Bound = Callable[[Any], Any]  # gives the same object back where nothing is too long


class Longest(Struct, frozen=True):
    """Marks a text for people: ``bound_words`` makes it safe, and cuts it to so many characters."""

    characters: int


# A text for people in an event or in what was seen. Identities (names, tokens, uids) are plain strings: cut, they would
# name something else. Only what UTF-8 cannot hold is written as escapes there.
Words = Annotated[str, Longest(LONGEST_REASON)]
# One that is made of several reasons: of each of some pods, say.
Sentences = Annotated[str, Longest(LONGEST_MESSAGE)]


def bound_words(value: T) -> T:
    """``value``, a Struct or a tuple of them, with its ``Words`` and ``Sentences`` made safe (``texts.make_safe``).

    Its other texts are made encodable (``texts.make_encodable``), but for keys and values of mappings, which only the
    configuration fills. The very same object where nothing changes.
    """
    bounded: T = _bound_any(value)
    return bounded


def _bound_any(value: Any) -> Any:
    """By the class that it is, so that unions need no telling apart."""
    if isinstance(value, tuple):
        return _bound_items(_bound_any)(value)
    cls: Any = type(value)
    changes = {}
    for name, bound in _bounds_of(cls):
        was = getattr(value, name)
        now = was if was is None else bound(was)
        if now is not was:
            changes[name] = now
    return replace(value, **changes) if changes else value


@cache
def _bounds_of(cls: Any) -> tuple[tuple[str, Bound], ...]:
    """What is done to which fields of ``cls``; nothing where it is no Struct."""
    if not issubclass(cls, Struct):
        return ()
    hints = get_type_hints(cls, include_extras=True).items()
    return tuple((name, bound) for name, hint in hints if (bound := _find_bound(hint)) is not None)


def _find_bound(hint: Any) -> Bound | None:
    """What bounds the values of ``hint``; None: they hold no text."""
    if get_origin(hint) is Annotated:
        longest = next((mark.characters for mark in get_args(hint) if isinstance(mark, Longest)), None)
        return None if longest is None else lambda text: make_safe(text, longest)
    if hint is str:
        return make_encodable
    if isinstance(hint, type):
        return _bound_any if _bounds_of(hint) else None
    if get_origin(hint) is Mapping:
        return None
    found = [(inner, _find_bound(inner)) for inner in get_args(hint)]
    if all(bound is None for _, bound in found):
        return None
    if get_origin(hint) in (Union, UnionType):  # of several Structs, or of a text and None
        bounds = [bound for _, bound in found if bound is not None]
        return bounds[0] if len(bounds) == 1 else _bound_any
    if get_origin(hint) is not tuple:
        raise TypeError(f"words in {hint} cannot be bounded")
    if found[-1][0] is Ellipsis:
        return _bound_items(found[0][1] or _bound_any)
    return _bound_row([bound for _, bound in found])


def _bound_items(bound: Bound) -> Bound:
    def bound_all(items: tuple[Any, ...]) -> tuple[Any, ...]:
        bounded = [bound(item) for item in items]
        return items if all(map(is_, bounded, items)) else tuple(bounded)

    return bound_all


def _bound_row(bounds: list[Bound | None]) -> Bound:
    def bound_each(row: tuple[Any, ...]) -> tuple[Any, ...]:
        bounded = [item if bound is None else bound(item) for item, bound in zip(row, bounds, strict=True)]
        return row if all(map(is_, bounded, row)) else tuple(bounded)

    return bound_each
