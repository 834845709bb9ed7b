"""The agent through whole outages, in virtual time: the real engine, charts and observers over a simulated site."""

from __future__ import annotations

from itertools import pairwise

import pytest
from tests.fakes.sites import Site, Workload, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.events import Order, RestartAnswered
from connmon_agent.core.plan import When
from connmon_agent.core.world import LinkState
from connmon_agent.errors import InvariantError

SEVEN = ("frontend", "frontend-custom", "frontend-react", "grafana", "jaeger", "api-gateway-simple", "mesh")


def link_story(site: Site) -> list[str]:
    """The states of the link in the order in which they were entered and recorded."""
    return [
        transition.dest
        for commit in site.disk.commits
        for transition in commit.step.transitions
        if transition.chart == "link" and transition.source != transition.dest
    ]


def test_an_outage_restarts_every_service_exactly_once() -> None:
    async def story() -> None:
        site = Site(plan_of(*SEVEN))
        await site.start()
        await site.live_through_outage()
        assert {name: site.restarts(name) for name in SEVEN} == dict.fromkeys(SEVEN, 1)
        assert {site.state(name) for name in SEVEN} == {"READY"}
        assert link_story(site) == ["ONLINE", "DEGRADED", "OFFLINE", "RECOVERING", "ONLINE"]
        await site.stop()
        assert site.link.closed and site.cluster.closed

    run_virtually(story())


def test_a_black_hole_is_an_outage_within_four_seconds_by_the_defaults() -> None:
    async def story() -> None:
        site = Site(plan_of())
        await site.start()
        await site.until_link("ONLINE")
        await site.wait(5.0)
        site.link.up = False
        began = site.clock.now().steady
        await site.until_link("OFFLINE")
        assert site.world.link.since.steady - began <= 4.8  # the worst case; the median is measured in tests/bench

    run_virtually(story())


def test_one_bad_round_is_a_doubt_and_no_outage() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")
        site.link.up = False
        await site.until_link("DEGRADED")
        site.link.up = True
        await site.until_link("ONLINE")
        assert site.world.outage is None
        assert site.restarts("web") == 0

    run_virtually(story())


def test_a_round_is_good_when_the_quorum_answers() -> None:
    async def story() -> None:
        site = Site(plan_of())
        await site.start()
        await site.until_link("ONLINE")
        site.link.answering = 2
        await site.wait(30.0)
        assert site.world.link.state == LinkState.ONLINE
        site.link.answering = 1
        await site.until_link("OFFLINE")

    run_virtually(story())


def test_nothing_is_restarted_before_the_link_has_held() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.lose_link()
        site.link.up = True
        await site.until_link("RECOVERING")
        back = site.world.link.since.steady
        await site.wait(site.plan.link.hold - 1.0)
        assert site.restarts("web") == 0
        await site.until(lambda: site.restarts("web") == 1)
        assert site.clock.now().steady - back >= site.plan.link.hold

    run_virtually(story())


def test_a_relapse_during_the_hold_goes_back_to_offline_in_the_same_outage() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.lose_link()
        site.link.up = True
        await site.until_link("RECOVERING")
        await site.wait(5.0)
        site.link.up = False
        await site.until_link("OFFLINE")
        await site.wait(20.0)
        assert site.restarts("web") == 0
        site.link.up = True
        await site.until_link("ONLINE")
        outage = site.world.outage
        assert outage is not None
        assert (outage.id, outage.relapses, site.restarts("web")) == (1, 1, 1)

    run_virtually(story())


def test_a_relapse_between_two_stages_restarts_nothing_twice() -> None:
    async def story() -> None:
        site = Site(plan_of("db", "web", depends_on={"web": ("db",)}), db=Workload(ready_after=4.0))
        await site.start()
        await site.lose_link()
        site.link.up = True
        await site.until(lambda: site.restarts("db") == 1)
        site.link.up = False
        await site.until_link("OFFLINE")
        await site.wait(60.0)
        assert site.restarts("web") == 0
        site.link.up = True
        await site.until_link("ONLINE")
        assert (site.restarts("db"), site.restarts("web")) == (1, 1)

    run_virtually(story())


