"""The counters: what each event and round adds, and that none of them ever goes back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from connmon_agent.core.counters import (
    DURATIONS,
    MOST_TARGETS,
    Counters,
    LineCounters,
    after_power_cut,
    count_probes,
    count_step,
    count_time,
    count_traffic,
    with_new_agent,
)
from connmon_agent.core.events import AgentStarted, TimerDue
from connmon_agent.core.observations import ProbeResult, Traffic
from connmon_agent.core.steps import Resolution, Step
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Link, LinkState, MonitoringGap, Outage, World

WORLD = World(store="k7")


def at(seconds: float) -> Timestamp:
    return Timestamp(seconds, 1_795_000_000.0 + seconds)


def seen_as(state: str, **changes: object) -> World:
    return replace(WORLD, link=Link(state), **changes)  # type: ignore[arg-type]


def turn(counters: Counters, second: float, before: World, after: World) -> Counters:
    return count_step(counters, TimerDue(at(second), "x"), before, Step(after))


def test_time_counts_for_the_state_that_the_link_had_until_it_turned() -> None:
    online, offline = seen_as(LinkState.ONLINE), seen_as(LinkState.OFFLINE)
    counters = turn(Counters(), 100.0, seen_as(LinkState.STARTING), online)
    counters = count_time(counters, 130.0, online)
    counters = turn(counters, 140.0, online, offline)
    counters = turn(counters, 147.5, offline, online)
    assert counters.seconds == {"STARTING": 0.0, "ONLINE": 40.0, "OFFLINE": 7.5}
    assert counters.until == 147.5


def test_a_monitoring_gap_counts_as_gap_and_for_no_state() -> None:
    online = seen_as(LinkState.ONLINE)
    counters = count_time(Counters(until=100.0), 110.0, online)
    gap = MonitoringGap(at(110.0), at(3710.0), "the machine slept for 1 h")
    started = AgentStarted(at(3712.0), 7, "1", "boot")
    counters = count_step(counters, started, online, Step(replace(online, monitoring_gap=gap)))
    assert (counters.monitoring_gap, counters.seconds) == (3600.0, {"ONLINE": 12.0})
    again = count_step(
        counters, started, replace(online, monitoring_gap=gap), Step(replace(online, monitoring_gap=gap))
    )
    assert again.monitoring_gap == 3600.0  # one that is known already is not counted again


def test_an_outage_counts_once_by_the_cause_it_began_with() -> None:
    outage = Outage(1, at(5), "gateway")
    counters = turn(Counters(until=0.0), 5.0, WORLD, replace(WORLD, outage=outage))
    later = replace(WORLD, outage=replace(outage, cause="unreachable"))
    counters = turn(counters, 6.0, replace(WORLD, outage=outage), later)
    second = replace(WORLD, outage=Outage(2, at(9), "no answer from 192.0.2.1"))
    assert turn(counters, 9.0, later, second).outages == {"gateway": 1, "other": 1}


def test_a_restart_counts_by_its_outcome_and_an_order_to_listen_does_not() -> None:
    resolutions = (
        Resolution("web", "k7-1", "applied", ""),
        Resolution("web", "k7-2", "refused", ""),
        Resolution("web", "listen/web-1", "applied", ""),
    )
    step = Step(WORLD, resolutions=resolutions)
    assert count_step(Counters(until=0.0), TimerDue(at(1), "x"), WORLD, step).restarts == {
        "web": {"applied": 1, "refused": 1}
    }


def test_what_changes_no_counter_gives_the_same_counters_and_so_is_not_written() -> None:
    counters = Counters(until=0.0)
    assert turn(counters, 5.0, WORLD, replace(WORLD, tokens=4)) is counters


def test_a_probe_counts_in_the_class_of_its_duration() -> None:
    results = [
        ProbeResult("a", "tcp", True, latency_ms=5.0),  # the bound itself belongs to the class
        ProbeResult("a", "tcp", True, latency_ms=5.1),
        ProbeResult("a", "tcp", False, reason="no answer"),
        ProbeResult("gateway 10.0.0.1", "gateway", True, latency_ms=1.0),
    ]
    counters = count_probes(LineCounters(), results, ["a"]).probes
    assert counters.keys() == {"a"}
    assert (counters["a"].probes, counters["a"].failures, counters["a"].durations) == (
        3,
        1,
        (1, 1) + (0,) * (len(DURATIONS) - 1),
    )
    assert abs(counters["a"].seconds - 0.0101) < 1e-9


def test_a_target_that_is_asked_again_goes_on_and_the_memory_of_others_is_bounded() -> None:
    lines = count_probes(LineCounters(), [ProbeResult("a", "tcp", True)], ["a"])
    lines = count_probes(lines, [ProbeResult("b", "tcp", True)], ["b"])
    lines = count_probes(lines, [ProbeResult("a", "tcp", True)], ["a"])
    assert {name: counters.probes for name, counters in lines.probes.items()} == {"a": 2, "b": 1}
    for number in range(3 * MOST_TARGETS):
        lines = count_probes(lines, [ProbeResult(f"t{number}", "tcp", True)], [f"t{number}", "a"])
        assert len(lines.probes) <= MOST_TARGETS
    assert lines.probes["a"].probes == 2


def test_traffic_goes_on_over_a_new_agent_and_over_forwards_that_begin_anew() -> None:
    lines = count_traffic(LineCounters(), [Traffic("web", received=100, sent=10, open=2)])
    lines = count_traffic(lines, [Traffic("web", received=150, sent=10)])
    lines = count_traffic(lines, [Traffic("web", received=7, sent=3, open=1)])  # a reload brought others
    assert (lines.flows["web"].received, lines.flows["web"].sent, lines.flows["web"].open) == (157, 13, 1)
    lines = count_traffic(with_new_agent(lines), [Traffic("web", received=20, sent=20)])
    assert (lines.flows["web"].received, lines.flows["web"].sent) == (177, 33)


def test_after_a_power_cut_only_what_was_certainly_durable_goes_on() -> None:
    counters = Counters({"dns": 3}, {"web": {"applied": 2}}, 60.0, {"ONLINE": 9.0}, 1.0, 50.0, "boot-1")
    kept, lines = after_power_cut(counters, count_probes(LineCounters(), [ProbeResult("a", "tcp", True)], "a"), 77.0)
    assert (kept.outages, kept.restarts, kept.monitoring_gap) == ({"dns": 3}, {"web": {"applied": 2}}, 60.0)
    assert (kept.seconds, kept.since, lines) == ({}, 77.0, LineCounters(since=77.0))


states = st.sampled_from(list(LinkState))


@given(st.lists(st.tuples(st.floats(-50, 50), states, st.booleans()), max_size=30))
def test_no_counter_ever_goes_back_whatever_the_clock_says(turns: list[tuple[float, LinkState, bool]]) -> None:
    counters, world, now = Counters(), WORLD, 1000.0
    for passed, state, monitoring_gap in turns:
        now += passed
        gap = MonitoringGap(at(now - abs(passed)), at(now), f"{now}") if monitoring_gap else world.monitoring_gap
        after = replace(world, link=Link(state), monitoring_gap=gap)
        counted = turn(counters, now, world, after)
        assert counted.monitoring_gap >= counters.monitoring_gap
        assert all(counted.seconds[name] >= seconds for name, seconds in counters.seconds.items())
        assert (counted.until or 0.0) >= (counters.until or 0.0)
        counters, world = counted, after
