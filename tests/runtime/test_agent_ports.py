"""The local ports, through the real engine, charts and observers: who gets which, and when it counts as reached."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace
from tests.fakes.local_ports import with_ports
from tests.fakes.sites import Site, Workload, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.events import ListenAnswered, PortsSeen
from connmon_agent.core.plan import Plan, Reclaim


def ports_of(site: Site) -> dict[str, int | None]:
    return {name: forward.port for name, forward in site.world.forwards.items()}


def forward_state(site: Site, name: str) -> str:
    return site.world.forwards[name].state


async def all_open(site: Site) -> None:
    await site.until(lambda: all(forward.state == "OPEN" for forward in site.world.forwards.values()))


def live(plan: Plan, story: Callable[[Site], Awaitable[None]], **workloads: Workload) -> Site:
    async def whole() -> Site:
        site = Site(plan, **workloads)
        await story(site)
        await site.kill()
        return site

    return run_virtually(whole())


WEB = with_ports(plan_of("web"), web=(8080, 8081, 8082))


def test_a_service_gets_its_primary_port_and_is_ready_once_that_leads_to_it() -> None:
    async def story(site: Site) -> None:
        await site.start()
        await all_open(site)
        await site.until(lambda: site.state("web") == "READY")
        assert ports_of(site) == {"web": 8080}
        assert site.world.forwards["web"].reason == "port 8080 reaches the service"

    live(WEB, story)


def test_a_service_whose_primary_port_is_taken_gets_an_alternative_and_says_who_has_it() -> None:
    async def story(site: Site) -> None:
        site.machine.holders = {8080: "nginx (pid 99)"}
        await site.start()
        await all_open(site)
        assert ports_of(site) == {"web": 8081}
        assert site.world.forwards["web"].choice == "8080 is in use by nginx (pid 99)"

    live(WEB, story)


def test_the_port_of_another_service_is_never_taken_as_an_alternative() -> None:
    plan = with_ports(plan_of("web", "admin"), web=(8080, 8082, 8083), admin=(8082, 8182))

    async def story(site: Site) -> None:
        site.machine.holders = {8080: "nginx (pid 99)"}
        await site.start()
        await all_open(site)
        assert ports_of(site) == {"web": 8083, "admin": 8082}
        assert site.world.forwards["web"].choice == "8080 is in use by nginx (pid 99); 8082 belongs to admin"

    live(plan, story)


def test_a_port_that_looked_free_and_is_refused_makes_room_for_the_next() -> None:
    async def story(site: Site) -> None:
        site.machine.surprises = {8080: "is reserved by Windows", 8081: "needs privileges"}
        await site.start()
        await all_open(site)
        assert ports_of(site) == {"web": 8082}
        assert site.world.forwards["web"].choice == "8080 is reserved by Windows; 8081 needs privileges"

    live(WEB, story)


def test_a_port_that_looks_free_and_is_refused_again_and_again_is_asked_for_less_and_less_often() -> None:
    async def story(site: Site) -> None:
        site.machine.surprises = {8080: "is reserved by Windows"}
        await site.start()
        await site.until(lambda: forward_state(site, "web") == "CONFLICT")
        await site.wait(10)
        assert len(site.forwards.orders) <= 3
        await site.wait(3600)
        assert site.world.forwards["web"].reason == "8080 is reserved by Windows"
        assert 12 <= len(site.forwards.orders) <= 20
        site.machine.surprises.clear()
        await site.wait(310)
        assert ports_of(site) == {"web": 8080}
        assert site.world.refused == ()

    live(with_ports(plan_of("web"), web=(8080,)), story)


def test_a_refusal_that_a_look_explains_is_forgotten_and_the_port_taken_as_soon_as_it_is_free() -> None:
    async def story(site: Site) -> None:
        site.machine.surprises = {8080: "is reserved by Windows"}
        await site.start()
        await site.wait(3600)
        site.machine.surprises, site.machine.holders = {}, {8080: "nginx (pid 99)"}
        await site.wait(10)
        assert site.world.forwards["web"].reason == "8080 is in use by nginx (pid 99)"
        assert site.world.refused == ()
        site.machine.holders.clear()
        await site.wait(6)
        assert ports_of(site) == {"web": 8080}

    live(with_ports(plan_of("web"), web=(8080,)), story)


def test_a_restart_of_the_agent_asks_at_once_for_a_port_that_was_refused() -> None:
    async def story(site: Site) -> None:
        site.machine.surprises = {8080: "is reserved by Windows"}
        await site.start()
        await site.wait(3600)
        await site.stop()
        site.machine.surprises.clear()
        await site.start()
        await site.wait(2)
        assert ports_of(site) == {"web": 8080}

    live(with_ports(plan_of("web"), web=(8080,)), story)


def test_without_any_port_a_service_is_in_conflict_the_others_are_not_and_it_is_tried_again() -> None:
    plan = with_ports(plan_of("web", "admin"), web=(8080, 8081), admin=(8090,))

    async def story(site: Site) -> None:
        site.machine.holders = {8080: "nginx (pid 99)", 8081: "node (pid 7)"}
        await site.start()
        await site.until(lambda: forward_state(site, "web") == "CONFLICT" and forward_state(site, "admin") == "OPEN")
        assert site.world.forwards["web"].reason == "8080 is in use by nginx (pid 99); 8081 is in use by node (pid 7)"
        await site.wait(60)
        assert forward_state(site, "web") == "CONFLICT"
        del site.machine.holders[8081]
        await all_open(site)
        assert ports_of(site) == {"web": 8081, "admin": 8090}

    live(plan, story)


def test_it_goes_back_to_the_primary_port_once_that_is_free_and_no_connection_is_open() -> None:
    async def story(site: Site) -> None:
        site.machine.holders = {8080: "nginx (pid 99)"}
        await site.start()
        await all_open(site)
        site.open_connections["web"] = 1
        del site.machine.holders[8080]
        await site.wait(60)
        assert ports_of(site) == {"web": 8081}
        site.open_connections["web"] = 0
        await site.until(lambda: ports_of(site) == {"web": 8080})
        assert any("moving from port 8081 to 8080" in record.text for record in site.said)
        assert site.forwards.listening == {"web": 8080}

    live(WEB, story)


def test_it_stays_where_it_is_when_that_is_configured() -> None:
    (service,) = WEB.services
    assert service.forward is not None
    plan = replace(WEB, services=(replace(service, forward=replace(service.forward, reclaim=Reclaim.NEVER)),))

    async def story(site: Site) -> None:
        site.machine.holders = {8080: "nginx (pid 99)"}
        await site.start()
        await all_open(site)
        site.machine.holders.clear()
        await site.wait(120)
        assert ports_of(site) == {"web": 8081}
        await site.kill()
        await site.start()
        await all_open(site)
        assert ports_of(site) == {"web": 8081}
        assert site.world.forwards["web"].choice == "same port as before"

    live(plan, story)


def test_an_agent_that_was_killed_comes_back_to_the_port_it_had() -> None:
    async def story(site: Site) -> None:
        site.machine.holders = {8080: "nginx (pid 99)", 8081: "node (pid 7)"}
        await site.start()
        await all_open(site)
        assert ports_of(site) == {"web": 8082}
        await site.kill()
        del site.machine.holders[8081]  # an earlier alternative is free now, and clients know the later one
        await site.start()
        await all_open(site)
        assert ports_of(site) == {"web": 8082}

    live(WEB, story)


@pytest.mark.parametrize("timestamp", ["before", "after"])
@pytest.mark.parametrize("event", [PortsSeen, ListenAnswered])
def test_killed_around_any_decision_about_a_port_it_ends_with_one_that_it_listens_on(
    timestamp: str, event: type[object]
) -> None:
    async def story(site: Site) -> None:
        await site.start()
        site.die_at(timestamp, lambda happened, step: isinstance(happened, event))
        await site.wait(5)
        await site.kill()
        await site.start()
        await all_open(site)
        assert site.forwards.listening == {"web": 8080}
        assert site.world.forwards["web"].intent is None

    live(WEB, story)


def test_an_agent_that_ends_in_order_leaves_its_ports_and_says_so() -> None:
    async def whole() -> None:
        site = Site(WEB)
        await site.start()
        await all_open(site)
        await site.stop()
        assert (site.disk.world.forwards["web"].state, site.forwards.closed) == ("CLOSED", True)
        assert site.published[-1].forwards["web"].port is None

    run_virtually(whole())


def test_a_reload_moves_a_service_to_its_new_port_and_lets_go_of_what_is_no_longer_wanted() -> None:
    plan = with_ports(plan_of("web", "admin"), web=(8080,), admin=(8090,))

    async def story(site: Site) -> None:
        await site.start()
        await all_open(site)
        assert site.agent is not None
        await site.agent.configure(with_ports(plan_of("web", "admin"), web=(9090,)))
        await site.until(lambda: ports_of(site) == {"web": 9090} and forward_state(site, "web") == "OPEN")
        assert site.forwards.listening == {"web": 9090}

    live(plan, story)


# What counts as READY.


def test_a_restarted_service_is_ready_only_once_a_connection_through_its_port_reached_it() -> None:
    async def story(site: Site) -> None:
        await site.start()
        await all_open(site)
        await site.lose_link()
        site.troubles["web"] = "the pod refuses the connection"
        site.link.up = True
        await site.until(lambda: site.restarts("web") == 1 and site.cluster.workloads["web"].show(1e9).healthy)
        await site.wait(30)
        assert site.state("web") == "VERIFYING"
        assert "local port 8080 does not reach it: the pod refuses the connection" in site.world.services["web"].reason
        site.troubles.clear()
        await site.until_link("ONLINE")
        assert site.state("web") == "READY"
        assert site.restarts("web") == 1

    live(WEB, story)


def test_a_port_that_never_leads_to_its_service_costs_no_second_restart_and_ends_the_recovery() -> None:
    plan = with_ports(plan_of("web", "db", ready_timeout=60.0), web=(8080,))

    async def story(site: Site) -> None:
        await site.start()
        await all_open(site)
        await site.lose_link()
        site.troubles["web"] = "the pod refuses the connection"
        site.link.up = True
        await site.until_link("ONLINE")
        assert (site.restarts("web"), site.state("db")) == (1, "READY")
        await site.wait(120)
        assert site.state("web") == "UNKNOWN"
        assert "does not reach it" in site.world.services["web"].reason

    live(plan, story)


@pytest.mark.parametrize("lasting", [True, False], ids=["a person must mend it", "every port is taken"])
def test_what_waiting_will_not_mend_holds_up_nobody(lasting: bool) -> None:
    plan = with_ports(plan_of("web", "db", depends_on={"db": ("web",)}, ready_timeout=600.0), web=(8080,))

    async def story(site: Site) -> None:
        if lasting:
            site.lasting.add("web")
            site.troubles["web"] = "create on pods/portforward is forbidden"
        else:
            site.machine.holders = {8080: "nginx (pid 99)"}
        await site.start()
        await site.lose_link()
        site.link.up = True
        await site.until_link("ONLINE", within=120)
        assert (site.state("web"), site.state("db")) == ("UNKNOWN", "READY")

    live(plan, story)


def test_what_is_left_alone_in_a_recovery_is_ready_only_once_its_port_was_tried_again() -> None:
    plan = with_ports(plan_of("web", act=False), web=(8080,))

    async def story(site: Site) -> None:
        await site.start()
        await all_open(site)
        await site.lose_link()
        before = len(site.forwards.checks)
        site.link.up = True
        await site.until_link("ONLINE")
        assert site.state("web") == "READY"
        assert len(site.forwards.checks) > before

    live(plan, story)


def test_health_gives_the_attempts_back_though_nobody_reaches_the_port() -> None:
    plan = with_ports(plan_of("web", healthy_for=60.0, ready_timeout=20.0), web=(8080,))

    async def story(site: Site) -> None:
        await site.start()
        await all_open(site)
        site.troubles["web"] = "the pod refuses the connection"
        await site.live_through_outage()
        assert site.world.services["web"].attempts == 1
        await site.wait(120)
        assert (site.state("web"), site.world.services["web"].attempts) == ("UNKNOWN", 0)

    live(plan, story)


def test_what_goes_through_is_noted_within_seconds_and_only_when_it_has_changed() -> None:
    async def story(site: Site) -> None:
        await site.start()
        await all_open(site)
        site.open_connections["web"] = 3
        await site.wait(3)
        assert [flow.open for flow in site.disk.traffic] == [3]
        noted = site.disk.traffic
        await site.wait(60)
        assert site.disk.traffic is noted

    live(WEB, story)


# What it costs.


def test_a_port_that_works_is_checked_now_and_then_and_at_once_after_a_failed_connection() -> None:
    async def story(site: Site) -> None:
        await site.start()
        await site.until(lambda: site.state("web") == "READY")
        before = len(site.forwards.checks)
        await site.wait(300)
        assert len(site.forwards.checks) - before <= 6
        site.troubles["web"] = "the pod refuses the connection"
        site.forwards.fail_connection("web")
        await site.until(lambda: forward_state(site, "web") == "LISTENING", within=3)
        site.troubles.clear()
        await site.until(lambda: forward_state(site, "web") == "OPEN", within=10)

    live(WEB, story)


def test_a_port_is_doubted_as_soon_as_the_api_is_gone() -> None:
    async def story(site: Site) -> None:
        await site.start()
        await site.until(lambda: site.state("web") == "READY")
        site.cluster.reachable = False
        site.troubles["web"] = "the API server cannot be reached"
        await site.until(lambda: forward_state(site, "web") == "LISTENING", within=50)

    live(WEB, story)


def test_ports_that_are_all_had_are_looked_at_no_more_and_nothing_is_committed() -> None:
    async def story(site: Site) -> None:
        await site.start()
        await site.until_link("ONLINE")
        await site.until(lambda: site.state("web") == "READY")
        looks, commits = len(site.machine.looks), len(site.disk.commits)
        await site.wait(600)
        assert len(site.machine.looks) == looks
        assert len(site.disk.commits) == commits

    live(WEB, story)


def test_while_nothing_can_be_recorded_no_port_is_given_away_or_taken() -> None:
    async def story(site: Site) -> None:
        site.machine.holders = {8080: "nginx (pid 99)"}
        await site.start()
        await all_open(site)
        site.disk.fail = "full"
        site.machine.holders.clear()
        await site.wait(60)
        assert site.forwards.listening == {"web": 8081}
        site.disk.fail = None
        await site.until(lambda: site.forwards.listening == {"web": 8080})

    live(WEB, story)
