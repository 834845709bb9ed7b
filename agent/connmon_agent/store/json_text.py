"""The JSON text of a value: canonical, and read back before it is handed out.

msgspec encodes and decodes. A Struct is an object with one member a field, keys sorted; one of several classes that a
field may hold names its own under ``is``; a NamedTuple or tuple is an array. Files of older and newer versions load:
members that no field asks for are passed over, and fields that no member gives take their default.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

from ..texts import make_encodable

T = TypeVar("T")

_ENCODER = msgspec.json.Encoder(order="sorted")
_NEGATIVE_ZERO = b"-0.0"


class JsonText(Generic[T]):
    """Both directions for one type. What reads is made at its first use, so that a command pays for what it reads."""

    def __init__(self, hint: Any) -> None:
        self._hint = hint

    @cached_property
    def _decoder(self) -> msgspec.json.Decoder[T]:
        return msgspec.json.Decoder(self._hint)

    def to_text(self, value: T) -> str:
        """The canonical text of ``value``: equal values give equal text.

        Raises ValueError naming the path of what could not be read again as it is: msgspec checks no types when it
        writes, and writes NaN and the infinities as null.
        """
        read = self._decoder.decode(_encode(value))
        if read != value:
            where = ".".join(_find_difference(value, read))
            raise ValueError(f"{where or 'the value'} would be read back otherwise")
        return _encode(read).decode()  # with 1 as 1.0 where a fraction may be

    def from_text(self, text: str | bytes) -> T:
        """The value that ``text`` stands for. Raises ValueError: no JSON, or naming the path of what does not fit."""
        try:
            return self._decoder.decode(text)
        except msgspec.DecodeError as error:
            if isinstance(error, msgspec.ValidationError) or not _may_hold_a_surrogate(text):
                raise
            return self._decoder.decode(_encode(_make_encodable(json.loads(text))))


def renew(text: str) -> str:
    """``text`` as it is written today, where an agent from before December 2026 wrote it; any other as it is.

    That agent escaped what is not ASCII, and kept half a surrogate pair as it came.
    """
    if "\\u" not in text:
        return text
    data = json.loads(text)
    as_then = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return _encode(_make_encodable(data)).decode() if as_then == text else text


def _encode(value: object) -> bytes:
    """Raises ValueError: msgspec cannot write it."""
    try:
        text = _ENCODER.encode(value)
    except (TypeError, OverflowError) as error:
        raise ValueError(str(error)) from error
    if _NEGATIVE_ZERO in text:  # which equals 0.0, but may be a part of a text as well
        text = _ENCODER.encode(_without_negative_zeros(msgspec.json.decode(text)))
    return text


def _without_negative_zeros(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _without_negative_zeros(member) for name, member in data.items()}
    if isinstance(data, list):
        return [_without_negative_zeros(item) for item in data]
    return data + 0.0 if isinstance(data, float) else data


def _find_difference(value: object, read: object) -> Iterator[str]:
    """The path to the first thing in ``value`` that ``read`` has otherwise, from the outside in."""
    for name, one, other in _pair_members(value, read):
        if one != other:
            yield name
            yield from _find_difference(one, other)
            return


def _pair_members(value: object, read: object) -> Iterator[tuple[str, object, object]]:
    if type(value) is not type(read):
        return
    if isinstance(value, msgspec.Struct):
        yield from ((name, getattr(value, name), getattr(read, name)) for name in value.__struct_fields__)
    elif isinstance(value, tuple) and isinstance(read, tuple):
        yield from ((str(place), one, other) for place, (one, other) in enumerate(zip(value, read, strict=True)))
    elif isinstance(value, Mapping) and isinstance(read, Mapping):
        yield from ((str(name), one, read.get(name)) for name, one in value.items())


def _may_hold_a_surrogate(text: str | bytes) -> bool:
    return "\\ud" in (text if isinstance(text, str) else text.decode("ascii", "replace")).lower()


def _make_encodable(data: Any) -> Any:
    if isinstance(data, dict):
        return {make_encodable(name): _make_encodable(member) for name, member in data.items()}
    if isinstance(data, list):
        return list(map(_make_encodable, data))
    return make_encodable(data) if isinstance(data, str) else data
