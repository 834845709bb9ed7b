"""A monitoring gap in the core: what it is worth, what it resets, and what it leads to."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.fakes.charts import real_charts
from tests.fakes.memories import DOWN, HEALTHY, PLAN, UP, rounds, start
from tests.fakes.mornings import at

from connmon_agent.core.engine import Engine
from connmon_agent.core.events import AgentStarted, Configured, Event, Inspected, MonitoringGapEnded, TimerDue
from connmon_agent.core.link.monitoring_gaps import longest_silence
from connmon_agent.core.plan import AfterGap, LinkPlan, Plan
from connmon_agent.core.steps import Step
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import World

ENGINE = Engine(real_charts())
SLEPT = "the machine slept for 2 h"


def live(*events: Event, plan: Plan = PLAN) -> tuple[World, Step]:
    """The world after an agent's start under ``plan`` and ``events``, and the last step."""
    world, step = World(store="k7"), Step(World(store="k7"))
    for given in (*start(0), *events):
        event = replace(given, plan=plan) if isinstance(given, Configured) else given
        step = ENGINE.step(world, event)
        world = step.world
    return world, step


def online(*, until: float = 4) -> list[Event]:
    looks = [Inspected(at(until), name, HEALTHY) for name in PLAN_NAMES]
    return [*rounds(UP, 1, 2, 3), *looks]


def slept(since: float, until: float) -> MonitoringGapEnded:
    return MonitoringGapEnded(at(until), at(since), SLEPT)


PLAN_NAMES = tuple(service.name for service in PLAN.services)
RESTART = replace(PLAN, link=replace(PLAN.link, after_gap=AfterGap.RESTART))
OUTAGE = [*online(), *rounds(DOWN, 10, 11, 12)]
BACK = [*OUTAGE, *rounds(UP, 20, 21, 22)]


def moves(step: Step) -> list[str]:
    return [f"{one.instance} {one.source}->{one.dest}" for one in step.transitions]


@pytest.mark.parametrize(
    ("before", "plan", "expected"),
    [
        pytest.param(
            online(), PLAN, ["frontend READY->UNKNOWN", "grafana READY->UNKNOWN", "link ONLINE->DEGRADED"], id="online"
        ),
        pytest.param(
            online(),
            RESTART,
            ["frontend READY->UNKNOWN", "grafana READY->UNKNOWN", "link ONLINE->DEGRADED", "link DEGRADED->OFFLINE"],
            id="online, as an outage",
        ),
        pytest.param([*rounds(DOWN, 1)], PLAN, ["link DEGRADED->DEGRADED"], id="in doubt"),
        pytest.param([*rounds(DOWN, 1)], RESTART, ["link DEGRADED->OFFLINE"], id="in doubt, as an outage"),
        pytest.param(OUTAGE, RESTART, ["frontend READY->UNKNOWN", "grafana READY->UNKNOWN"], id="offline stays"),
        pytest.param([], RESTART, [], id="before the first verdict"),
        pytest.param(BACK, PLAN, ["link RECOVERING->RECOVERING"], id="holding"),
    ],
)
def test_what_blindness_leads_to(before: list[Event], plan: Plan, expected: list[str]) -> None:
    world, step = live(*before, slept(30, 7230), plan=plan)
    assert moves(step) == expected
    assert (world.link.good, world.link.bad, world.link.confirmed, world.link.first_failure) == (0, 0, False, None)
    assert all(service.healthy_since is None for service in world.services.values())
    assert world.monitoring_gap is not None and (world.monitoring_gap.since, world.monitoring_gap.until) == (
        at(30),
        at(7230),
    )
    assert not step.effects


def test_the_reason_says_who_was_blind() -> None:
    world, _ = live(*online(), slept(30, 7230))
    assert world.link.reason == "monitoring gap: the machine slept for 2 h; judging the link again"
    assert world.services["grafana"].reason == "monitoring gap: the machine slept for 2 h; checking again"


def test_good_rounds_do_not_claim_that_there_was_no_outage() -> None:
    world, _ = live(*online(), slept(30, 7230), *rounds(UP, 7231, 7232, 7233))
    assert world.link.reason == "3 good rounds in a row; outage not ruled out (monitoring gap)"
    doubted, _ = live(*online(), *rounds(DOWN, 10), *rounds(UP, 11, 12, 13))
    assert doubted.link.reason == "3 good rounds in a row; no outage"


def test_a_hold_begins_anew() -> None:
    world, _ = live(*BACK, slept(23, 7223))
    assert world.timers["hold"] == at(7223).plus(PLAN.link.hold)


def test_blindness_within_an_outage_is_counted_apart() -> None:
    world, _ = live(*OUTAGE, slept(30, 7230), *rounds(UP, 7231, 7232, 7233))
    assert world.outage is not None and (world.outage.started, world.outage.monitoring_gap) == (at(10), 7200.0)


def test_blindness_before_an_outage_is_no_part_of_it() -> None:
    world, _ = live(*online(), slept(30, 7230), *rounds(DOWN, 7231, 7232, 7233))
    assert world.outage is not None and (world.outage.started, world.outage.monitoring_gap) == (at(7231), 0.0)


def test_as_an_outage_all_of_it_is_blind_time_and_no_flap() -> None:
    world, _ = live(*online(), slept(30, 7230), plan=RESTART)
    assert world.outage is not None
    assert (world.outage.cause, world.outage.started, world.outage.monitoring_gap) == ("blind", at(30), 7200.0)
    assert world.link.penalty == 0.0


