"""What declares a key of the configuration, and the section that such keys make up.

The reader of a file, ``config show``, ``config schema`` and docs/configuration.md go by the same declarations, those of
``keys``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .sections import Section
from .values import Duration, Schema, T, ValueType, quote_text

_LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")  # to another page of the documentation, which an editor has not
NO_DEFAULT = object()  # of a key whose default is no fixed value


class Key(NamedTuple):
    """One key: what may stand there, what it means, and what holds where it is not written.

    ``help`` is Markdown on one line. ``default`` NO_DEFAULT: that of the settings which the table is made with, where
    they have a field of this name, else none; ``usual`` then says in words what holds. ``limits`` adds to those of the
    type what holds between keys, ``source`` says where the default comes from. A ``needed`` key must be written.
    ``formerly``: its name in older files, which is read with a warning; empty: it always had this one.
    """

    name: str
    type: ValueType[Any]
    help: str
    default: Any = NO_DEFAULT
    usual: str = ""
    limits: str = ""
    source: str = ""
    needed: bool = False
    formerly: str = ""

    @property
    def has_default(self) -> bool:
        """A fixed value holds where the key is not written."""
        return self.default is not NO_DEFAULT

    def describe(self) -> Schema:
        """The JSON Schema of the key."""
        schema = {**self.type.schema(), "description": _LINK.sub(r"\1", self.help)}
        if isinstance(self.default, str):
            return {**schema, "default": str(self.default)}
        if isinstance(self.default, bool | int | float):
            of_seconds = isinstance(self.type, Duration)
            return {**schema, "default": self.type.write(self.default) if of_seconds else self.default}
        return schema


class KeyTable(ValueType[Mapping[str, Any]]):
    """The keys of one section, in the order in which they are documented.

    ``defaults`` are settings whose fields bear the names of keys. A section that holds nothing but comments is null to
    YAML, and an empty section here.
    """

    def __init__(self, *keys: Key, defaults: object = None) -> None:
        self.keys = {key.name: _complete(key, defaults) for key in keys}

    def schema(self) -> Schema:
        properties = {key.name: key.describe() for key in self.keys.values()}
        needed = [key.name for key in self.keys.values() if key.needed]
        schema = {"type": ["object", "null"], "additionalProperties": False, "properties": properties}
        return {**schema, "type": "object", "required": needed} if needed else schema

    @property
    def defaults(self) -> dict[str, Any]:
        """The fixed defaults, by the keys' names."""
        return {key.name: key.default for key in self.keys.values() if key.has_default}

    def find(self, path: str) -> Key:
        """The key of the dotted ``path`` below this table. Raises KeyError."""
        name, _, below = path.partition(".")
        key = self.keys[name]
        if not below:
            return key
        if not isinstance(key.type, KeyTable):
            raise KeyError(path)
        return key.type.find(below)

    def read_written(self, section: Section) -> dict[str, Any]:
        """What the section says of its keys without a mistake. The sections in it are left to the caller."""
        section.expect(self.keys)
        for key in self.keys.values():
            if key.formerly:
                section.rename(key.formerly, key.name)
        written = {}
        for key in self.keys.values():
            if not isinstance(key.type, KeyTable | MappingOf):
                read = section.need if key.needed else section.take
                value = read(key.name, NO_DEFAULT, key.type.read)
                if value is not NO_DEFAULT:
                    written[key.name] = value
        return written

    def read_section(self, section: Section) -> dict[str, Any]:
        """All of a section whose keys do not depend on each other: what it says, else the defaults. Closes it."""
        values = {**self.defaults, **self.read_written(section)}
        section.close()
        return values

    def write(self, found: Mapping[str, Any]) -> str:
        """On one line."""
        return f"{{{', '.join(self.write_keys(found))}}}"

    def write_lines(self, name: str, found: Mapping[str, Any]) -> Iterator[str]:
        lines = list(self.write_keys(found))
        yield f"{name}:" if lines else f"{name}: {{}}"
        yield from (f"  {line}" for line in lines)

    def write_keys(self, found: Mapping[str, Any]) -> Iterator[str]:
        """The lines of each key that ``found`` holds."""
        for key, value in self._pairs(found):
            yield from key.type.write_lines(key.name, value)

    def _pairs(self, found: Mapping[str, Any]) -> Iterator[tuple[Key, Any]]:
        yield from ((key, found[key.name]) for key in self.keys.values() if key.name in found)


def _complete(key: Key, defaults: object) -> Key:
    if key.has_default or key.needed or isinstance(key.type, KeyTable | MappingOf):
        return key
    return key._replace(default=getattr(defaults, key.name, NO_DEFAULT))


class MappingOf(ValueType[Mapping[str, T]]):
    """Names that the site chooses, each with what ``type`` takes. ``nullable``: null is an empty one."""

    def __init__(self, type: ValueType[T], *, nullable: bool = True, quoted: bool = False) -> None:
        self.type, self._nullable, self._quoted = type, nullable, quoted

    def schema(self) -> Schema:
        kind: object = ["object", "null"] if self._nullable else "object"
        return {"type": kind, "additionalProperties": self.type.schema()}

    def write_lines(self, name: str, found: Mapping[str, T]) -> Iterator[str]:
        yield f"{name}:" if found else f"{name}: {{}}"
        for each, value in found.items():
            yield from (f"  {line}" for line in self.type.write_lines(quote_text(each, always=self._quoted), value))
