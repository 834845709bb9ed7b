"""A step: one decision, as a value."""

from __future__ import annotations

from msgspec import Struct

from .effects import Effect, Listen
from .world import World


class Transition(Struct, frozen=True):
    """One transition of one chart's instance, with what was asked on the way.

    ``guards`` holds every guard asked and its answer, in order; ``actions`` the names that ran.
    """

    chart: str  # link, service or forward
    instance: str  # "link", or the service's name
    trigger: str
    source: str
    dest: str
    guards: tuple[tuple[str, bool], ...]
    actions: tuple[str, ...]
    reason: str


class Resolution(Struct, frozen=True):
    """What became of an intent to restart or to listen: ``applied``, ``refused``, ``foreign`` (somebody else acted) or
    ``abandoned``.
    """

    service: str
    token: str
    outcome: str
    reason: str


class Step(Struct, frozen=True):
    """What one event made of the world.

    ``notes`` are sentences for people that no transition carries ("frontend: postponed, because ..."), each with the
    instance it is about. ``effects`` and ``listens`` are performed only after the step is durable.
    """

    world: World
    transitions: tuple[Transition, ...] = ()
    effects: tuple[Effect, ...] = ()
    resolutions: tuple[Resolution, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    refusal: str | None = None  # why an operator's order was not carried out; None: it was, or there was none
    listens: tuple[Listen, ...] = ()

    def changes(self, before: World) -> bool:
        """Whether there is anything to commit."""
        told = self.transitions or self.effects or self.listens or self.resolutions or self.notes
        return bool(told) or self.world != before