def test_as_an_outage_services_wait_for_good_rounds_and_the_hold() -> None:
    events = [*online(), slept(30, 7230), *rounds(UP, 7231, 7232, 7233)]
    held, _ = live(*events, plan=RESTART)
    assert (held.link.state, held.services["grafana"].state) == ("RECOVERING", "WAITING")
    _, step = live(*events, TimerDue(at(7243), "hold"), Inspected(at(7243), "grafana", HEALTHY), plan=RESTART)
    assert [effect.service for effect in step.effects] == ["grafana"]


def clock_set(seconds: float, words: str) -> MonitoringGapEnded:
    now = at(30)
    return MonitoringGapEnded(now, Timestamp(now.steady, now.wall - seconds), words)


@pytest.mark.parametrize("seconds", [-3600.0, -2.0, 2.0, 4.9])
def test_a_clock_that_was_merely_set_is_told_and_changes_nothing_else(seconds: float) -> None:
    before, _ = live(*online())
    step = ENGINE.step(before, clock_set(seconds, "the clock was set"))
    assert (step.world, step.transitions) == (before, ())
    assert step.notes == (("agent", "the clock was set"),)


@pytest.mark.parametrize("plan", [PLAN, RESTART])
def test_a_clock_set_forward_may_be_a_pause_and_all_is_judged_afresh_but_nothing_restarted(plan: Plan) -> None:
    world, step = live(*online(), clock_set(3600.0, "the clock was set forward by 1 h"), plan=plan)
    assert moves(step) == ["frontend READY->UNKNOWN", "grafana READY->UNKNOWN", "link ONLINE->DEGRADED"]
    told = "the clock was set forward by 1 h, as after a suspended machine resumes"
    assert step.notes == (("agent", f"possible monitoring gap: {told}"),)
    assert world.link.reason == f"possible monitoring gap: {told}; judging the link again"
    assert world.monitoring_gap is not None and (world.monitoring_gap.known, world.monitoring_gap.doubtful) == (
        False,
        True,
    )


def test_a_clock_set_forward_counts_no_second_of_an_outage() -> None:
    world, _ = live(*OUTAGE, clock_set(3600.0, "the clock was set forward by 1 h"))
    assert world.outage is not None and world.outage.monitoring_gap == 0.0


def test_a_sleep_after_which_the_clock_was_set_is_recorded_too() -> None:
    step_forward = MonitoringGapEnded(
        at(7230), Timestamp(at(7230).steady, at(7230).wall - 6), "the clock was set forward by 6 s"
    )
    world, _ = live(*online(), step_forward, slept(30, 7230))
    assert world.monitoring_gap is not None and (world.monitoring_gap.cause, world.monitoring_gap.known) == (
        SLEPT,
        True,
    )


@pytest.mark.parametrize(
    ("away", "by_clock"),
    [
        pytest.param(0.0, "its clock does not show it", id="its clock stood still, or is behind"),
        pytest.param(3.0, "3 s by its clock", id="shorter than an absence that counts"),
        pytest.param(7200.0, "2 h by its clock", id="long"),
    ],
)
def test_a_restart_of_the_machine_is_always_blind_time_of_unknown_length(away: float, by_clock: str) -> None:
    world, _ = live(*online(), AgentStarted(at(50 + away), 1, "0.1.0", "boot-2", heartbeat=at(50)))
    assert world.monitoring_gap is not None and not world.monitoring_gap.known
    assert world.monitoring_gap.cause == f"the machine rebooted, downtime unknown ({by_clock})"
    assert (world.link.state, world.boot) == ("STARTING", "boot-2")


def test_a_world_of_an_older_version_does_not_know_its_boot() -> None:
    before, _ = live(*online())
    started = AgentStarted(at(52), 1, "0.1.0", "boot-2", heartbeat=at(50))
    assert ENGINE.step(replace(before, boot=""), started).world.monitoring_gap is None


@pytest.mark.parametrize(
    ("gap", "state"),
    [pytest.param(6.0, "ONLINE", id="three rounds"), pytest.param(6.5, "DEGRADED", id="longer")],
)
def test_an_agent_that_was_away_longer_than_three_rounds_was_blind(gap: float, state: str) -> None:
    world, _ = live(*online(), AgentStarted(at(50 + gap), 1, "0.1.0", "boot-1", heartbeat=at(50)))
    assert world.link.state == state


def test_no_time_is_blind_twice() -> None:
    killed = AgentStarted(at(7330), 1, "0.1.0", "boot-1", heartbeat=at(25))
    world, _ = live(*OUTAGE, slept(30, 7230), killed)
    assert world.outage is not None and world.outage.monitoring_gap == 7300.0
    assert world.monitoring_gap is not None and world.monitoring_gap.since == at(7230)


def test_a_short_absence_in_an_outage_is_blind_time_too() -> None:
    world, _ = live(*OUTAGE, AgentStarted(at(52), 1, "0.1.0", "boot-1", heartbeat=at(50)))
    assert world.outage is not None and (world.outage.monitoring_gap, world.monitoring_gap) == (2.0, None)


@pytest.mark.parametrize(("interval", "seconds"), [(0.5, 5.0), (2.0, 6.0), (60.0, 180.0)])
def test_silence_is_unusual_after_five_seconds_and_three_rounds(interval: float, seconds: float) -> None:
    assert longest_silence(LinkPlan(check_interval=interval)) == seconds
