"""The observers look when the world asks for it, and bring what they saw; virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace
from tests.fakes.sites import FakeCluster, FakeLink, Workload, plan_of
from tests.fakes.virtual_time import SimulatedClock, run_virtually

from connmon_agent.core.events import Event, Inspected, RoundFinished, TimerDue
from connmon_agent.core.observations import Observation, ProbeResult, Unobserved
from connmon_agent.core.plan import LinkPlan, ServicePlan
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Intent, Link, LinkState, Outage, Service, World
from connmon_agent.runtime.observers import (
    MOST_ROUNDS_AT_ONCE,
    InspectionObserver,
    Observer,
    RoundObserver,
    TimerObserver,
)

PLAN = replace(plan_of("web", "db"), link=LinkPlan(check_interval=2.0, confirm_interval=0.5))
THEN = Timestamp(1_000.0, 1_795_000_000.0)


@dataclass
class Stage:
    """A world that the test changes, and the events that the observer brings, each with its time."""

    clock: SimulatedClock = field(default_factory=SimulatedClock)
    world: World = field(
        default_factory=lambda: World(store="disk0001", plan=PLAN, link=Link(LinkState.ONLINE, good=1, confirmed=True))
    )
    events: list[tuple[float, Event]] = field(default_factory=list)
    noted: int = 0
    deaf: bool = False  # the world takes no notice of a deadline

    def take(self, event: Event) -> None:
        self.events.append((self.clock.now().steady - THEN.steady, event))
        if isinstance(event, TimerDue) and not self.deaf:
            timers = {name: due for name, due in self.world.timers.items() if name != event.timer}
            self.world = replace(self.world, timers=timers)

    def note(self, at: Timestamp, results: tuple[ProbeResult, ...], known: tuple[ProbeResult, ...]) -> None:
        self.noted += 1

    async def watch(self, observer: Observer, *, seconds: float) -> list[float]:
        """Run the observer for a while; returns when its events came."""
        task = asyncio.ensure_future(observer.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return [round(when, 2) for when, _ in self.events]

    def rounds(self, link: FakeLink) -> RoundObserver:
        return RoundObserver(
            link,
            clock=self.clock,
            world=lambda: self.world,
            take=self.take,
            note=self.note,
            wake=lambda: None,
            rest=lambda due: None,
            jitter=lambda: 0.5,
        )

    def inspections(self, cluster: FakeCluster) -> InspectionObserver:
        return InspectionObserver(cluster, clock=self.clock, world=lambda: self.world, take=self.take)

    def timers(self) -> TimerObserver:
        return TimerObserver(clock=self.clock, world=lambda: self.world, take=self.take)


def with_services(world: World, **states: str) -> World:
    return replace(world, services={name: Service(name, state) for name, state in states.items()})


def run(story: Coroutine[Any, Any, None]) -> None:
    run_virtually(story)


@pytest.mark.parametrize(
    ("link", "times"),
    [
        pytest.param(Link(LinkState.ONLINE, good=1), [0.01, 2.01, 4.01], id="sure"),
        pytest.param(Link(LinkState.DEGRADED, bad=1), [0.01 + 0.5 * n for n in range(10)], id="not sure"),
    ],
)
def test_rounds_come_in_the_pace_that_the_world_asks_for(link: Link, times: list[float]) -> None:
    async def story() -> None:
        stage = Stage()
        stage.world = replace(stage.world, link=link)
        assert await stage.watch(stage.rounds(FakeLink()), seconds=4.9) == pytest.approx(times)
        assert stage.noted == len(times)

    run(story())


def test_a_change_of_the_world_may_make_the_next_round_due_earlier() -> None:
    async def story() -> None:
        stage = Stage()
        observer = stage.rounds(FakeLink())
        watch = asyncio.ensure_future(stage.watch(observer, seconds=1.9))
        await asyncio.sleep(1.0)
        stage.world = replace(stage.world, link=Link(LinkState.DEGRADED, bad=1))
        observer.nudge()
        assert await watch == [0.01, 1.01, 1.51]

    run(story())


class SlowLink(FakeLink):
    """Answers after so many seconds, the next ones after the next of them."""

    def __init__(self, *delays: float) -> None:
        super().__init__()
        self.delays = list(delays)
        self.under_way = self.most = 0

    async def probe_all(self, *, patience: float | None = None) -> tuple[ProbeResult, ...]:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        delay = self.delays.pop(0) if len(self.delays) > 1 else self.delays[0]
        await asyncio.sleep(delay)
        self.under_way -= 1
        return (ProbeResult(f"{delay:g} s", "tcp", True),)


def test_a_round_that_is_overtaken_by_a_newer_one_is_not_heard() -> None:
    async def story() -> None:
        stage = Stage()
        await stage.watch(stage.rounds(SlowLink(3.0, 0.1)), seconds=5.0)
        rounds = [event for _, event in stage.events if isinstance(event, RoundFinished)]
        assert [one.results[0].name for one in rounds] == ["0.1 s", "0.1 s"]

    run(story())


def test_rounds_that_hang_do_not_pile_up() -> None:
    async def story() -> None:
        stage, link = Stage(), SlowLink(1_000.0)
        await stage.watch(stage.rounds(link), seconds=100.0)
        assert link.most == MOST_ROUNDS_AT_ONCE

    run(story())


def test_every_service_is_looked_at_in_its_own_pace() -> None:
    async def story() -> None:
        stage = Stage()
        stage.world = with_services(stage.world, web="READY", db="UNKNOWN")
        cluster = FakeCluster(stage.clock, {"web": Workload(), "db": Workload(exists=False)})
        await stage.watch(stage.inspections(cluster), seconds=29.0)
        seen = [event for _, event in stage.events if isinstance(event, Inspected)]
        assert [one.service for one in seen].count("web") == 1
        assert [one.service for one in seen].count("db") == 6

    run(story())


def test_a_service_is_looked_at_at_once_when_its_turn_comes() -> None:
    async def story() -> None:
        stage = Stage()
        stage.world = with_services(stage.world, web="READY", db="READY")
        observer = stage.inspections(FakeCluster(stage.clock, {"web": Workload(), "db": Workload()}))
        watch = asyncio.ensure_future(stage.watch(observer, seconds=6.0))
        await asyncio.sleep(5.0)
        stage.world = replace(
            with_services(stage.world, web="WAITING", db="READY"),
            link=Link(LinkState.RECOVERING, good=1, confirmed=True),
            outage=Outage(1, THEN, "no answer", back=THEN, hold_over=True),
        )
        observer.nudge()
        assert (await watch)[2] == 5.02
        assert {event.service for _, event in stage.events[2:] if isinstance(event, Inspected)} == {"web"}

    run(story())


class LateCluster(FakeCluster):
    """What it shows was so a second ago."""

    async def inspect(self, service: ServicePlan, *, closely: bool) -> Observation | Unobserved:
        seen = await super().inspect(service, closely=closely)
        await asyncio.sleep(1.0)
        return seen


@pytest.mark.parametrize("answered", [False, True], ids=["requested", "accepted"])
def test_a_look_that_began_before_a_restart_says_nothing_of_it(answered: bool) -> None:
    async def story() -> None:
        stage = Stage()
        stage.world = with_services(stage.world, web="UNKNOWN")
        observer = stage.inspections(LateCluster(stage.clock, {"web": Workload()}))
        watch = asyncio.ensure_future(stage.watch(observer, seconds=3.0))
        await asyncio.sleep(0.5)
        intent = Intent("disk0001-1-1-1", None, 1, None, False, THEN)
        restarted = (
            Service("web", "VERIFYING", token=intent.token) if answered else Service("web", "UNKNOWN", intent=intent)
        )
        stage.world = replace(stage.world, services={"web": restarted})
        assert (await watch)[0] == 2.04

    run(story())


def test_a_head_start_of_others_delays_only_the_first_look() -> None:
    async def story() -> None:
        stage = Stage()
        stage.world = with_services(stage.world, db="UNKNOWN")
        cluster = FakeCluster(stage.clock, {"db": Workload(exists=False)})
        observer = InspectionObserver(
            cluster, clock=stage.clock, world=lambda: stage.world, take=stage.take, head_start=1.0
        )
        assert (await stage.watch(observer, seconds=8.0)) == [1.02, 6.02]

    run(story())


class BrokenCluster(FakeCluster):
    async def inspect(self, service: ServicePlan, *, closely: bool) -> Observation | Unobserved:
        if service.name == "web":
            raise ZeroDivisionError("a mistake of ours")
        return await super().inspect(service, closely=closely)


def test_a_mistake_of_ours_while_looking_blinds_for_that_service_alone() -> None:
    async def story() -> None:
        stage = Stage()
        stage.world = with_services(stage.world, web="READY", db="READY")
        await stage.watch(stage.inspections(BrokenCluster(stage.clock, {"db": Workload()})), seconds=1.0)
        seen = {event.service: event.seen for _, event in stage.events if isinstance(event, Inspected)}
        assert isinstance(seen["db"], Observation)
        assert isinstance(seen["web"], Unobserved) and "a mistake of ours" in seen["web"].reason

    run(story())


def test_a_deadline_is_told_when_it_has_passed_and_one_that_has_passed_at_once() -> None:
    async def story() -> None:
        stage = Stage()
        stage.world = replace(stage.world, timers={"hold": THEN.plus(10.0), "backoff/web": THEN.plus(-5.0)})
        assert await stage.watch(stage.timers(), seconds=20.0) == [0.0, 10.0]
        assert [event.timer for _, event in stage.events if isinstance(event, TimerDue)] == ["backoff/web", "hold"]

    run(story())


def test_a_deadline_that_the_world_does_not_take_is_told_again_at_the_next_change_and_not_before() -> None:
    async def story() -> None:
        stage = Stage(deaf=True)
        stage.world = replace(stage.world, timers={"hold": THEN.plus(1.0)})
        observer = stage.timers()
        watch = asyncio.ensure_future(stage.watch(observer, seconds=100.0))
        await asyncio.sleep(50.0)
        observer.nudge()
        assert await watch == [1.0, 50.0]

    run(story())


def test_without_deadlines_nothing_is_told() -> None:
    async def story() -> None:
        stage = Stage()
        assert await stage.watch(stage.timers(), seconds=1_000.0) == []

    run(story())
