"""What was recorded is decided the same again, and a change of a single decision is found and named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from msgspec import structs
from tests.fakes.charts import real_charts
from tests.fakes.sites import Site, Workload, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.effects import Effect, Listen
from connmon_agent.core.engine import Engine
from connmon_agent.core.events import Event, RoundFinished
from connmon_agent.core.steps import Resolution, Transition
from connmon_agent.core.world import World
from connmon_agent.explain.replay import first_difference, refold


@dataclass(frozen=True)
class Row:
    """A recorded step, as the store gives it."""

    seq: int
    event: Event
    transitions: tuple[Transition, ...]
    effects: tuple[Effect, ...]
    resolutions: tuple[Resolution, ...]
    notes: tuple[tuple[str, str], ...]
    refusal: str | None
    listens: tuple[Listen, ...] = ()


def record_a_hard_day() -> tuple[list[Row], World]:
    """Two outages with a lost reply, a failed attempt and a kill, as the journal has them, and the last world."""

    async def story() -> tuple[list[Row], World]:
        site = Site(plan_of("db", "web", depends_on={"web": ("db",)}, ready_timeout=10.0), db=Workload(failures=1))
        site.cluster.faults = ["no reply"]
        await site.start()
        await site.live_through_outage()
        await site.kill()
        await site.start()
        await site.live_through_outage()
        rows = [
            Row(
                number,
                commit.event,
                commit.step.transitions,
                commit.step.effects,
                commit.step.resolutions,
                commit.step.notes,
                commit.step.refusal,
                commit.step.listens,
            )
            for number, commit in enumerate(site.disk.commits, 1)
        ]
        return rows, site.world

    return run_virtually(story())


def engine_for(charts: Mapping[str, str]) -> Engine:
    assert charts == {name: chart.sha256 for name, chart in real_charts().items()}
    return Engine(real_charts(), fast=True)


def test_everything_is_decided_again_as_it_was_recorded() -> None:
    rows, world = record_a_hard_day()
    assert len(rows) > 40
    assert first_difference(rows, store="disk0001", engine_for=engine_for, final=world) is None


def test_the_last_world_comes_out_of_the_fold() -> None:
    rows, world = record_a_hard_day()
    *_, (last, folded) = refold(rows, store="disk0001", engine_for=engine_for)
    assert (last, folded) == (rows[-1], world)


def test_a_decision_that_was_recorded_otherwise_is_named() -> None:
    rows, _ = record_a_hard_day()
    place = next(index for index, row in enumerate(rows) if any(t.dest == "OFFLINE" for t in row.transitions))
    changed = structs.replace(rows[place].transitions[0], dest="ONLINE")
    rows[place] = replace(rows[place], transitions=(changed,))
    difference = first_difference(rows, store="disk0001", engine_for=engine_for)
    assert difference is not None
    assert (difference.seq, difference.what) == (place + 1, "transitions")
    assert "DEGRADED -> ONLINE" in difference.recorded
    assert "DEGRADED -> OFFLINE" in difference.replayed


def test_a_round_that_was_recorded_otherwise_changes_what_follows() -> None:
    rows, _ = record_a_hard_day()
    place = next(index for index, row in enumerate(rows) if any(t.dest == "DEGRADED" for t in row.transitions))
    event = rows[place].event
    assert isinstance(event, RoundFinished)
    good = tuple(structs.replace(result, ok=True, reason=None) for result in event.results)
    rows[place] = replace(rows[place], event=structs.replace(event, results=good))
    difference = first_difference(rows, store="disk0001", engine_for=engine_for)
    assert difference is not None and difference.seq == place + 1


def test_a_snapshot_that_does_not_follow_from_the_journal_is_found() -> None:
    rows, world = record_a_hard_day()
    forged = structs.replace(world, tokens=world.tokens - 1)
    difference = first_difference(rows, store="disk0001", engine_for=engine_for, final=forged)
    assert difference is not None
    assert (difference.what, difference.recorded) == ("the world after it", f"tokens = {forged.tokens}")
