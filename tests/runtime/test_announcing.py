"""What a service manager hears of the agent: ready, the state in one line, signs of life, and the end."""

from __future__ import annotations

from itertools import pairwise

from msgspec.structs import replace
from tests.fakes.local_ports import with_ports
from tests.fakes.sites import Site, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.events import AgentStarted, AgentStopped, Configured, Order
from connmon_agent.core.observations import ProbeResult
from connmon_agent.core.world import Service, ServiceState, World
from connmon_agent.explain.headlines import headline
from connmon_agent.runtime.announcing import SETTLING


def test_it_is_ready_once_its_start_is_durable() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        durable: list[list[type]] = []
        original = site.announcer.ready
        site.announcer.ready = lambda status: (durable.append(recorded(site)), original(status))  # type: ignore
        await site.start()
        await site.until_link("ONLINE")
        assert site.announcer.names[0] == "ready" and site.announcer.names.count("ready") == 1
        ((first, second, *_),) = durable
        assert (first, second) == (AgentStarted, Configured)

    run_virtually(story())


def recorded(site: Site) -> list[type]:
    return [type(commit.event) for commit in site.disk.commits]


def test_it_is_ready_with_its_first_verdict_and_its_ports() -> None:
    async def story() -> None:
        site = Site(with_ports(plan_of("web"), web=(8080,)))
        states: list[tuple[str, str]] = []
        site.announcer.ready = lambda status: states.append(  # type: ignore[method-assign]
            (site.world.link.state, site.world.forwards["web"].state)
        )
        await site.start()
        await site.wait(30.0)
        ((link, port),) = states
        assert link == "ONLINE"
        assert port in ("LISTENING", "OPEN")

    run_virtually(story())


def test_a_start_is_not_announced_with_what_an_earlier_agent_saw() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")
        await site.kill()
        site.link.shows = tuple(
            ProbeResult(f"tcp 192.0.2.{number}:443", "tcp", ok=False, reason="refused") for number in (1, 2, 3)
        )
        site.announcer.calls.clear()
        await site.start()
        await site.wait(5.0)
        assert str(site.announcer.said("ready")[0]).startswith("DEGRADED: ")

    run_virtually(story())


def test_a_link_that_cannot_be_judged_yet_delays_it_for_a_second_at_most() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        site.link.up = False  # its first round ends with the timeout
        began = site.clock.now().steady
        await site.start()
        await site.wait(30.0)
        (at,) = site.announcer.times("ready")
        assert at - began <= SETTLING + 0.1

    run_virtually(story())


def test_a_start_whose_disk_hangs_is_not_ready() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        site.disk.silent = True
        await site.start()
        await site.wait(60.0)
        assert "ready" not in site.announcer.names

    run_virtually(story())


def test_the_state_in_one_line_is_announced_when_it_changes_and_only_then() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.live_through_outage()
        assert site.agent is not None
        await site.agent.obey(Order.PAUSE, (), "root")
        await site.wait(60.0)
        lines = [str(line) for line in site.announcer.said("status")]
        states = [line.split(":")[0].split(",")[0] for line in lines]
        assert str(site.announcer.said("ready")[0]).startswith("ONLINE: ")
        assert [state for at, state in enumerate(states) if state != (["", *states])[at]] == [
            "DEGRADED",
            "OFFLINE",
            "RECOVERING",
            "ONLINE",
        ]
        assert all(one != other for one, other in pairwise(lines))
        assert lines[-1] == headline(site.world)
        assert lines[-1].endswith("; restarts paused")

    run_virtually(story())


def test_the_line_says_that_nothing_can_be_recorded() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")
        site.disk.fail = "lost"
        site.link.up = False
        await site.until_link("OFFLINE")
        assert "the state file cannot be written, nothing is restarted" in str(site.announcer.said("status")[-1])
        site.disk.fail = None
        await site.wait(60.0)
        assert site.announcer.said("status")[-1] == headline(site.world)

    run_virtually(story())


def test_signs_of_life_come_as_often_as_they_are_counted_on() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        site.announcer.pulse = 15.0
        await site.start()
        await site.wait(150.0)
        beats = site.announcer.times("alive")
        assert len(beats) >= 10
        assert all(later - earlier < 15.5 for earlier, later in pairwise(beats))

    run_virtually(story())


def test_no_signs_of_life_where_no_one_counts_on_them() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.wait(150.0)
        assert "alive" not in site.announcer.names

    run_virtually(story())


def test_a_read_that_hangs_ends_the_signs_of_life() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        site.announcer.pulse = 1.0
        await site.start()
        await site.until_link("ONLINE")
        site.disk.silent = True
        before = site.announcer.names.count("alive")
        await site.wait(100.0)
        assert site.announcer.names.count("alive") == before

    run_virtually(story())


def test_a_commit_that_hangs_ends_the_signs_of_life() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        site.announcer.pulse = 1.0
        await site.start()
        await site.until_link("ONLINE")
        site.disk.slow = 1000.0
        site.link.up = False
        await site.wait(10.0)
        before = site.announcer.names.count("alive")
        await site.wait(100.0)
        assert site.announcer.names.count("alive") == before

    run_virtually(story())


def test_a_full_disk_is_no_reason_to_restart_the_agent() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        site.announcer.pulse = 1.0
        await site.start()
        await site.until_link("ONLINE")
        site.disk.fail = "away"
        site.link.up = False
        await site.until_link("OFFLINE")
        before = site.announcer.names.count("alive")
        await site.wait(60.0)
        assert site.announcer.names.count("alive") >= before + 50

    run_virtually(story())


def test_the_end_is_announced_before_the_last_commit() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")
        events: list[str] = []
        site.announcer.stopping = lambda: events.append("stopping")  # type: ignore[method-assign]
        site.disk.after = lambda event, step: events.append(type(event).__name__)
        await site.stop()
        assert events == ["stopping", AgentStopped.__name__]

    run_virtually(story())


def test_the_line_names_what_gave_up_and_the_shadow_mode() -> None:
    world = World("abc", plan=plan_of("web", "db"))
    world = replace(world, link=replace(world.link, state="ONLINE", reason="3 of 3 targets answered"))
    gave_up = {name: Service(name, state=ServiceState.GAVE_UP) for name in ("web", "db")}
    assert headline(world) == "ONLINE: 3 of 3 targets answered"
    assert headline(replace(world, services={"web": gave_up["web"]})).startswith("ONLINE, but web gave up: ")
    assert headline(replace(world, services=gave_up)).startswith("ONLINE, but 2 services gave up: ")
    shadow = replace(world, plan=plan_of("web", act=False))
    assert headline(shadow).endswith("; shadow mode: nothing is restarted")
