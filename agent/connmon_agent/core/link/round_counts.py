"""Rounds that only count: what they change is kept in memory, and written with the next event that decides something.

Most rounds of a bad link only move counters: a bad one in a row, a good one again. An agent that is started again
counts anew (``flapping.begin_counting``) and finds the cause by its first round, so a kill takes nothing from them that
would have been used. The event that is recorded next carries what they changed (``EventBase.counts``): it was decided
with that, and so it is decided again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from ..stored_names import stored_name
from ..timestamps import Timestamp

if TYPE_CHECKING:
    from ..events import EventBase
    from ..steps import Step
    from ..world import Link, World

E = TypeVar("E", bound="EventBase")


class RoundCounts(Struct, frozen=True, rename=stored_name):
    """Fields of the link that rounds have changed since the last event, as they are now; UNSET: as they were then."""

    good: int | UnsetType = UNSET
    bad: int | UnsetType = UNSET
    inconclusive: int | UnsetType = UNSET
    flapping: int | UnsetType = UNSET
    confirmed: bool | UnsetType = UNSET
    first_failure: Timestamp | UnsetType | None = UNSET
    cause: str | UnsetType | None = UNSET
    detail: str | UnsetType = UNSET
    answering: tuple[str, ...] | UnsetType = UNSET
    doubts: Mapping[str, int] | UnsetType = UNSET


FIELDS = RoundCounts.__struct_fields__


def only_counts(before: World, step: Step) -> bool:
    """Whether ``step``, which a round caused, changes nothing but counters that a start of the agent sets back.

    A doubt that has become a verdict is none of these.
    """
    after = step.world
    if step.transitions or step.effects or step.listens or step.resolutions or step.notes or after.link is before.link:
        return False
    fall = before.plan.link.fall
    return _lasting(after.link, fall) == _lasting(before.link, fall) and replace(after, link=before.link) == before


def collect_counts(recorded: Link | None, now: Link) -> RoundCounts | UnsetType:
    """What of the counters differs between the recorded link and the one that is known now; UNSET: nothing.

    ``recorded`` None: what is recorded is not known, so that every counter is told.
    """
    values = {name: getattr(now, name) for name in FIELDS}
    if recorded is not None:
        values = {name: value for name, value in values.items() if value != getattr(recorded, name)}
    return RoundCounts(**values) if values else UNSET


def with_counts(event: E, recorded: Link | None, now: Link) -> E:
    """``event`` with what rounds have changed since the recorded link: it is decided on with that."""
    counts = collect_counts(recorded, now)
    return event if counts is UNSET else replace(event, counts=counts)


def apply_counts(world: World, counts: RoundCounts | UnsetType) -> World:
    """``world`` with what rounds have changed since."""
    if counts is UNSET:
        return world
    changed = {name: value for name in FIELDS if (value := getattr(counts, name)) is not UNSET}
    return replace(world, link=replace(world.link, **changed))


def _lasting(link: Link, fall: int) -> Link:
    """``link`` without its counters; a doubt of ``fall`` rounds or more is a verdict."""
    sure = {about: rounds for about, rounds in link.doubts.items() if rounds >= fall}
    return replace(link, **_NOTHING_COUNTED, doubts=sure)


_NOTHING_COUNTED = {
    "good": 0,
    "bad": 0,
    "inconclusive": 0,
    "flapping": 0,
    "confirmed": False,
    "first_failure": None,
    "cause": None,
    "detail": "",
    "answering": (),
}
