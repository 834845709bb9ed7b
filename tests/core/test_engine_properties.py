"""The engine alone, under any events in any order, sensible or not: it never raises, and every world is sound."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.fakes.charts import real_charts
from tests.fakes.sites import plan_of
from tests.fakes.soundness import find_faults, find_faults_of_step, find_harm

from connmon_agent.core.engine import Engine
from connmon_agent.core.events import (
    AgentStarted,
    AgentStopped,
    Configured,
    Event,
    EvidenceChanged,
    Inspected,
    MeteredSeen,
    MonitoringGapEnded,
    Order,
    Ordered,
    Outcome,
    QualityChanged,
    RestartAnswered,
    RoundFinished,
    TimerDue,
)
from connmon_agent.core.observations import (
    Evidence,
    MeasuredQuality,
    Observation,
    ProbeResult,
    Pull,
    Quality,
    Reach,
    RegistryAnswer,
    Rollout,
    Unobserved,
)
from connmon_agent.core.plan import AfterGap, DampingPlan, Plan, When
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import World

# An event that depends on the world it meets: its tokens and timers may be the world's own.
Blow = Callable[[World, Timestamp], Event]

SOME = plan_of("db", "web", "api", depends_on={"web": ("db",)}, ready_timeout=30.0, healthy_for=60.0, parallel=1)
PLANS = (
    SOME,
    replace(SOME, link=replace(SOME.link, fall=1, rise=1, quorum=1, hold=0.0)),
    replace(SOME, link=replace(SOME.link, damping=DampingPlan(suppress=900.0, half_life=30.0))),
    replace(SOME, link=replace(SOME.link, after_gap=AfterGap.RESTART)),
    plan_of("web", "new", max_restart_attempts=1, when=When.UNHEALTHY, postpone_limit=0.0),
    plan_of("db", "web", act=False, when=When.OUTAGE_LONGER_THAN, outage_longer_than=5.0),
    plan_of(),
)

EVIDENCE = (
    Evidence(True, True, "wan0", "192.0.2.1"),
    Evidence(False, True, "wan0", "192.0.2.1"),
    Evidence(True, False, "wan0"),
    Evidence(),
)

names = st.sampled_from(["db", "web", "api", "new", "nobody"])
some_names = st.lists(names, max_size=2, unique=True).map(tuple)
kinds = st.sampled_from([None, "conflict", "denied", "invalid", "not-found", "forbidden", "timeout", "no such kind"])
waits = st.sampled_from([None, 0.0, 30.0])
passing = st.sampled_from([0.0, 0.0, 0.5, 5.0, 31.0, 700.0])  # seconds; time may stand still
lengths = st.sampled_from([0.0, 2.0, 40.0, 7200.0])  # seconds of a monitoring gap
which_token = st.sampled_from(["own", "previous", "nobody's", "a-1-7-99", "9" * 5000, "disk0001-1-2-999", None])


def own_token(world: World, name: str, which: str | None) -> str | None:
    service = world.services.get(name)
    if service is None or which not in ("own", "previous"):
        return which
    if service.intent is None:
        return service.token
    return service.intent.token if which == "own" else service.intent.previous_token


def rounds(answers: int) -> Blow:
    results = tuple(
        ProbeResult(f"t{number}", "tcp", number < answers, None, None if number < answers else "no answer")
        for number in range(3)
    )
    return lambda world, at: RoundFinished(at, results)


def inspections(name: str, seen: Observation | Unobserved, which: str | None) -> Blow:
    def inspect(world: World, at: Timestamp) -> Event:
        if isinstance(seen, Unobserved):
            return Inspected(at, name, seen)
        return Inspected(at, name, replace(seen, token=own_token(world, name, which)))

    return inspect


def answers(name: str, which: str | None, outcome: Outcome, kind: str | None, wait: float | None) -> Blow:
    def answer(world: World, at: Timestamp) -> Event:
        token = own_token(world, name, which) or "none"
        return RestartAnswered(at, name, token, outcome, "so it is", kind, None, wait)

    return answer


observations = st.builds(
    Observation,
    exists=st.sampled_from([True, True, True, False]),
    uid=st.sampled_from([None, "uid-1", "uid-2"]),
    generation=st.integers(0, 2),
    rollout=st.sampled_from(Rollout),
    rolling=st.booleans(),
    desired=st.integers(0, 2),
    available=st.integers(0, 2),
    paused=st.sampled_from([False, False, False, True]),
    template=st.sampled_from([None, "one", "two", "three"]),
    revised_by=st.sampled_from([None, "connmon-agent", "kubectl rollout restart"]),
    blocked_by=st.sampled_from([None, None, "pdb"]),
    progress=st.sampled_from(["", "0 of 2 new pods are available"]),
    progress_mark=st.sampled_from(["", "one", "two"]),
    stalled=st.booleans(),
    gated=st.sampled_from([None, None, None, "web-1 has the scheduling gate a.b/c"]),
    old_serving=st.integers(0, 2),
    trouble=st.sampled_from([None, "web-1: ErrImagePull"]),
    pulls=st.sampled_from(
        [(), (), *((Pull("docker.io", "web:1", "Always", RegistryAnswer(reach, "so it is")),) for reach in Reach)]
    ),
)
healthy = st.builds(Observation, uid=st.just("uid-1"), generation=st.just(1), desired=st.just(1), available=st.just(1))
unseen = st.builds(Unobserved, st.sampled_from(["timeout", "forbidden"]), st.just("no answer"), waits)

blows = st.one_of(
    st.sampled_from([0, 0, 1, 3, 3, 3]).map(rounds),
    st.sampled_from(Quality).map(
        lambda quality: lambda world, at: QualityChanged(at, MeasuredQuality(quality, 0.3, 10.0, 600.0))
    ),
    st.sampled_from(EVIDENCE).map(lambda evidence: lambda world, at: EvidenceChanged(at, evidence)),
    st.sampled_from([True, False, None]).map(lambda metered: lambda world, at: MeteredSeen(at, metered, "the system")),
    st.builds(inspections, names, healthy | observations | unseen, which_token),
    st.builds(answers, names, which_token, st.sampled_from(Outcome), kinds, waits),
    st.sampled_from(["hold", "hold", "damping", "backoff/web", "backoff/db", "backoff/nobody", "tea"]).map(
        lambda timer: lambda world, at: TimerDue(at, timer)
    ),
    st.builds(
        lambda order, services: lambda world, at: Ordered(at, order, services, "root"),
        st.sampled_from(Order),
        some_names,
    ),
    st.just(lambda world, at: AgentStarted(at, 1, "0.1.0", "boot-1", engines()[0].chart_hashes)),
    lengths.map(
        lambda ago: lambda world, at: AgentStarted(at, 1, "0.1.0", "boot-1", engines()[0].chart_hashes, at.plus(-ago))
    ),
    lengths.map(lambda ago: lambda world, at: MonitoringGapEnded(at, at.plus(-ago), "the machine slept")),
    st.just(
        lambda world, at: MonitoringGapEnded(
            at, Timestamp(at.steady, at.wall - 60.0), "the clock was set forward by 1 min"
        )
    ),
    st.just(lambda world, at: AgentStopped(at, "SIGTERM")),
    st.sampled_from(PLANS).map(lambda plan: lambda world, at: Configured(at, plan, engines()[0].chart_hashes)),
)

# A way into a recovery, so that the blows find more than a link that is ONLINE.
INTO_RECOVERY = [rounds(3)] * 3 + [rounds(0)] * 4 + [rounds(3)] * 3 + [lambda world, at: TimerDue(at, "hold")]


@cache
def engines() -> tuple[Engine, Engine]:
    """The one that executes the charts, and the one that reads their tables."""
    return Engine(real_charts()), Engine(real_charts(), fast=True)


def suffer(plan: Plan, story: list[tuple[float, Blow]]) -> World:
    """Live through the story; fails at the first world or step that is not sound."""
    thorough, fast = engines()
    at = Timestamp(1_000.0, 1_795_000_000.0)
    world = World(store="disk0001")
    beginning: list[tuple[float, Blow]] = [(0.0, lambda world, at: Configured(at, plan, thorough.chart_hashes))]
    for seconds, blow in [*beginning, *story]:
        at = at.plus(seconds)
        event = blow(world, at)
        step = thorough.step(world, event)
        assert fast.step(world, event) == step, event
        faults = [*find_faults_of_step(world, step), *find_harm(event, step)]
        assert not faults, (event, faults)
        assert step.changes(world) or step.world == world
        world = step.world
    return world


@settings(max_examples=150, deadline=None)
@given(plan=st.sampled_from(PLANS), story=st.lists(st.tuples(passing, blows), max_size=60))
def test_no_event_is_ever_too_much(plan: Plan, story: list[tuple[float, Blow]]) -> None:
    suffer(plan, story)


@settings(max_examples=150, deadline=None)
@given(plan=st.sampled_from(PLANS), story=st.lists(st.tuples(passing, blows), max_size=60))
def test_no_event_is_ever_too_much_in_a_recovery(plan: Plan, story: list[tuple[float, Blow]]) -> None:
    suffer(plan, [(0.5, blow) for blow in INTO_RECOVERY] + story)


def test_a_fresh_world_is_sound() -> None:
    assert list(find_faults(World(store="disk0001"))) == []


def test_the_way_into_a_recovery_leads_there() -> None:
    world = suffer(SOME, [(0.5, blow) for blow in INTO_RECOVERY])
    assert world.outage is not None
    assert (world.link.state, world.outage.hold_over) == ("RECOVERING", True)
    assert {service.state for service in world.services.values()} == {"WAITING"}
