"""State files as the real engine and the real journal leave them behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from connmon_agent.core.engine import Engine
from connmon_agent.core.events import (
    AgentStarted,
    AgentStopped,
    Configured,
    Event,
    Inspected,
    ListenAnswered,
    Outcome,
    RestartAnswered,
    RoundFinished,
    TimerDue,
)
from connmon_agent.core.link.round_counts import RoundCounts, apply_counts, collect_counts, only_counts, with_counts
from connmon_agent.core.observations import Observation, ProbeResult, Rollout
from connmon_agent.core.world import World
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.journal import SqliteJournal

from .charts import real_charts
from .mornings import DNS, TCP, at, plan_of

NO_TOKEN = "none"
UP = (TCP, ProbeResult("dns 192.0.2.2", "dns", ok=True, latency_ms=9.0))
DOWN = (ProbeResult("tcp 192.0.2.1:443", "tcp", ok=False, reason="no answer within 1 s"), DNS)
SERVICES = ("frontend", "grafana")
PLAN = plan_of(*SERVICES)

HEALTHY = Observation(uid="u1", generation=4, desired=3, available=3, annotated=True)
ROLLING = Observation(
    uid="u1",
    generation=5,
    desired=3,
    available=1,
    annotated=True,
    rollout=Rollout.UNDER_WAY,
    progress="1 of 3 available",
)


def live_through_an_outage(folder: Path) -> World:
    """Commit a morning of an agent on two services, from its start to the end of an outage; returns the last world."""
    return remember(folder, _outage())


def remember(folder: Path, events: Iterable[Event | RestartAnswered], *, sparing: bool = False) -> World:
    """Step the real engine over ``events`` and commit each one that changes anything.

    ``sparing``: but those rounds that only count, as the agent does it; else as older agents did.
    """
    engine = Engine(real_charts())
    journal = SqliteJournal.open(
        folder / DATABASE_FILE, boottime=lambda: 50.0, boot_id="boot-1", wall=lambda: at(0).wall
    )
    try:
        for name, chart in real_charts().items():
            journal.save_chart(name, chart.sha256, chart.text)
        counts: RoundCounts | UnsetType = UNSET
        for event in events:
            recorded = journal.load()
            world = apply_counts(recorded, counts)
            step = engine.step(world, with_token(event, world))
            if sparing and isinstance(event, RoundFinished) and only_counts(world, step):
                counts = collect_counts(recorded.link, step.world.link)
            elif step.changes(world):
                journal.commit(with_counts(with_token(event, world), recorded.link, world.link), step)
                counts = UNSET
            if isinstance(event, RoundFinished):
                journal.note_round(event.at, event.results, probed=event.results)
        return journal.load()
    finally:
        journal.close()


def start(seconds: float) -> list[Event]:
    charts = {name: chart.sha256 for name, chart in real_charts().items()}
    return [AgentStarted(at(seconds), 4711, "0.1.0", "boot-1", charts), Configured(at(seconds), PLAN, charts)]


def stop(seconds: float) -> Event:
    return AgentStopped(at(seconds), "SIGTERM")


def rounds(results: tuple[ProbeResult, ...], *seconds: float) -> Iterator[Event]:
    for second in seconds:
        yield RoundFinished(at(second), results)


def _outage() -> Iterator[Event]:
    yield from start(0)
    yield from rounds(UP, 1, 2, 3)
    yield from (Inspected(at(4), name, HEALTHY) for name in SERVICES)
    yield from rounds(DOWN, 12, 13, 14)
    yield from rounds(UP, 192, 193, 194)
    yield TimerDue(at(204), "hold")
    for name in SERVICES:
        yield Inspected(at(205), name, HEALTHY)
    for name in SERVICES:
        yield RestartAnswered(at(205.1), name, "", Outcome.APPLIED, "the patch was accepted", generation=5)
    for name in SERVICES:
        yield Inspected(at(210), name, ROLLING)
    for name in SERVICES:
        yield Inspected(at(223), name, HEALTHY)


def with_token(event: Event, world: World) -> Event:
    """An answer with the token of the request that it answers, which only the engine knows; what is seen shows it.

    A workload that carries another token keeps it, as does one that "none" is to be seen on.
    """
    if isinstance(event, ListenAnswered):
        request = world.forwards[event.service].intent
        assert request is not None
        return replace(event, token=request.token)
    if isinstance(event, Inspected) and isinstance(event.seen, Observation) and event.service in world.services:
        token = event.seen.token or world.services[event.service].token
        return replace(event, seen=replace(event.seen, token=None if token == NO_TOKEN else token))
    if not isinstance(event, RestartAnswered):
        return event
    intent = world.services[event.service].intent
    assert intent is not None
    return RestartAnswered(
        event.at, event.service, intent.token, event.outcome, event.reason, generation=event.generation
    )