def test_a_stage_begins_when_the_one_before_is_complete() -> None:
    async def story() -> None:
        site = Site(plan_of("web", "api", "db", depends_on={"web": ("api",), "api": ("db",)}))
        await site.start()
        await site.live_through_outage()
        assert [request.service for request in site.cluster.requests] == ["db", "api", "web"]
        ready = {
            transition.instance: commit.event.at.steady
            for commit in site.disk.commits
            for transition in commit.step.transitions
            if transition.source == "VERIFYING" and transition.dest == "READY"
        }
        made = {
            effect.service: commit.event.at.steady for commit in site.disk.commits for effect in commit.step.effects
        }
        assert ready["db"] <= made["api"] and ready["api"] <= made["web"]

    run_virtually(story())


@pytest.mark.parametrize(
    ("db", "words"),
    [
        pytest.param(Workload(failures=9), "db (GAVE_UP)", id="it gave up"),
        pytest.param(Workload(exists=False), "db (UNKNOWN)", id="it is not there"),
    ],
)
def test_a_dependency_that_will_not_be_ready_is_not_waited_for_and_the_restart_says_so(
    db: Workload, words: str
) -> None:
    async def story() -> None:
        site = Site(plan_of("db", "web", depends_on={"web": ("db",)}, ready_timeout=5.0), db=db)
        await site.start()
        await site.live_through_outage()
        assert (site.state("web"), site.restarts("web")) == ("READY", 1)
        assert reasons(site, "web", "RESTARTING") == [
            f"attempt 1 of 3: restart due after the outage; dependencies not ready: {words}"
        ]
        assert site.world.link.reason.startswith("recovery complete: 1/2 services ready; ")

    run_virtually(story())


def reasons(site: Site, instance: str, state: str) -> list[str]:
    """Why the instance entered the state, each time."""
    return [
        transition.reason
        for commit in site.disk.commits
        for transition in commit.step.transitions
        if (transition.instance, transition.dest) == (instance, state) and transition.source != state
    ]


def test_a_service_that_gave_up_before_is_told_of_in_each_outage() -> None:
    async def story() -> None:
        site = Site(plan_of("db", "web", ready_timeout=5.0), db=Workload(failures=9))
        await site.start()
        await site.live_through_outage()
        assert site.state("db") == "GAVE_UP"
        before = len(site.disk.commits)
        await site.live_through_outage()
        notes = [note for commit in site.disk.commits[before:] for note in commit.step.notes]
        told = [record for name, record in notes if name == "db"]
        assert len(told) == 1 and told[0].startswith("skipped: gave up before and needs `rearm db`: ")
        assert "gave up: db" in site.world.link.reason

    run_virtually(story())


@pytest.mark.parametrize("parallel", [1, 2, 3])
def test_at_most_parallel_services_are_under_way_at_once(parallel: int) -> None:
    async def story() -> None:
        site = Site(plan_of(*SEVEN, parallel=parallel))
        await site.start()
        await site.live_through_outage()
        assert site.cluster.busiest == parallel
        assert all(site.restarts(name) == 1 for name in SEVEN)

    run_virtually(story())


def test_a_service_that_cannot_become_ready_gives_up_after_the_last_attempt_and_stays_so() -> None:
    async def story() -> None:
        site = Site(plan_of("web", ready_timeout=30.0), web=Workload(failures=99))
        await site.start()
        await site.live_through_outage()
        assert (site.state("web"), site.restarts("web")) == ("GAVE_UP", 3)
        await site.kill()
        await site.start()
        await site.live_through_outage()
        assert (site.state("web"), site.restarts("web")) == ("GAVE_UP", 3)

    run_virtually(story())


def test_the_pauses_between_attempts_double() -> None:
    async def story() -> None:
        site = Site(plan_of("web", ready_timeout=5.0, max_restart_attempts=4), web=Workload(failures=99))
        await site.start()
        await site.live_through_outage()
        times = [commit.event.at.steady for commit in site.disk.commits for _ in commit.step.effects]
        gaps = [later - earlier - 5.0 for earlier, later in pairwise(times)]
        for gap, pause in zip(gaps, (10.0, 20.0, 40.0), strict=True):
            assert pause * 0.85 <= gap <= pause * 1.15 + 2.5

    run_virtually(story())


