"""A file that another version wrote is verified by its decisions, however that version worded its reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.fakes.charts import real_charts
from tests.fakes.hard_days import events_of_a_hard_day
from tests.fakes.memories import with_token

from connmon_agent.core.draft import Draft
from connmon_agent.core.engine import Engine
from connmon_agent.core.link import link_rules
from connmon_agent.core.ports import forward_rules
from connmon_agent.core.services import service_rules
from connmon_agent.core.unworded import SENTENCES, without_sentences
from connmon_agent.core.world import World
from connmon_agent.explain.replay import first_difference
from connmon_agent.store.records import Recorded


@contextmanager
def worded_otherwise() -> Iterator[None]:
    """Every sentence of the charts' reasons and of the notes is another one, as an older version may have had it."""

    def reword(tell: Callable[[Any], str]) -> Callable[[Any], str]:
        return lambda context: f"<{tell(context)}>"

    note = Draft.note
    with pytest.MonkeyPatch.context() as patch:
        for rules in (link_rules, service_rules, forward_rules):
            for name, tell in rules.FIELDS.items():
                patch.setitem(rules.FIELDS, name, reword(tell))
        patch.setattr(Draft, "note", lambda draft, about, text: note(draft, about, f"<{text}>"))
        yield


def record(*, older: int) -> tuple[list[Recorded], World]:
    """The hard day; the first ``older`` events were decided by a version with other sentences."""
    engine, world, rows = Engine(real_charts(), fast=True), World(store="k7"), []
    for seq, told in enumerate(events_of_a_hard_day(), 1):
        event = with_token(told, world)
        if seq <= older:
            with worded_otherwise():
                step = engine.step(world, event)
        else:
            step = engine.step(world, event)
        world = step.world
        rows.append(
            Recorded(
                seq, event.at, 0.0, "boot-1", event, step.transitions, step.effects, step.resolutions, step.notes,
                None, step.refusal, listens=step.listens,
            )
        )  # fmt: skip
    return rows, world


NUMBER = len(list(events_of_a_hard_day()))


def find_difference(rows: list[Recorded], world: World) -> Any:
    return first_difference(rows, store="k7", engine_for=lambda hashes: Engine(real_charts(), fast=True), final=world)


@settings(max_examples=25)
@given(older=st.integers(0, NUMBER))
def test_other_sentences_are_no_difference_wherever_the_version_changed(older: int) -> None:
    rows, world = record(older=older)
    assert find_difference(rows, world) is None


@settings(max_examples=25)
@given(place=st.integers(0, NUMBER - 1))
def test_another_decision_is_found_in_it_all_the_same(place: int) -> None:
    rows, world = record(older=NUMBER)
    moved = [one for one in rows[place].transitions if one.source != one.dest]
    if not moved:
        return
    changed = tuple(replace(one, dest=one.source) if one is moved[0] else one for one in rows[place].transitions)
    rows[place] = replace(rows[place], transitions=changed)
    assert find_difference(rows, world).seq == rows[place].seq


def test_a_world_that_does_not_follow_is_found_in_it_all_the_same() -> None:
    rows, world = record(older=NUMBER)
    forged = replace(world.services["grafana"], attempts=7)
    found = find_difference(rows, replace(world, services={**world.services, "grafana": forged}))
    assert found.what == "the world after it"


def test_with_the_same_sentences_the_world_must_be_the_same_to_the_letter() -> None:
    rows, world = record(older=0)
    found = find_difference(rows, replace(world, link=replace(world.link, reason="something else")))
    assert found.what == "the world after it"


def test_only_sentences_are_blanked() -> None:
    _, world = record(older=0)
    blanked = without_sentences(world)
    assert blanked.services["frontend"].attempts == world.services["frontend"].attempts > 0
    assert blanked.link.state == world.link.state
    assert {blanked.services[name].reason for name in world.names} == {""}
    assert {type(getattr(kind(*_least(kind)), name)) for kind, names in SENTENCES.items() for name in names} == {str}


def _least(kind: type) -> tuple[Any, ...]:
    """Values for the fields that have no default."""
    from tests.fakes.mornings import at

    return {
        "Outage": (1, at(0), "dns"),
        "MonitoringGap": (at(0), at(1), "the machine slept"),
        "Service": ("web",),
        "Forward": ("web",),
        "ListenIntent": ("listen/1", 80, at(0)),
    }.get(kind.__name__, ())
