"""Core values as plain JSON data and back, without loss.

A class is read once, by its type hints, and compiled into closures. The forms:

    dataclass                an object with one member a field
    union of dataclasses     the object of the one it is, with the class's name under ``is``
    NamedTuple, tuple        an array
    Mapping[str, ...]        an object
    Enum                     its value
    None, bool, int, str     themselves
    float                    a number with a fraction; NaN and the infinities are refused

The text is canonical: equal values give equal text. Databases of older and newer versions load: members that no field
asks for are passed over, and fields that no member gives take their default.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache, partial
from typing import Any, Generic, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
Convert = Callable[[Any], Any]

TAG = "is"  # a Python keyword, so no field can ever be called so


class Misfit(ValueError):
    """A value that does not fit its type; ``path`` leads to it from the outside in."""

    def __init__(self, message: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(f"{'.'.join(path)}: {message}" if path else message)
        self.message = message
        self.path = path

    def under(self, name: object) -> Misfit:
        """The same misfit, seen from one level further out."""
        return Misfit(self.message, (str(name), *self.path))


class Codec(Generic[T]):
    """Both directions for one type, each compiled when it is first used: what only reads pays for reading alone."""

    __slots__ = ("_hint", "decode_data", "encode_data")

    encode_data: Convert
    decode_data: Convert

    def __init__(self, hint: Any) -> None:
        self._hint = hint

    def __getattr__(self, name: str) -> Convert:
        """Called for the slots that are still empty. Raises TypeError for a hint that has no form."""
        tables = {"encode_data": _ENCODERS, "decode_data": _DECODERS}
        if name not in tables:
            raise AttributeError(name)
        convert: Convert = _compile(self._hint, tables[name])
        setattr(self, name, convert)
        return convert

    def encode(self, value: T) -> Any:
        """``value`` as JSON data. Raises ValueError naming the path of what does not fit its hint."""
        return self.encode_data(value)

    def decode(self, data: object) -> T:
        """The value that ``data`` stands for. Raises ValueError naming the path of what does not fit."""
        value: T = self.decode_data(data)
        return value

    def to_text(self, value: T) -> str:
        """The canonical text of ``value``: ASCII, keys sorted, no whitespace. Raises ValueError as ``encode`` does."""
        return _WRITER.encode(self.encode_data(value))

    def from_text(self, text: str) -> T:
        """The value that ``text`` stands for. Raises ValueError: no JSON, or as ``decode`` does."""
        data, end = _READER.raw_decode(text)
        if end != len(text):  # whitespace, or rubbish
            data = _READER.decode(text)
        value: T = self.decode_data(data)
        return value


@cache
def codec_for(hint: Any) -> Codec[Any]:
    """The codec of a class or of any hint made of the forms above; where a hint has none, its use raises TypeError."""
    return Codec(hint)


def _refuse_constant(name: str) -> NoReturn:
    raise Misfit(f"{name} is no JSON number")


_WRITER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False)  # trees only
_READER = json.JSONDecoder(parse_constant=_refuse_constant)


def _misfit(wanted: str, got: object) -> Misfit:
    shown = repr(got)
    return Misfit(f"expected {wanted}, got {shown if len(shown) <= 60 else shown[:57] + '...'}")


def _exactly(kind: type, wanted: str) -> Convert:
    def convert(value: Any) -> Any:
        if type(value) is kind:
            return value
        raise _misfit(wanted, value)

    return convert


def _decode_float(data: Any) -> float:
    if type(data) is float:
        return data
    if type(data) is int:
        return float(data)
    raise _misfit("a number", data)


def _encode_float(value: Any) -> float:
    if type(value) is float or type(value) is int:
        return value + 0.0  # 1 equals 1.0 and -0.0 equals 0.0: equal values, equal text
    raise _misfit("a number", value)


def _encode_str(value: Any) -> str:
    if isinstance(value, str):  # the states are held as members of a StrEnum
        return value
    raise _misfit("a string", value)


_COMMON: dict[Any, Convert] = {bool: _exactly(bool, "true or false"), int: _exactly(int, "a whole number")}
_LEAF_ENCODERS = {**_COMMON, str: _encode_str, float: _encode_float}
_LEAF_DECODERS = {**_COMMON, str: _exactly(str, "a string"), float: _decode_float}


@dataclasses.dataclass(frozen=True, slots=True)
class _Direction:
    """What encoding and decoding do differently."""

    leaves: Mapping[Any, Convert]
    record: Callable[[type, dict[str, Convert]], Convert]  # a dataclass and its fields
    tagged: Callable[[dict[str, type], dict[str, Convert]], Convert]  # a union's members
    enum: Callable[[type[Enum]], Convert]
    sequence: type  # what an array is on the side that is read
    build: Callable[[type], Callable[[list[Any]], Any]]  # what it becomes on the other


def _compile(hint: Any, direction: _Direction) -> Convert:
    """The closure that converts values of ``hint``. Raises TypeError: no form is known for it."""
    if hint in direction.leaves:
        return direction.leaves[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _compile_union(arguments, direction)
    if origin is tuple:
        return _compile_tuple(arguments, direction)
    if origin is not None and issubclass(origin, Mapping) and arguments[0] is str:
        return _convert_mapping(_compile(arguments[1], direction))
    if isinstance(hint, type):
        return _compile_class(hint, direction)
    raise TypeError(f"no JSON form is known for {hint}")


def _compile_class(cls: type, direction: _Direction) -> Convert:
    if issubclass(cls, Enum):
        return direction.enum(cls)
    if dataclasses.is_dataclass(cls) or hasattr(cls, "_fields"):
        fields = {name: _compile(hint, direction) for name, hint in get_type_hints(cls).items()}
        if dataclasses.is_dataclass(cls):
            return direction.record(cls, fields)
        return _convert_row(tuple(fields.values()), direction.build(cls), (direction.sequence, cls))
    raise TypeError(f"no JSON form is known for {cls.__name__}")


def _compile_union(members: tuple[Any, ...], direction: _Direction) -> Convert:
    some = [member for member in members if member is not type(None)]
    if len(some) == 1:
        convert = _compile(some[0], direction)
    elif all(dataclasses.is_dataclass(member) for member in some):
        convert = direction.tagged(
            {member.__name__: member for member in some},
            {member.__name__: _compile(member, direction) for member in some},
        )
    else:
        raise TypeError(f"no JSON form is known for a union of {', '.join(map(str, some))}")
    return convert if len(some) == len(members) else _or_none(convert)


def _compile_tuple(arguments: tuple[Any, ...], direction: _Direction) -> Convert:
    build = direction.build(tuple)
    if arguments[-1] is Ellipsis:
        return _convert_items(_compile(arguments[0], direction), build, direction.sequence)
    return _convert_row(tuple(_compile(hint, direction) for hint in arguments), build, (direction.sequence,))


def _or_none(convert_some: Convert) -> Convert:
    def convert(value: Any) -> Any:
        return None if value is None else convert_some(value)

    return convert


def _convert_items(convert_item: Convert, build: Convert, sequence: type[Any]) -> Convert:
    def convert(value: Any) -> Any:
        if not isinstance(value, sequence):
            raise _misfit("an array", value)
        try:
            return build([convert_item(item) for item in value])
        except ValueError:
            return build(_convert_one_by_one(enumerate(value), lambda _: convert_item))

    return convert


def _convert_row(converts: tuple[Convert, ...], build: Convert, sequences: tuple[type, ...]) -> Convert:
    length = len(converts)

    def convert(value: Any) -> Any:
        if type(value) not in sequences or len(value) != length:
            raise _misfit(f"an array of {length}", value)
        try:
            return build([convert_item(item) for convert_item, item in zip(converts, value, strict=True)])
        except ValueError:
            return build(_convert_one_by_one(enumerate(value), converts.__getitem__))

    return convert


def _convert_mapping(convert_member: Convert) -> Convert:
    def convert(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise _misfit("an object", value)
        try:
            return {_encode_str(name): convert_member(member) for name, member in value.items()}
        except ValueError:
            names = [_encode_str(name) for name in value]
            members = _convert_one_by_one(value.items(), lambda _: convert_member)
            return dict(zip(names, members, strict=True))

    return convert


def _convert_one_by_one(items: Any, convert_of: Callable[[Any], Convert]) -> list[Any]:
    """The slow way, taken when something does not fit: it knows where."""
    converted = []
    for name, item in items:
        try:
            converted.append(convert_of(name)(item))
        except Misfit as misfit:
            raise misfit.under(name) from None
    return converted


def _encode_record(cls: type, fields: dict[str, Convert]) -> Convert:
    members = sorted(fields.items())  # what is in order already is sorted in no time when it is written

    def encode(value: Any) -> dict[str, Any]:
        if type(value) is not cls:
            raise _misfit(cls.__name__, value)
        try:
            return {name: convert(getattr(value, name)) for name, convert in members}
        except ValueError:
            pairs = [(name, getattr(value, name)) for name in fields]
            return dict(zip(fields, _convert_one_by_one(pairs, fields.__getitem__), strict=True))

    return encode


def _decode_record(cls: type, fields: dict[str, Convert]) -> Convert:
    members = tuple(fields.items())
    required = [
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]

    def decode(data: Any) -> Any:
        try:
            return cls(*[convert(data[name]) for name, convert in members])
        except (KeyError, TypeError, ValueError):
            return decode_carefully(data)

    def decode_carefully(data: Any) -> Any:
        if type(data) is not dict:
            raise _misfit("an object", data)
        if missing := next((name for name in required if name not in data), None):
            raise Misfit("is missing", (missing,))
        given = [(name, data[name]) for name in fields if name in data]
        values = _convert_one_by_one(given, fields.__getitem__)
        return cls(**dict(zip((name for name, _ in given), values, strict=True)))

    return decode


def _encode_tagged(classes: dict[str, type], converts: dict[str, Convert]) -> Convert:
    by_class = {cls: (name, converts[name]) for name, cls in classes.items()}

    def encode(value: Any) -> dict[str, Any]:
        if type(value) not in by_class:
            raise _misfit(f"one of {', '.join(classes)}", value)
        name, convert = by_class[type(value)]
        return {TAG: name, **convert(value)}

    return encode


def _decode_tagged(classes: dict[str, type], converts: dict[str, Convert]) -> Convert:
    def decode(data: Any) -> Any:
        if type(data) is not dict:
            raise _misfit("an object", data)
        tag = data.get(TAG)
        if type(tag) is not str or tag not in converts:
            raise _misfit(f"one of {', '.join(classes)}", tag).under(TAG)
        return converts[tag](data)

    return decode


def _encode_enum(cls: type[Enum]) -> Convert:
    def encode(value: Any) -> Any:
        if type(value) is cls:
            return value.value
        raise _misfit(cls.__name__, value)

    return encode


def _decode_enum(cls: type[Enum]) -> Convert:
    members = {member.value: member for member in cls}

    def decode(data: Any) -> Enum:
        try:
            return members[data]
        except (KeyError, TypeError):
            raise _misfit(f"one of {', '.join(map(str, members))}", data) from None

    return decode


def _build_list(cls: type) -> Callable[[list[Any]], Any]:
    return lambda items: items


def _build_tuple(cls: type) -> Callable[[list[Any]], Any]:
    return tuple if cls is tuple else partial(tuple.__new__, cls)  # a NamedTuple, whose length was checked


_ENCODERS = _Direction(_LEAF_ENCODERS, _encode_record, _encode_tagged, _encode_enum, tuple, _build_list)
_DECODERS = _Direction(_LEAF_DECODERS, _decode_record, _decode_tagged, _decode_enum, list, _build_tuple)