def test_a_second_attempt_that_helps_ends_the_outage() -> None:
    async def story() -> None:
        site = Site(plan_of("web", ready_timeout=20.0), web=Workload(failures=1))
        await site.start()
        await site.live_through_outage()
        assert (site.state("web"), site.restarts("web"), site.world.services["web"].attempts) == ("READY", 2, 2)

    run_virtually(story())


def test_proof_of_health_gives_the_attempts_back() -> None:
    async def story() -> None:
        site = Site(plan_of("web", healthy_for=120.0))
        await site.start()
        await site.live_through_outage()
        assert site.world.services["web"].attempts == 1
        await site.until(lambda: site.world.services["web"].attempts == 0, within=200.0)

    run_virtually(story())


def test_a_service_that_gave_up_and_is_proven_healthy_is_taken_back() -> None:
    async def story() -> None:
        site = Site(plan_of("web", ready_timeout=5.0, healthy_for=120.0), web=Workload(failures=3))
        await site.start()
        await site.live_through_outage()
        assert site.state("web") == "GAVE_UP"
        site.cluster.workloads["web"].rollout_works = True
        await site.until(lambda: site.state("web") == "READY", within=200.0)
        assert site.world.services["web"].attempts == 0

    run_virtually(story())


@pytest.mark.parametrize(
    ("workload", "state", "words"),
    [
        pytest.param(Workload(exists=False), "UNKNOWN", "does not exist", id="gone"),
        pytest.param(Workload(paused=True), "READY", "paused", id="paused"),
        pytest.param(Workload(desired=0), "READY", "scaled to 0", id="scaled to 0"),
    ],
)
def test_what_cannot_be_restarted_is_left_alone_with_the_reason(workload: Workload, state: str, words: str) -> None:
    async def story() -> None:
        site = Site(plan_of("web"), web=workload)
        await site.start()
        await site.live_through_outage()
        assert (site.restarts("web"), site.state("web")) == (0, state)
        settled = [
            transition.reason
            for commit in site.disk.commits
            for transition in commit.step.transitions
            if transition.source == "WAITING"
        ]
        assert words in settled[-1]

    run_virtually(story())


def test_a_restart_by_somebody_else_since_the_outage_is_accepted() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.lose_link()
        site.link.up = True
        await site.until_link("RECOVERING")
        await site.wait(9.0)
        now = site.clock.now()
        site.cluster.workloads["web"].roll(now.steady, by="kubectl rollout restart")
        await site.until_link("ONLINE")
        assert site.restarts("web") == 0
        reasons = [t.reason for commit in site.disk.commits for t in commit.step.transitions if t.source == "WAITING"]
        assert any("a rollout is in progress" in reason for reason in reasons)
        assert "already restarted since the outage, by kubectl rollout restart" in reasons[-1]

    run_virtually(story())


def test_a_disruption_budget_postpones_the_restart_until_it_allows_one() -> None:
    async def story() -> None:
        site = Site(plan_of("web"), web=Workload(blocked_by="web-pdb"))
        await site.start()
        await site.lose_link()
        site.link.up = True
        await site.until(lambda: "web-pdb allows no disruption" in site.world.services["web"].reason)
        await site.wait(60.0)
        assert site.restarts("web") == 0
        site.cluster.workloads["web"].blocked_by = None
        await site.until_link("ONLINE")
        assert site.restarts("web") == 1

    run_virtually(story())


def test_a_disruption_budget_that_never_allows_one_does_not_keep_the_recovery_open_for_ever() -> None:
    async def story() -> None:
        site = Site(plan_of("web", postpone_limit=120.0), web=Workload(blocked_by="web-pdb"))
        await site.start()
        await site.live_through_outage()
        assert (site.restarts("web"), site.state("web")) == (0, "READY")
        assert "skipped" in site.world.services["web"].reason

    run_virtually(story())


