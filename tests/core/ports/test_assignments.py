"""Which port each service is to have now: what it holds, what it had, and what is best of the rest."""

from __future__ import annotations

from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.core.plan import ForwardPlan, Kind, Plan, Reclaim, ServicePlan
from connmon_agent.core.ports.assignments import assign_ports, explain_choice, explain_conflict
from connmon_agent.core.ports.port_demands import wanted_ports
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Forward, ForwardState, ListenIntent, World

PORTS = range(8080, 8086)


def world_of(plans: dict[str, ForwardPlan], taken: Collection[int] = (), **forwards: Forward) -> World:
    services = tuple(ServicePlan(name, Kind.DEPLOYMENT, "erp", name, forward=plan) for name, plan in plans.items())
    return World(
        store="s",
        plan=Plan(services=services),
        forwards={name: forwards.get(name, Forward(name)) for name in plans},
        taken=tuple((port, "in use by nginx (pid 99)") for port in taken),
    )


def on(name: str, port: int, **more: object) -> Forward:
    return Forward(name, ForwardState.OPEN, port=port, lease=port, **more)  # type: ignore[arg-type]  # names are tested


def test_a_service_keeps_its_alternative_while_its_primary_port_is_taken() -> None:
    plans = {"web": ForwardPlan(8080, (8081, 8082))}
    assert assign_ports(world_of(plans, [8080], web=on("web", 8082)), busy=()) == {"web": 8082}


def test_a_free_primary_port_is_taken_back_only_where_nobody_is_connected_and_that_is_known() -> None:
    world = world_of({"web": ForwardPlan(8080, (8081,))}, web=on("web", 8081))
    assert assign_ports(world, busy=()) == {"web": 8080}
    assert assign_ports(world, busy=("web",)) == {"web": 8081}
    assert assign_ports(world, busy=None) == {"web": 8081}


def test_a_port_that_was_asked_for_is_waited_for() -> None:
    asked = Forward("web", intent=ListenIntent("listen/s/1", 8081, Timestamp(0.0, 0.0)))
    assert assign_ports(world_of({"web": ForwardPlan(8080, (8081,))}, web=asked), busy=()) == {"web": 8081}


def test_a_lease_is_worth_more_than_an_earlier_alternative_and_less_than_the_primary_port() -> None:
    plans, had = {"web": ForwardPlan(8080, (8081, 8082))}, Forward("web", lease=8082)
    assert assign_ports(world_of(plans, [8080], web=had), busy=()) == {"web": 8082}
    assert assign_ports(world_of(plans, web=had), busy=()) == {"web": 8080}
    never = {"web": ForwardPlan(8080, (8081, 8082), reclaim=Reclaim.NEVER)}
    assert assign_ports(world_of(never, web=had), busy=()) == {"web": 8082}


def test_a_lease_that_is_another_services_primary_port_is_given_up() -> None:
    plans = {"web": ForwardPlan(8080, (8082, 8083)), "admin": ForwardPlan(8082)}
    world = world_of(plans, [8080], web=Forward("web", lease=8082))
    assert assign_ports(world, busy=()) == {"web": 8083, "admin": 8082}


def test_who_stands_in_the_way_of_another_moves_while_nobody_is_connected() -> None:
    plans = {"web": ForwardPlan(8080, (8082, 8083), reclaim=Reclaim.NEVER), "admin": ForwardPlan(8082)}
    world = world_of(plans, [8080], web=on("web", 8082))
    assert assign_ports(world, busy=()) == {"web": 8083, "admin": 8082}
    assert wanted_ports(world).keys() == {8080, 8083}, "where it could move is looked at, though it never goes back"
    for busy in (("web",), None):
        assert assign_ports(world, busy=busy) == {"web": 8082, "admin": None}
    nowhere = world_of(plans, [8080, 8083], web=on("web", 8082))
    assert assign_ports(nowhere, busy=()) == {"web": 8082, "admin": None}, "neither is worth more than the other"
    content = world_of(
        plans | {"admin": ForwardPlan(8082, (8084,))}, [8080], web=on("web", 8082), admin=on("admin", 8084)
    )
    assert assign_ports(content, busy=())["web"] == 8082


def test_a_lease_that_the_configuration_no_longer_knows_is_forgotten() -> None:
    world = world_of({"web": ForwardPlan(8080, (8081,))}, [8080], web=Forward("web", lease=9999))
    assert assign_ports(world, busy=()) == {"web": 8081}


def test_why_a_port_was_chosen_is_told_by_what_is_better_and_cannot_be_had() -> None:
    plans = {"web": ForwardPlan(8080, (8082, 8083)), "admin": ForwardPlan(8082)}
    world = world_of(plans, [8080])
    assert explain_choice(world, "web", 8080) == ""
    assert explain_choice(world, "web", 8083) == "8080 is in use by nginx (pid 99); 8082 belongs to admin"
    assert explain_choice(world_of(plans, [8080, 8082]), "web", 8083) == (
        "8080 is in use by nginx (pid 99); 8082 is in use by nginx (pid 99)"
    )
    assert explain_conflict(world_of(plans, [8080, 8083]), "web") == (
        "8080 is in use by nginx (pid 99); 8082 belongs to admin; 8083 is in use by nginx (pid 99)"
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    names = draw(st.lists(st.sampled_from("abcd"), min_size=1, unique=True))
    primaries = draw(st.lists(st.sampled_from(PORTS), min_size=len(names), max_size=len(names), unique=True))
    plans = {
        name: ForwardPlan(
            port,
            tuple(draw(st.lists(st.sampled_from([p for p in PORTS if p != port]), max_size=4, unique=True))),
            reclaim=draw(st.sampled_from(Reclaim)),
        )
        for name, port in zip(names, primaries, strict=True)
    }
    taken = draw(st.lists(st.sampled_from(PORTS), unique=True))
    free, forwards = [port for port in PORTS if port not in taken], {}
    for name, plan in plans.items():
        choices = [port for port in plan.candidates if port in free]
        if choices and draw(st.booleans()):
            forwards[name] = on(name, draw(st.sampled_from(choices)))
            free.remove(forwards[name].port or 0)
        else:
            forwards[name] = Forward(name, lease=draw(st.none() | st.sampled_from(PORTS)))
    return world_of(plans, taken, **forwards)


@given(worlds(), st.none() | st.lists(st.sampled_from("abcd"), unique=True))
def test_whatever_was_before_no_two_get_one_port_and_nobody_gets_what_is_not_his(
    world: World, busy: list[str] | None
) -> None:
    assigned = assign_ports(world, busy=busy)
    taken = {port for port, _ in world.taken}
    ports = [port for port in assigned.values() if port is not None]
    assert len(ports) == len(set(ports))
    plans = {service.name: service.forward for service in world.plan.services}
    for name, port in assigned.items():
        before, plan = world.forwards[name], plans[name]
        assert plan is not None
        if port is not None and port != before.port:
            assert port in plan.candidates and port not in taken
            owners = [other for other, its in plans.items() if its is not None and its.port == port and other != name]
            assert owners == []  # free, so its owner could use it
        if before.port is not None and (busy is None or name in busy):
            assert port == before.port


def test_who_has_a_port_keeps_it_from_who_had_it_once() -> None:
    plans = {"web": ForwardPlan(8080, (8082, 8083)), "admin": ForwardPlan(8090, (8082,))}
    world = world_of(plans, [8080, 8090], web=Forward("web", lease=8082), admin=on("admin", 8082))
    assert assign_ports(world, busy=()) == {"web": 8083, "admin": 8082}
