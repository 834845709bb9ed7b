"""A step in the making: the world as it changes while one event is worked off."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ..texts import LONGEST_MESSAGE, shorten
from .effects import Effect, Listen
from .observations import Observation, Unobserved
from .plan import Plan
from .steps import Resolution, Step, Transition
from .timestamps import Timestamp
from .world import Forward, Link, Outage, Service, World


class Trigger(Struct, frozen=True):
    """An event of a chart, on its way to one instance. ``instance`` is "link" or a service's name."""

    chart: str
    instance: str
    name: str


class Draft(Struct):
    """The world so far, and what the step has brought so far.

    ``by`` names the operator of an order, ``ordered`` the services it was given for (empty: all).
    """

    world: World
    at: Timestamp
    by: str = ""
    ordered: tuple[str, ...] = ()
    triggers: deque[Trigger] = field(default_factory=deque)
    transitions: list[Transition] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    listens: list[Listen] = field(default_factory=list)
    resolutions: list[Resolution] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    refusal: str | None = None

    @property
    def plan(self) -> Plan:
        return self.world.plan

    @property
    def link(self) -> Link:
        return self.world.link

    @property
    def outage(self) -> Outage | None:
        return self.world.outage

    def service(self, name: str) -> Service:
        return self.world.services[name]

    def forward(self, name: str) -> Forward:
        return self.world.forwards[name]

    def change(self, **changes: Any) -> None:
        """Change fields of the world itself."""
        self.world = replace(self.world, **changes)

    def change_link(self, **changes: Any) -> None:
        self.change(link=replace(self.world.link, **changes))

    def change_link_where_new(self, changes: Mapping[str, Any]) -> None:
        """Change those fields of the link that are not as ``changes`` has them."""
        link = self.world.link
        new = {name: value for name, value in changes.items() if getattr(link, name) != value}
        if new:
            self.change_link(**new)

    def change_outage(self, **changes: Any) -> None:
        """Change the outage, which must exist."""
        assert self.world.outage is not None
        self.change(outage=replace(self.world.outage, **changes))

    def change_service(self, name: str, **changes: Any) -> None:
        changed = replace(self.world.services[name], **changes)
        self.change(services={**self.world.services, name: changed})

    def change_forward(self, name: str, **changes: Any) -> None:
        changed = replace(self.world.forwards[name], **changes)
        self.change(forwards={**self.world.forwards, name: changed})

    def arm(self, timer: str, due: Timestamp) -> None:
        self.change(timers={**self.world.timers, timer: due})

    def disarm(self, timer: str) -> None:
        if timer in self.world.timers:
            self.change(timers={name: due for name, due in self.world.timers.items() if name != timer})

    def fire(self, chart: str, instance: str, name: str) -> None:
        """Queue a trigger; it is worked off before the step ends."""
        self.triggers.append(Trigger(chart, instance, name))

    def note(self, instance: str, sentence: str) -> None:
        self.notes.append((instance, shorten(sentence, LONGEST_MESSAGE)))

    def finish(self) -> Step:
        return Step(
            world=self.world,
            transitions=tuple(self.transitions),
            effects=tuple(self.effects),
            resolutions=tuple(self.resolutions),
            notes=tuple(self.notes),
            refusal=self.refusal,
            listens=tuple(self.listens),
        )


class LinkContext(Struct, frozen=True):
    """What the link chart's guards and actions work on. ``cause`` and ``detail`` are of the round that is told of."""

    draft: Draft
    cause: str | None = None
    detail: str = ""


class ServiceContext(Struct, frozen=True):
    """What the service chart's guards and actions work on.

    ``seen`` is there while the service was inspected; ``answer``, ``answer_kind``, ``retry_after`` and ``template``
    while a restart request was answered.
    """

    draft: Draft
    name: str
    seen: Observation | Unobserved | None = None
    answer: str = ""
    answer_kind: str | None = None
    retry_after: float | None = None
    template: str | None = None

    @property
    def service(self) -> Service:
        return self.draft.world.services[self.name]


class ForwardContext(Struct, frozen=True):
    """What the forward chart's guards and actions work on.

    ``assigned`` is the port that it is to have while one is assigned; ``refusal`` why an order to listen failed;
    ``began``, ``trouble`` and ``lasting`` are those of a check.
    """

    draft: Draft
    name: str
    assigned: int | None = None
    refusal: str = ""
    began: Timestamp | None = None
    trouble: str = ""
    lasting: bool = False

    @property
    def forward(self) -> Forward:
        return self.draft.world.forwards[self.name]