@pytest.mark.parametrize("fault", ["lost", "no reply", "late"])
def test_an_unknown_outcome_is_read_back_and_never_restarts_twice(fault: str) -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        site.cluster.faults = [fault]
        await site.live_through_outage()
        assert (site.restarts("web"), site.world.services["web"].attempts) == (1, 1)
        assert len({request.token for request in site.cluster.requests}) == 1

    run_virtually(story())


def test_a_service_that_is_gone_when_it_is_to_be_restarted_is_let_go() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        site.cluster.refusals = [("not-found", "deployments.apps web not found")]
        await site.start()
        await site.live_through_outage()
        left = [t for commit in site.disk.commits for t in commit.step.transitions if t.source == "RESTARTING"]
        assert [(t.dest, t.reason) for t in left] == [("UNKNOWN", "deployments.apps web not found")]
        assert len(site.cluster.requests) == 1

    run_virtually(story())


def test_an_api_that_comes_back_late_delays_the_recovery_and_costs_no_attempt() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.lose_link()
        site.cluster.reachable = False
        site.link.up = True
        await site.until(lambda: "cannot be checked" in site.world.services["web"].reason)
        await site.wait(900.0)
        assert site.world.link.state == LinkState.RECOVERING
        site.cluster.reachable = True
        await site.until_link("ONLINE")
        assert (site.restarts("web"), site.world.services["web"].attempts) == (1, 1)

    run_virtually(story())


@pytest.mark.parametrize(
    ("changes", "dark", "restarts"),
    [
        pytest.param({"when": When.UNHEALTHY}, 20.0, 0, id="unhealthy: a healthy one is left alone"),
        pytest.param({"when": When.OUTAGE_LONGER_THAN, "outage_longer_than": 60.0}, 20.0, 0, id="short outage"),
        pytest.param({"when": When.OUTAGE_LONGER_THAN, "outage_longer_than": 60.0}, 90.0, 1, id="long outage"),
        pytest.param({"act": False}, 20.0, 0, id="shadow mode"),
    ],
)
def test_when_a_service_is_restarted(changes: dict[str, object], dark: float, restarts: int) -> None:
    async def story() -> None:
        site = Site(plan_of("web", **changes))
        await site.start()
        await site.live_through_outage(dark=dark)
        assert (site.restarts("web"), site.state("web")) == (restarts, "READY")

    run_virtually(story())


def test_an_unhealthy_service_is_restarted_when_only_those_are() -> None:
    async def story() -> None:
        site = Site(plan_of("web", "hung", when=When.UNHEALTHY), hung=Workload(stuck=True))
        await site.start()
        await site.live_through_outage()
        assert (site.restarts("web"), site.restarts("hung")) == (0, 1)

    run_virtually(story())


def test_pause_stops_restarts_and_resume_goes_on() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")
        assert site.agent is not None
        assert await site.agent.obey(Order.PAUSE, (), "root") is None
        site.link.up = False
        await site.until_link("OFFLINE")
        site.link.up = True
        await site.until_link("RECOVERING")
        await site.wait(60.0)
        assert site.restarts("web") == 0
        assert await site.agent.obey(Order.RESUME, (), "root") is None
        await site.until_link("ONLINE")
        assert site.restarts("web") == 1

    run_virtually(story())


def test_recover_restarts_the_named_service_without_an_outage() -> None:
    async def story() -> None:
        site = Site(plan_of("web", "db"))
        await site.start()
        await site.until_link("ONLINE")
        await site.wait(5.0)
        assert site.agent is not None
        assert await site.agent.obey(Order.RECOVER, ("web",), "root") is None
        await site.until_link("ONLINE")
        assert (site.restarts("web"), site.restarts("db")) == (1, 0)

    run_virtually(story())


def test_recover_while_offline_is_refused_with_the_reason() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        site.link.up = False
        await site.until_link("OFFLINE")
        assert site.agent is not None
        refusal = await site.agent.obey(Order.RECOVER, (), "root")
        assert refusal is not None and refusal.startswith("the link is OFFLINE")

    run_virtually(story())


