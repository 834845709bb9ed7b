"""The verdict under any evidence in any order: it never skips DEGRADED, never acts in an outage, never stays unsure."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.fakes.charts import real_charts
from tests.fakes.sites import plan_of
from tests.fakes.soundness import find_faults_of_step

from connmon_agent.core.demands import is_sure
from connmon_agent.core.engine import Engine
from connmon_agent.core.events import (
    AgentStarted,
    Configured,
    Event,
    EvidenceChanged,
    Inspected,
    MonitoringGapEnded,
    Order,
    Ordered,
    QualityChanged,
    RoundFinished,
    TimerDue,
)
from connmon_agent.core.link.flapping import flapping_threshold
from connmon_agent.core.observations import (
    Evidence,
    Failure,
    MeasuredQuality,
    Observation,
    ProbeResult,
    Quality,
    Rollout,
    Unobserved,
)
from connmon_agent.core.plan import AfterGap, Plan
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import LinkState, World

ENGINE = Engine(real_charts(), fast=True)
START = Timestamp(1_000.0, 1_795_000_000.0)
TARGETS = (("tcp 1", "ipv4"), ("tcp 2", "ipv6"), ("dns 1", "ipv4"), ("http 1", None), ("icmp 1", "ipv6"))
EVIDENCE_ONLY = ("gateway 1", "interface 1", "api 1")
NAMES = ("db", "web")
SOME = plan_of(*NAMES, depends_on={"web": ("db",)})
# Without the grace after a boot, which has an end and tests of its own (test_boots).
NO_GRACE = replace(SOME, link=replace(SOME.link, boot_grace=0.0))
PLANS = (
    NO_GRACE,
    replace(NO_GRACE, link=replace(NO_GRACE.link, after_gap=AfterGap.RESTART, hold=0.0)),
    replace(NO_GRACE, link=replace(NO_GRACE.link, fall=1, rise=1, quorum=1)),
    replace(NO_GRACE, link=replace(NO_GRACE.link, fall=5, rise=2, quorum=len(TARGETS))),
)
UP = Observation(uid="uid-1", generation=1, desired=1, available=1)
DOWN = Observation(uid="uid-1", generation=1, desired=1, rollout=Rollout.UNDER_WAY)

failures = st.sampled_from(Failure)
seconds = st.sampled_from([0.0, 0.5, 2.0, 15.0, 700.0])


@st.composite
def rounds(draw: st.DrawFn) -> tuple[ProbeResult, ...]:
    """Any results of some of the targets."""
    asked = draw(st.lists(st.sampled_from(TARGETS), unique=True)) + [(name, None) for name in EVIDENCE_ONLY]
    outcomes = [draw(st.none() | failures) for _ in asked]
    return tuple(result(name, family, outcome) for (name, family), outcome in zip(asked, outcomes, strict=True))


def result(name: str, family: str | None, failure: Failure | None) -> ProbeResult:
    return ProbeResult(name, name.split()[0], failure is None, 10.0, failure and failure.value, family, failure)


def whole_round(failure: Failure | None) -> tuple[ProbeResult, ...]:
    return tuple(result(name, family, failure) for name, family in TARGETS)


sights = st.builds(MeasuredQuality, st.sampled_from(Quality), st.just(0.3), st.just(300.0), st.just(700.0))
evidence = st.builds(Evidence, st.sampled_from([None, True, False]), st.sampled_from([None, True, False]))
tellings = st.one_of(
    rounds(),
    st.sampled_from([None, *Failure]).map(whole_round),
    evidence,
    sights,
    st.sampled_from([UP, DOWN, Unobserved("timeout", "no answer")]),
    st.sampled_from(["hold", "damping", "backoff/web", Order.RECOVER, Order.PAUSE, Order.RESUME, "start", "blind"]),
    st.sampled_from(PLANS),
)
# A way through an outage up to the first restart, so that the stories find more than a link that is ONLINE.
BAD_ROUND, GOOD_ROUND = whole_round(Failure.SILENT), whole_round(None)
INTO_RECOVERY: list[tuple[float, object]] = [(2.0, GOOD_ROUND)] * 5 + [(2.0, BAD_ROUND)] * 5 + [(2.0, GOOD_ROUND)] * 5
INTO_RECOVERY += [(15.0, "hold"), (0.5, UP)]
beginnings: st.SearchStrategy[list[tuple[float, object]]] = st.sampled_from([[], INTO_RECOVERY])
stories = st.builds(list.__add__, beginnings, st.lists(st.tuples(seconds, tellings), max_size=50))


def events_of(telling: object, world: World, at: Timestamp) -> list[Event]:
    match telling:
        case tuple():
            return [RoundFinished(at, telling)]
        case Evidence():
            return [EvidenceChanged(at, telling)]
        case MeasuredQuality():
            return [QualityChanged(at, telling)]
        case Observation() | Unobserved():
            return [Inspected(at, name, telling) for name in NAMES]
        case Plan():
            return [Configured(at, telling, ENGINE.chart_hashes)]
        case Order():
            return [Ordered(at, telling, (), "root")]
        case "start":
            return [AgentStarted(at, 1, "0.1.0", "boot-1", ENGINE.chart_hashes, heartbeat=START)]
        case "blind":
            return [MonitoringGapEnded(at, START, "the machine slept")]
    return [TimerDue(at, str(telling))]


class Life:
    """One world, and the states that its link was in. Every step is checked."""

    def __init__(self, plan: Plan) -> None:
        self.at = START
        self.world = World(store="disk0001")
        self.entered: list[tuple[str, str]] = []
        self.tell(plan)

    def tell(self, telling: object, *, after: float = 0.0) -> None:
        self.at = self.at.plus(after)
        for event in events_of(telling, self.world, self.at):
            self.take(event)

    def take(self, event: Event) -> None:
        before = self.world
        step = ENGINE.step(before, event)
        assert not list(find_faults_of_step(before, step)), event
        assert not step.effects or before.link.state == step.world.link.state == LinkState.RECOVERING, event
        moves = [(one.source, one.dest) for one in step.transitions if one.chart == "link" and one.source != one.dest]
        self.entered += moves
        self.world = step.world

    def live(self, story: Iterable[tuple[float, object]]) -> None:
        for after, telling in story:
            self.tell(telling, after=after)

    def live_on(self, results: tuple[ProbeResult, ...], rounds: int) -> None:
        """So many rounds with these results, while timers ring when they are due."""
        for _ in range(rounds):
            self.tell(results, after=2.0)
            for name, due in sorted(self.world.timers.items()):
                if due.steady <= self.at.steady:
                    self.take(TimerDue(self.at, name))


def lived(plan: Plan, story: list[tuple[float, object]]) -> Life:
    life = Life(plan)
    life.live(story)
    return life


@settings(max_examples=60, deadline=None)
@given(plan=st.sampled_from(PLANS), story=stories)
def test_no_order_of_evidence_skips_the_doubt_or_acts_in_an_outage(
    plan: Plan, story: list[tuple[float, object]]
) -> None:
    life = lived(plan, story)
    into_offline = {source for source, dest in life.entered if dest == LinkState.OFFLINE}
    assert into_offline <= {LinkState.DEGRADED, LinkState.RECOVERING}
    assert all(source == "OFFLINE" or source != "STARTING" for source, dest in life.entered if dest == "RECOVERING")


@settings(max_examples=60, deadline=None)
@given(plan=st.sampled_from(PLANS), story=stories, failure=st.sampled_from([Failure.SILENT, Failure.UNREACHABLE]))
def test_bad_rounds_lead_to_an_outage_from_wherever(
    plan: Plan, story: list[tuple[float, object]], failure: Failure
) -> None:
    life = lived(plan, story)
    life.live_on(whole_round(failure), rounds=life.world.plan.link.fall + 1)
    assert life.world.link.state == LinkState.OFFLINE


@settings(max_examples=60, deadline=None)
@given(plan=st.sampled_from(PLANS), story=stories)
def test_good_rounds_lead_out_of_every_doubt(plan: Plan, story: list[tuple[float, object]]) -> None:
    life = lived(plan, story)
    life.tell(MeasuredQuality(Quality.GOOD, 0.0, 10.0, 10.0))
    life.live_on(whole_round(None), rounds=life.world.plan.link.rise + 1)
    assert life.world.link.state in (LinkState.ONLINE, LinkState.RECOVERING)
    assert life.world.link.suspects == ()


@settings(max_examples=100, deadline=None)
@given(plan=st.sampled_from(PLANS), story=stories)
def test_a_portal_is_never_online(plan: Plan, story: list[tuple[float, object]]) -> None:
    life = lived(plan, story)
    portal = tuple(
        replace(one, ok=False, failure=Failure.WRONG) if one.kind == "http" else one for one in whole_round(None)
    )
    life.live_on(portal, rounds=life.world.plan.link.fall + 1)
    assert (life.world.link.state, life.world.link.cause) == (LinkState.OFFLINE, "portal")


# What a round can come to, over and over; with some, targets fall silent one by one.
endless = st.lists(
    st.one_of(rounds(), st.sampled_from([None, *Failure]).map(whole_round), st.just(())), min_size=1, max_size=6
)


@settings(max_examples=100, deadline=None)
@given(plan=st.sampled_from(PLANS), story=stories, period=endless)
def test_no_order_of_evidence_leaves_the_link_unsure_for_ever(
    plan: Plan, story: list[tuple[float, object]], period: list[tuple[ProbeResult, ...]]
) -> None:
    life = lived(plan, story)
    longest, unsure, limit = 0, 0, flapping_threshold(life.world.plan.link) + len(period) + 1
    for _ in range(2 * limit // len(period) + 1):
        for results in period:
            life.live_on(results, rounds=1)
            unsure = 0 if is_sure(life.world) else unsure + 1
            longest = max(longest, unsure)
    assert longest <= limit


@settings(max_examples=100, deadline=None)
@given(plan=st.sampled_from(PLANS), story=stories)
def test_a_link_that_nobody_can_look_at_says_so(plan: Plan, story: list[tuple[float, object]]) -> None:
    life = lived(plan, story)
    life.live_on(whole_round(Failure.BROKEN), rounds=life.world.plan.link.fall)
    link = life.world.link
    assert (link.cause, link.state in ("STARTING", "ONLINE"), is_sure(life.world)) == ("no-probe", False, True)


def test_the_stories_may_begin_with_a_restart() -> None:
    life = lived(SOME, INTO_RECOVERY)
    assert (life.world.link.state, life.world.services["db"].state) == (LinkState.RECOVERING, "RESTARTING")
