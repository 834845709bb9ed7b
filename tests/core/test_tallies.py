"""The counters: what each event and round adds, and that none of them ever goes back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from connmon_agent.core.events import AgentStarted, TimerDue
from connmon_agent.core.moments import Moment
from connmon_agent.core.sightings import ProbeResult, Traffic
from connmon_agent.core.steps import Resolution, Step
from connmon_agent.core.tallies import (
    DURATIONS,
    MOST_TARGETS,
    LineTallies,
    Tallies,
    after_power_cut,
    count_probes,
    count_step,
    count_time,
    count_traffic,
    with_new_agent,
)
from connmon_agent.core.world import Blindness, Link, LinkState, Outage, World

WORLD = World(store="k7")


def at(seconds: float) -> Moment:
    return Moment(seconds, 1_795_000_000.0 + seconds)


def seen_as(state: str, **changes: object) -> World:
    return replace(WORLD, link=Link(state), **changes)  # type: ignore[arg-type]


def turn(tallies: Tallies, second: float, before: World, after: World) -> Tallies:
    return count_step(tallies, TimerDue(at(second), "x"), before, Step(after))


def test_time_counts_for_the_state_that_the_link_had_until_it_turned() -> None:
    online, offline = seen_as(LinkState.ONLINE), seen_as(LinkState.OFFLINE)
    tallies = turn(Tallies(), 100.0, seen_as(LinkState.STARTING), online)
    tallies = count_time(tallies, 130.0, online)
    tallies = turn(tallies, 140.0, online, offline)
    tallies = turn(tallies, 147.5, offline, online)
    assert tallies.seconds == {"STARTING": 0.0, "ONLINE": 40.0, "OFFLINE": 7.5}
    assert tallies.until == 147.5


def test_a_monitoring_gap_counts_as_gap_and_for_no_state() -> None:
    online = seen_as(LinkState.ONLINE)
    tallies = count_time(Tallies(until=100.0), 110.0, online)
    gap = Blindness(at(110.0), at(3710.0), "the machine slept for 1 h")
    started = AgentStarted(at(3712.0), 7, "1", "boot")
    tallies = count_step(tallies, started, online, Step(replace(online, blind=gap)))
    assert (tallies.blind, tallies.seconds) == (3600.0, {"ONLINE": 12.0})
    again = count_step(tallies, started, replace(online, blind=gap), Step(replace(online, blind=gap)))
    assert again.blind == 3600.0  # one that is known already is not counted again


def test_an_outage_counts_once_by_the_cause_it_began_with() -> None:
    outage = Outage(1, at(5), "gateway")
    tallies = turn(Tallies(until=0.0), 5.0, WORLD, replace(WORLD, outage=outage))
    later = replace(WORLD, outage=replace(outage, cause="unreachable"))
    tallies = turn(tallies, 6.0, replace(WORLD, outage=outage), later)
    second = replace(WORLD, outage=Outage(2, at(9), "no answer from 192.0.2.1"))
    assert turn(tallies, 9.0, later, second).outages == {"gateway": 1, "other": 1}


def test_a_restart_counts_by_its_outcome_and_an_order_to_listen_does_not() -> None:
    resolutions = (
        Resolution("web", "k7-1", "applied", ""),
        Resolution("web", "k7-2", "refused", ""),
        Resolution("web", "listen/web-1", "applied", ""),
    )
    step = Step(WORLD, resolutions=resolutions)
    assert count_step(Tallies(until=0.0), TimerDue(at(1), "x"), WORLD, step).restarts == {
        "web": {"applied": 1, "refused": 1}
    }


def test_what_changes_no_counter_gives_the_same_counters_and_so_is_not_written() -> None:
    tallies = Tallies(until=0.0)
    assert turn(tallies, 5.0, WORLD, replace(WORLD, tokens=4)) is tallies


def test_a_probe_counts_in_the_class_of_its_duration() -> None:
    results = [
        ProbeResult("a", "tcp", True, latency_ms=5.0),  # the bound itself belongs to the class
        ProbeResult("a", "tcp", True, latency_ms=5.1),
        ProbeResult("a", "tcp", False, reason="no answer"),
        ProbeResult("gateway 10.0.0.1", "gateway", True, latency_ms=1.0),
    ]
    tally = count_probes(LineTallies(), results, ["a"]).probes
    assert tally.keys() == {"a"}
    assert (tally["a"].probes, tally["a"].failures, tally["a"].durations) == (
        3,
        1,
        (1, 1) + (0,) * (len(DURATIONS) - 1),
    )
    assert abs(tally["a"].seconds - 0.0101) < 1e-9


def test_a_target_that_is_asked_again_goes_on_and_the_memory_of_others_is_bounded() -> None:
    lines = count_probes(LineTallies(), [ProbeResult("a", "tcp", True)], ["a"])
    lines = count_probes(lines, [ProbeResult("b", "tcp", True)], ["b"])
    lines = count_probes(lines, [ProbeResult("a", "tcp", True)], ["a"])
    assert {name: tally.probes for name, tally in lines.probes.items()} == {"a": 2, "b": 1}
    for number in range(3 * MOST_TARGETS):
        lines = count_probes(lines, [ProbeResult(f"t{number}", "tcp", True)], [f"t{number}", "a"])
        assert len(lines.probes) <= MOST_TARGETS
    assert lines.probes["a"].probes == 2


def test_traffic_goes_on_over_a_new_agent_and_over_forwards_that_begin_anew() -> None:
    lines = count_traffic(LineTallies(), [Traffic("web", received=100, sent=10, open=2)])
    lines = count_traffic(lines, [Traffic("web", received=150, sent=10)])
    lines = count_traffic(lines, [Traffic("web", received=7, sent=3, open=1)])  # a reload brought others
    assert (lines.flows["web"].received, lines.flows["web"].sent, lines.flows["web"].open) == (157, 13, 1)
    lines = count_traffic(with_new_agent(lines), [Traffic("web", received=20, sent=20)])
    assert (lines.flows["web"].received, lines.flows["web"].sent) == (177, 33)


def test_after_a_power_cut_only_what_was_certainly_durable_goes_on() -> None:
    tallies = Tallies({"dns": 3}, {"web": {"applied": 2}}, 60.0, {"ONLINE": 9.0}, 1.0, 50.0, "boot-1")
    kept, lines = after_power_cut(tallies, count_probes(LineTallies(), [ProbeResult("a", "tcp", True)], "a"), 77.0)
    assert (kept.outages, kept.restarts, kept.blind) == ({"dns": 3}, {"web": {"applied": 2}}, 60.0)
    assert (kept.seconds, kept.since, lines) == ({}, 77.0, LineTallies(since=77.0))


states = st.sampled_from(list(LinkState))


@given(st.lists(st.tuples(st.floats(-50, 50), states, st.booleans()), max_size=30))
def test_no_counter_ever_goes_back_whatever_the_clock_says(turns: list[tuple[float, LinkState, bool]]) -> None:
    tallies, world, now = Tallies(), WORLD, 1000.0
    for passed, state, blind in turns:
        now += passed
        gap = Blindness(at(now - abs(passed)), at(now), f"{now}") if blind else world.blind
        after = replace(world, link=Link(state), blind=gap)
        counted = turn(tallies, now, world, after)
        assert counted.blind >= tallies.blind
        assert all(counted.seconds[name] >= seconds for name, seconds in tallies.seconds.items())
        assert (counted.until or 0.0) >= (tallies.until or 0.0)
        tallies, world = counted, after