def test_rearm_gives_the_attempts_back() -> None:
    async def story() -> None:
        site = Site(plan_of("web", ready_timeout=5.0), web=Workload(failures=3))
        await site.start()
        await site.live_through_outage()
        assert site.state("web") == "GAVE_UP" and site.agent is not None
        assert await site.agent.obey(Order.REARM, ("web",), "root") is None
        assert site.world.services["web"].attempts == 0
        assert await site.agent.obey(Order.RECOVER, ("web",), "root") is None
        await site.until_link("ONLINE")
        assert (site.state("web"), site.restarts("web")) == ("READY", 4)

    run_virtually(story())


def test_an_event_that_our_own_parts_disagree_about_is_passed_over_and_told() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")
        site.disk.before = contradict
        site.link.up = False
        await site.wait(5.0)
        site.disk.before = None
        await site.until_link("OFFLINE")
        assert any("internal error" in record.text and "RoundFinished" in record.text for record in site.said)

    run_virtually(story())


def contradict(event: object, step: object) -> None:
    raise InvariantError("the step contradicts the file")


KILLS = [
    pytest.param("before", lambda event, step: bool(step.effects), id="before the intent is durable"),
    pytest.param("after", lambda event, step: bool(step.effects), id="after the intent, before the request"),
    pytest.param("before", lambda event, step: isinstance(event, RestartAnswered), id="before the outcome is durable"),
    pytest.param("after", lambda event, step: isinstance(event, RestartAnswered), id="after the outcome"),
    pytest.param("after", lambda event, step: entered(step, "RECOVERING"), id="after the link came back"),
    pytest.param("after", lambda event, step: entered(step, "OFFLINE"), id="after the outage began"),
    pytest.param("before", lambda event, step: entered(step, "READY"), id="before the rollout counts as complete"),
]


def entered(step: object, state: str) -> bool:
    return any(transition.dest == state for transition in step.transitions)  # type: ignore[attr-defined]  # a Step


@pytest.mark.parametrize(("timestamp", "condition"), KILLS)
def test_after_a_kill_the_next_start_goes_on_and_restarts_nothing_twice(timestamp: str, condition: object) -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")
        await site.wait(1.0)
        site.die_at(timestamp, condition)  # type: ignore[arg-type]  # a predicate of event and step
        site.link.up = False
        await site.wait(10.0)
        site.link.up = True
        await site.until(lambda: site.disk.dead, within=120.0)
        await site.kill()
        await site.wait(7.0)
        await site.start()
        await site.until_link("ONLINE")
        assert (site.restarts("web"), site.world.services["web"].attempts, site.state("web")) == (1, 1, "READY")
        assert site.world.outages == 1

    run_virtually(story())


def test_a_kill_while_the_link_holds_makes_it_hold_anew() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.lose_link()
        site.link.up = True
        await site.until_link("RECOVERING")
        await site.kill()
        await site.wait(30.0)
        await site.start()
        started = site.clock.now().steady
        await site.until(lambda: site.restarts("web") == 1)
        assert site.clock.now().steady - started >= site.plan.link.hold

    run_virtually(story())


def test_a_lost_database_does_not_give_attempts_back() -> None:
    async def story() -> None:
        site = Site(plan_of("web", ready_timeout=5.0), web=Workload(failures=99))
        await site.start()
        await site.live_through_outage()
        assert site.restarts("web") == 3
        await site.kill()
        site.disk = type(site.disk)()
        site.disk.world = type(site.disk.world)(store="disk0002")
        await site.start()
        await site.until(lambda: site.world.services["web"].attempts == 3)
        await site.live_through_outage()
        assert (site.restarts("web"), site.state("web")) == (3, "GAVE_UP")

    run_virtually(story())


def test_a_steady_link_writes_nothing() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")
        await site.wait(60.0)
        before = len(site.disk.commits)
        await site.wait(3600.0)
        assert len(site.disk.commits) == before
        assert site.disk.rounds > 1700

    run_virtually(story())
