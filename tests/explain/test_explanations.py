"""Why it is as it is, and why not otherwise: guards asked on a world that stays as it is."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs
from tests.fakes.charts import real_charts
from tests.fakes.faults import FAULTS, live_through, round_with
from tests.fakes.memories import DOWN, HEALTHY, PLAN, ROLLING, UP, rounds, start
from tests.fakes.mornings import at, plan_of, recorded, world_of

from connmon_agent.core.engine import Engine
from connmon_agent.core.events import (
    AgentStopped,
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
from connmon_agent.core.observations import Evidence, MeasuredQuality, Observation, ProbeResult, Quality, Unobserved
from connmon_agent.core.plan import Plan, RecoveryPlan
from connmon_agent.core.steps import Resolution, Step, Transition
from connmon_agent.core.world import Link, LinkState, Outage, Service, ServiceState, World
from connmon_agent.explain.explanations import (
    PossibleTransition,
    explain_event,
    explain_link,
    explain_service,
    find_route,
    possible_link_transitions,
    possible_service_transitions,
)
from connmon_agent.explain.facts import Fact, link_facts
from connmon_agent.explain.remedies import explain_turn, find_holds, next_link_trigger, next_look, next_service_trigger

LINK, SERVICE = real_charts()["link"], real_charts()["service"]
LOSSY = MeasuredQuality(Quality.LOSSY, 0.23, 20.0, 90.0)
BACK = Outage(3, started=at(0), cause="dns", back=at(600), hold_over=True)
GONE = Evidence(carrier=False, interface="eth0")


def changes(way: PossibleTransition) -> list[str]:
    return [question.change for question in way.refusals]


def nearest(world: World, dest: str) -> PossibleTransition:
    return next(way for way in possible_link_transitions(world, LINK, at(720)) if way.dest == dest)


@pytest.mark.parametrize(
    ("link", "dest", "needed"),
    [
        (Link(LinkState.STARTING, good=1), "ONLINE", ["2 more good rounds in a row (1 of 3)"]),
        (Link(LinkState.STARTING, good=2), "ONLINE", ["1 more good round (2 of 3)"]),
        (Link(LinkState.ONLINE, good=3), "DEGRADED", []),
        (Link(LinkState.DEGRADED, bad=1), "OFFLINE", ["2 more bad rounds in a row (1 of 3)"]),
        (
            Link(LinkState.DEGRADED, evidence=GONE),
            "OFFLINE",
            ["1 bad round, because there is no carrier or no default route"],
        ),
        (
            Link(LinkState.DEGRADED, good=3, measured_quality=LOSSY),
            "ONLINE",
            ["loss at most 10 % and p95 at most 200 ms (now loss 23 %, median 20 ms, p95 90 ms)"],
        ),
        (Link(LinkState.OFFLINE, bad=3), "RECOVERING", ["3 more good rounds in a row (0 of 3)"]),
    ],
    ids=["starting", "one-missing", "online", "doubt", "hard-evidence", "lossy", "offline"],
)
def test_what_is_missing_for_another_state_is_told(link: Link, dest: str, needed: list[str]) -> None:
    assert changes(nearest(world_of(link=link), dest)) == needed


@pytest.mark.parametrize(
    ("outage", "needed"),
    [(structs.replace(BACK, hold_over=False), []), (BACK, ["3 more bad rounds in a row (0 of 3)"])],
    ids=["holding", "held"],
)
def test_of_two_cases_the_present_one_comes_first(outage: Outage, needed: list[str]) -> None:
    assert changes(nearest(world_of(link=Link(LinkState.RECOVERING, good=3), outage=outage), "OFFLINE")) == needed


def test_states_out_of_reach_are_reached_by_others() -> None:
    explanation = explain_link(world_of(link=Link(LinkState.OFFLINE)), real_charts(), at(720))
    assert dict(explanation.routes) == {"ONLINE": ("RECOVERING",), "DEGRADED": ("RECOVERING", "ONLINE")}
    assert find_route(LINK, "OFFLINE", "NOWHERE") == ()
    assert find_route(LINK, "OFFLINE", "RECOVERING") == ()
    assert [len(between) for _, between in explanation.routes] == [1, 2]


@pytest.mark.parametrize(
    ("world", "holds"),
    [
        (world_of(link=Link(LinkState.RECOVERING, confirmed=True), outage=BACK), []),
        (
            world_of(link=Link(LinkState.OFFLINE)),
            ["the link is OFFLINE; services are restarted only while it is RECOVERING"],
        ),
        (
            structs.replace(
                world_of(
                    link=Link(LinkState.RECOVERING, confirmed=True), outage=structs.replace(BACK, hold_over=False)
                ),
                timers={"hold": at(727)},
            ),
            ["the link must stay good for 7 s more"],
        ),
        (
            structs.replace(world_of(link=Link(LinkState.RECOVERING, bad=1), outage=BACK), paused=True),
            ["the last round was bad", "the agent is paused; run `connmon-agent resume` to continue"],
        ),
        (
            world_of(link=Link(LinkState.RECOVERING), outage=BACK),
            ["no good round since the agent started"],
        ),
        (
            world_of(
                link=Link(LinkState.RECOVERING, confirmed=True, damped_until=at(780), falls=(at(1).steady,)),
                outage=BACK,
            ),
            [
                "restarts of available services are held back for 1 min, until 10:13 UTC: the link is flapping, "
                "1 outage in the last hour; `connmon-agent recover` does not wait for it"
            ],
        ),
    ],
    ids=["nothing", "offline", "hold", "bad-and-paused", "just-started", "damped"],
)
def test_everything_that_keeps_services_from_being_restarted_is_told(world: World, holds: list[str]) -> None:
    assert find_holds(world, at(720)) == holds


def recovering(*services: Service, plan: Plan | None = None) -> World:
    world = world_of(*services, link=Link(LinkState.RECOVERING, confirmed=True), outage=BACK)
    return world if plan is None else structs.replace(world, plan=plan)


WEB = Service("web", ServiceState.WAITING)
DB = Service("db", ServiceState.WAITING)


def staged(*names: str, parallel: int = 8) -> Plan:
    """A plan in which each service waits for the one before."""
    services = tuple(structs.replace(one, stage=stage) for stage, one in enumerate(plan_of(*names).services))
    return Plan(services=services, recovery=RecoveryPlan(parallel=parallel))


@pytest.mark.parametrize(
    ("world", "why"),
    [
        (recovering(WEB), "it is its turn"),
        (recovering(DB, WEB, plan=staged("db", "web")), "waiting for stage 1: db (WAITING)"),
        (
            recovering(
                structs.replace(DB, state=ServiceState.VERIFYING),
                WEB,
                plan=structs.replace(plan_of("db", "web"), recovery=RecoveryPlan(parallel=1)),
            ),
            "`parallel` is 1; in progress: db",
        ),
        (
            structs.replace(recovering(WEB), paused=True),
            "the agent is paused; run `connmon-agent resume` to continue",
        ),
    ],
    ids=["turn", "stage", "parallel", "paused"],
)
def test_why_it_is_not_the_turn_of_a_service(world: World, why: str) -> None:
    assert explain_turn(world, "web", at(720)) == why


@pytest.mark.parametrize(
    ("service", "when"),
    [
        (Service("web", ServiceState.READY), "within 30 s"),
        (Service("web", ServiceState.UNKNOWN), "within 5 s"),
        (Service("web", ServiceState.WAITING), "within 1 s"),
        (Service("web", ServiceState.WAITING, next=at(780)), "in 1 min"),
        (Service("web", ServiceState.RESTARTING), "when the request is answered"),
        (Service("web", ServiceState.BACKOFF), "when the backoff elapses, in 40 s"),
    ],
    ids=["ready", "unknown", "turn", "server's-wish", "restarting", "backoff"],
)
def test_when_a_service_is_looked_at_next(service: Service, when: str) -> None:
    world = structs.replace(recovering(service), timers={"backoff/web": at(760)})
    assert next_look(world, "web", at(720)) == when


@pytest.mark.parametrize(
    ("link", "told"),
    [
        (Link(LinkState.ONLINE, good=3), "a round every 2 s"),
        (Link(LinkState.DEGRADED, bad=1), "a round every 0.35 s"),
        (Link(LinkState.OFFLINE, since=at(715.6), bad=3), "a round every 4 s"),
        (Link(LinkState.OFFLINE, since=at(0), bad=3), "a round every 15 s"),
    ],
    ids=["sure", "unsure", "growing", "longest"],
)
def test_how_often_the_link_is_looked_at(link: Link, told: str) -> None:
    assert explain_link(world_of(link=link), real_charts(), at(720)).rounds == told


def test_a_service_in_a_later_stage_is_looked_at_once_it_is_its_turn() -> None:
    web = structs.replace(WEB, returned="as the link found it")
    assert next_look(recovering(DB, web, plan=staged("db", "web")), "web", at(720)) == "when it is its turn"


def refusals(world: World, dest: str, seen: Observation | Unobserved | None) -> list[tuple[str, str]]:
    """The guards that refuse the nearest way of the service web to ``dest``, each with what would have to change."""
    possible = possible_service_transitions(world, SERVICE, at(720), name="web", seen=seen)
    way = next(way for way in possible if way.dest == dest)
    return [(question.guard, question.change) for question in way.refusals]


@pytest.mark.parametrize(
    ("service", "dest", "seen", "expected"),
    [
        (
            WEB,
            "RESTARTING",
            structs.replace(HEALTHY, blocked_by="web-pdb"),
            [("restart_due", "postponed: PodDisruptionBudget web-pdb allows no disruption")],
        ),
        (
            structs.replace(WEB, attempts=3),
            "RESTARTING",
            ROLLING,
            [
                (
                    "budget_left",
                    "3/3 restarts used; reset by `connmon-agent rearm web` or 10 min of uninterrupted health",
                )
            ],
        ),
        (WEB, "GAVE_UP", ROLLING, [("budget_left", "only when all restarts are used; 0/3 used")]),
        (
            Service("web", ServiceState.VERIFYING, deadline=at(780).steady, attempts=1),
            "BACKOFF",
            ROLLING,
            [("rollout_failed", "only if the rollout fails or is not complete in 1 min")],
        ),
        (
            Service("web", ServiceState.UNKNOWN),
            "READY",
            Unobserved("timeout", "the API did not answer"),
            [("healthy", "every replica must be available; last check: the API did not answer")],
        ),
    ],
    ids=["budget-of-disruption", "spent", "not-spent", "deadline", "unseen"],
)
def test_the_guard_that_refuses_a_service_names_what_would_have_to_change(
    service: Service, dest: str, seen: Observation | Unobserved, expected: list[tuple[str, str]]
) -> None:
    assert refusals(recovering(service), dest, seen) == expected


def test_what_nobody_has_seen_is_neither_yes_nor_no() -> None:
    possible = possible_service_transitions(recovering(WEB), SERVICE, at(720), name="web")
    (way,) = [way for way in possible if way.dest == "RESTARTING"]
    assert [(question.guard, question.answer) for question in way.questions] == [
        ("my_turn", True),
        ("restart_due", None),
        ("budget_left", True),
    ]
    assert way.refusals == ()


def test_a_recovery_for_others_says_for_whom_it_is() -> None:
    world = structs.replace(
        recovering(structs.replace(WEB, state=ServiceState.READY)), outage=structs.replace(BACK, services=("db",))
    )
    assert ("wanted", "this recovery is only for db") in refusals(world, "WAITING", HEALTHY)


# What is explained must be what the engine does.


def lived(events: list[Event]) -> list[tuple[World, Event, Step]]:
    """Each event with the world before it and the step that the engine made of it."""
    engine, world = Engine(real_charts()), World(store="k7")
    steps: list[tuple[World, Event, Step]] = []
    for event in events:
        happened = answering(event, world)
        steps.append((world, happened, engine.step(world, happened)))
        world = steps[-1][2].world
    return steps


def answering(event: Event, world: World) -> Event:
    """An answer with the token of the request that it answers, which only the engine knows; what is seen shows it."""
    if isinstance(event, Inspected) and isinstance(event.seen, Observation):
        return structs.replace(event, seen=structs.replace(event.seen, token=world.services[event.service].token))
    if not isinstance(event, RestartAnswered):
        return event
    intent = world.services[event.service].intent
    assert intent is not None
    return structs.replace(event, token=intent.token)


def an_outage() -> list[Event]:
    answers = [RestartAnswered(at(205.1), name, "", Outcome.APPLIED, "accepted") for name in ("frontend", "grafana")]
    looks = [(205, HEALTHY), (210, ROLLING), (223, HEALTHY)]
    first, *later = [[Inspected(at(second), name, seen) for name in ("frontend", "grafana")] for second, seen in looks]
    down = FAULTS["drop"].results
    return [
        *start(0), *rounds(UP, 1, 2, 3), *rounds(down, 12, 13, 14), *rounds(UP, 192, 193, 194),
        TimerDue(at(204), "hold"), *first, *answers, *(look for looks_at in later for look in looks_at),
    ]  # fmt: skip


def test_where_nothing_refuses_the_engine_takes_that_way_and_else_it_does_not() -> None:
    compared = 0
    for before, event, step in lived(an_outage()):
        if not isinstance(event, Inspected):
            continue
        possible = possible_service_transitions(before, SERVICE, event.at, name=event.service, seen=event.seen)
        open_ways = {way.dest for way in possible if way.trigger == "inspected" and not way.refusals}
        taken = {one.dest for one in step.transitions if one.instance == event.service and one.dest != one.source}
        assert open_ways == taken
        compared += bool(taken)
    assert compared == 4


def test_explaining_leaves_the_world_as_it_is() -> None:
    for before, event, _ in lived(an_outage()):
        if before.charts:
            copy = structs.replace(before)
            explain_link(before, real_charts(), event.at, results=UP)
            for name in before.names:
                explain_service(before, real_charts(), event.at, name=name, seen=HEALTHY)
            assert before == copy


# Recorded events.


def test_an_event_names_the_meaning_of_every_guard_and_action_and_what_is_left() -> None:
    (_, event, step) = next(found for found in lived(an_outage()) if found[2].effects)
    row = structs.replace(recorded(7, 205, *step.transitions, event=event), effects=step.effects)
    explanation = explain_event(row, real_charts(), step.world)
    (decision,) = explanation.decisions
    assert decision.happening == "the service is checked in the cluster"
    assert [name for name, _, _ in decision.guards] == ["my_turn", "restart_due", "budget_left"]
    assert decision.actions == (("request_restart", "charge an attempt and request the restart"),)
    assert decision.budget is not None
    assert (decision.budget.attempts, decision.budget.left) == (1, 2)
    assert explanation.effects[0].startswith("requested a restart of frontend: outage 1, attempt 1 of 3")
    assert explanation.facts[0] == Fact("replicas", True, "3 of 3 available")


def test_what_followed_is_the_outcome_of_the_request_and_the_next_state() -> None:
    (_, event, step) = next(found for found in lived(an_outage()) if found[2].effects)
    token = step.effects[0].token
    row = structs.replace(recorded(7, 205, *step.transitions, event=event), effects=step.effects)
    moved = Transition("service", "frontend", "restart_applied", "RESTARTING", "VERIFYING", (), (), "taken")
    other = Transition("service", "grafana", "inspected", "WAITING", "RESTARTING", (), (), "attempt 1")
    later = [
        recorded(8, 206, other),
        recorded(9, 207, moved, resolutions=(Resolution("frontend", token, "applied", "accepted"),)),
        recorded(10, 230, structs.replace(moved, source="VERIFYING", dest="READY")),
    ]
    explanation = explain_event(row, real_charts(), step.world, later=later)
    assert [(one.seq, one.text) for one in explanation.sequels] == [
        (9, "frontend: applied: accepted"),
        (9, "frontend RESTARTING -> VERIFYING: taken"),
    ]


def test_an_event_without_a_decision_tells_the_ways_that_were_refused() -> None:
    world = structs.replace(live_through(FAULTS["drop"]), link=Link(LinkState.DEGRADED, bad=2), plan=PLAN)
    bad = recorded(9, 13, event=RoundFinished(at(13), DOWN))
    explanation = explain_event(bad, real_charts(), world)
    assert [(way.dest, *changes(way)) for way in explanation.possible] == [("OFFLINE", "1 more bad round (2 of 3)")]


@pytest.mark.parametrize(
    ("results", "verdict", "dests"),
    [
        pytest.param(UP, "good round: 2 of 2 counted targets answered, quorum is 2", {"ONLINE"}, id="good"),
        pytest.param(
            DOWN,
            "bad round: 0 of 2 counted targets answered, quorum is 2; unreachable: tcp 192.0.2.1:443, dns 192.0.2.2: "
            "no answer within 1 s",
            {"OFFLINE"},
            id="bad",
        ),
        pytest.param(
            (),
            "inconclusive round: no target can be probed on this machine; no-probe: no target is configured",
            set(),
            id="void",
        ),
    ],
)
def test_a_round_tells_its_verdict_and_only_what_it_could_have_brought(
    results: tuple[ProbeResult, ...], verdict: str, dests: set[str]
) -> None:
    world = structs.replace(world_of(link=Link(LinkState.DEGRADED)), plan=PLAN)
    explanation = explain_event(recorded(9, 13, event=RoundFinished(at(13), results)), real_charts(), world)
    assert explanation.verdict == verdict
    assert {way.dest for way in explanation.possible} == dests


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("no-carrier", {"interface", "gateway", "dns", "tcp", "http"}),
        ("no-route", {"route", "gateway", "dns", "tcp", "http"}),
        ("drop", {"dns", "tcp", "http"}),
        ("dns-dead", {"dns", "http"}),
        ("portal", {"http"}),
        ("api-only", {"api"}),
    ],
)
def test_the_evidence_comes_from_the_cable_up(name: str, bad: set[str]) -> None:
    facts = explain_link(live_through(FAULTS[name]), real_charts(), at(16), results=FAULTS[name].results).facts
    layers = [fact.layer for fact in facts]
    assert layers[:6] == ["interface", "route", "gateway", "dns", "tcp", "http"]
    assert {fact.layer for fact in facts if fact.ok is False} == bad


def test_a_kind_that_does_not_count_is_marked() -> None:
    world = world_of(link=Link(LinkState.ONLINE, suspects=("dns",)))
    facts: Any = explain_link(world, real_charts(), at(16), results=round_with()).facts
    assert [fact.layer for fact in facts if "suspect" in fact.text] == ["dns"]


@pytest.mark.parametrize(
    ("event", "happened"),
    [
        (start(0)[0], "agent started (version 0.1.0, pid 4711)"),
        (start(0)[1], "configuration with 2 services loaded"),
        (AgentStopped(at(0), "SIGTERM"), "agent stopped: SIGTERM"),
        (RoundFinished(at(0), FAULTS["dns-dead"].results), "round of probes: 2 of 4 targets answered"),
        (EvidenceChanged(at(0), GONE), "default route or carrier changed"),
        (QualityChanged(at(0), LOSSY), "link quality changed: lossy"),
        (MeteredSeen(at(0), True, "NetworkManager"), "metered connection: yes (NetworkManager)"),
        (MeteredSeen(at(0), None, "x"), "metered connection: unknown (x)"),
        (MonitoringGapEnded(at(9), at(0), "the machine slept for 9 s"), "monitoring gap: the machine slept for 9 s"),
        (MonitoringGapEnded(at(9), at(9), "the clock was set forward by 1 h"), "the clock was set forward by 1 h"),
        (Inspected(at(0), "web", HEALTHY), "web checked in the cluster"),
        (
            RestartAnswered(at(0), "web", "k7-1-1-1", Outcome.APPLIED, "accepted"),
            "restart of web answered by the cluster",
        ),
        (TimerDue(at(0), "hold"), "timer hold elapsed"),
        (Ordered(at(0), Order.RECOVER, ("web", "db"), "root (pid 5)"), "recover web db requested by root (pid 5)"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_each_event_is_told_in_a_few_words(event: Event, happened: str) -> None:
    assert explain_event(recorded(1, 0, event=event), real_charts(), world_of()).happened == happened


@pytest.mark.parametrize(
    ("event", "facts"),
    [
        (
            EvidenceChanged(at(0), GONE),
            [Fact("interface", False, "eth0 has no carrier")],
        ),
        (EvidenceChanged(at(0), Evidence()), []),
        (
            QualityChanged(at(0), LOSSY),
            [Fact("quality", False, "lossy: loss 23 % over 1 min, threshold 20 %")],
        ),
        (
            Inspected(at(0), "web", Unobserved("timeout", "no answer within 5 s")),
            [Fact("api", False, "no answer within 5 s (timeout)")],
        ),
        (
            Inspected(at(0), "web", Observation(exists=False)),
            [Fact("object", False, "not found in the cluster")],
        ),
        (
            RestartAnswered(at(0), "web", "k7-1-1-1", Outcome.REFUSED, "forbidden"),
            [Fact("answer", None, "refused: forbidden")],
        ),
        (TimerDue(at(0), "hold"), []),
    ],
    ids=["carrier", "nothing-told", "quality", "unseen", "gone", "answer", "timer"],
)
def test_an_event_brings_its_evidence(event: Event, facts: list[Fact]) -> None:
    assert list(explain_event(recorded(1, 0, event=event), real_charts(), world_of()).facts) == facts


GIVEN_UP = Service("frontend", ServiceState.GAVE_UP, reason="in vain", attempts=3)
SPENT = (
    "3/3 restarts used (max_restart_attempts): no outage and no `connmon-agent recover` restarts it; reset by "
    "`connmon-agent rearm frontend`, or 10 min of uninterrupted health"
)
SHADOW = "shadow mode (recovery.act: false): nothing is ever restarted"


@pytest.mark.parametrize(
    ("service", "act", "holds"),
    [
        pytest.param(GIVEN_UP, True, (SPENT,), id="given up"),
        pytest.param(structs.replace(GIVEN_UP, state=ServiceState.READY), True, (SPENT,), id="ready, and spent"),
        pytest.param(GIVEN_UP, False, (SPENT, SHADOW), id="in shadow mode"),
        pytest.param(
            structs.replace(GIVEN_UP, state=ServiceState.READY, attempts=2),
            False,
            (
                "the link is ONLINE, no recovery is needed; `connmon-agent recover` restarts anyway",
                SHADOW,
            ),
            id="not spent",
        ),
    ],
)
def test_a_service_tells_what_keeps_itself_from_being_restarted(
    service: Service, act: bool, holds: tuple[str, ...]
) -> None:
    world = world_of(service)
    world = structs.replace(world, plan=structs.replace(world.plan, recovery=RecoveryPlan(act=act)))
    assert explain_service(world, real_charts(), at(720), name="frontend").holds == holds


def test_a_rollout_on_its_way_has_not_failed() -> None:
    explanation = explain_service(world_of(GIVEN_UP), real_charts(), at(720), name="frontend", seen=ROLLING)
    assert {fact.layer: fact.ok for fact in explanation.seen} == {"replicas": None, "rollout": None, "token": None}


def test_what_comes_next_is_told_for_every_event_of_the_charts() -> None:
    world = world_of(GIVEN_UP)
    unknown = "not scheduled"
    timed = {"hold_elapsed", "damping_elapsed", "backoff_elapsed"}
    assert [
        name for name in LINK.events if next_link_trigger(name, world, at(720)) == unknown and name not in timed
    ] == []
    told = {name: next_service_trigger(name, "frontend", world, at(720)) for name in SERVICE.events}
    assert [name for name, when in told.items() if when == unknown and name not in timed] == []
    assert next_link_trigger("monitoring_gap_ended", world, at(720)) == "a monitoring gap"


def test_what_does_not_count_and_what_went_through_a_proxy_is_told_in_the_evidence() -> None:
    results = (
        ProbeResult("tcp 1", "tcp", True, 12.0),
        ProbeResult("dns 1", "dns", False, reason="no answer"),
        ProbeResult("http://a/", "http", True, 30.0, proxy="192.0.2.3:3128"),
    )
    link = Link(LinkState.ONLINE, heard=("http://a/", "tcp 1"))
    assert [fact.text for fact in link_facts(link, results, PLAN.link.quality)] == [
        "1: no answer (not counted: no expected answer since the agent started)",
        "1: answered in 12.0 ms",
        "http://a/: answered in 30.0 ms via proxy 192.0.2.3:3128",
    ]
