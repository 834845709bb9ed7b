"""The text of the world, commit after commit."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, get_type_hints

from msgspec.structs import replace

from ..core.stored_names import stored_name
from ..core.world import Service, World
from .json_text import JsonText, renew
from .layout import FORWARDS, WORLDS

_IN_ORDER = sorted(get_type_hints(World).items(), key=lambda field: stored_name(field[0]))
_FIELDS: dict[str, JsonText[Any]] = {name: JsonText(hint) for name, hint in _IN_ORDER}
_SERVICES: JsonText[Service] = JsonText(Service)
_NAMES: JsonText[str] = JsonText(str)
_MAPPINGS = ("charts", "timers")  # could be changed in place, so a copy is kept; everything else is frozen


def read_world(text: str, forwards: Iterable[str]) -> World:
    """The world of a snapshot and of the local ports' own rows. Raises ValueError naming what does not fit."""
    ports = {forward.name: forward for forward in map(FORWARDS.from_text, forwards)}
    world = WORLDS.from_text(text)
    return replace(world, forwards=ports) if ports else world


def holds_unknown_keys(text: str, world: World) -> bool:
    """Whether the snapshot ``text``, which was read as ``world``, has a key that says nothing: a name that was changed.

    One that lacks a key is of an older agent.
    """
    return not _is_part(json.loads(renew(text.rstrip())), json.loads(WORLDS.to_text(replace(world, forwards={}))))


def _is_part(kept: Any, made: Any) -> bool:
    if isinstance(kept, dict) and isinstance(made, dict):
        return all(key in made and _is_part(value, made[key]) for key, value in kept.items())
    if isinstance(kept, list) and isinstance(made, list):
        return len(kept) == len(made) and all(map(_is_part, kept, made))
    return bool(kept == made)


class SnapshotWriter:
    """Gives the very text of ``layout.WORLDS``, but encodes only what is new since the world before.

    A step replaces one service of many: with a hundred, encoding all of them would cost more than the disk. The local
    ports are left out, because they have rows of their own: they seldom change, and would make every commit longer.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, str]] = {}

    def to_text(self, world: World) -> str:
        """The canonical text of ``world``. Raises ValueError naming the path of what does not fit."""
        try:
            return self._to_text(world)
        except ValueError:
            return WORLDS.to_text(replace(world, forwards={}))  # knows the whole path

    def _to_text(self, world: World) -> str:
        before, self._known = self._known, {}
        members = [f'"{stored_name(name)}":{self._field_text(name, world, before)}' for name in _FIELDS]
        return "{" + ",".join(members) + "}"

    def _field_text(self, name: str, world: World, before: dict[str, tuple[object, str]]) -> str:
        if name == "services":
            services = [self._service_text(name, world.services[name], before) for name in sorted(world.services)]
            return "{" + ",".join(services) + "}"
        if name == "forwards":
            return "{}"
        value: Any = getattr(world, name)
        known = before.get(name)
        if known is None or not (known[0] == value if name in _MAPPINGS else known[0] is value):
            known = (dict(value) if name in _MAPPINGS else value, _FIELDS[name].to_text(value))
        self._known[name] = known
        return known[1]

    def _service_text(self, name: str, service: Service, before: dict[str, tuple[object, str]]) -> str:
        key = f"services.{name}"
        known = before.get(key)
        if known is None or known[0] is not service:
            known = (service, f"{_NAMES.to_text(name)}:{_SERVICES.to_text(service)}")
        self._known[key] = known
        return known[1]
