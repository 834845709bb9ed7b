"""The same world and the same event always make the same step, whatever order a mapping has come back from disk in."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.fakes.charts import real_charts
from tests.fakes.sites import plan_of

from connmon_agent.core.engine import Engine
from connmon_agent.core.events import AgentStarted, Configured, Event, Order, Ordered, TimerDue
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Intent, Link, LinkState, Outage, Service, ServiceState, World

NOW = Timestamp(100.0, 1_000_100.0)
PLAN = plan_of("web", "api", "db")


def world_with(state: str, *, link: str) -> World:
    def service(name: str) -> Service:
        intent = Intent(f"token-{name}", None, 1, "uid", False, NOW) if state == ServiceState.RESTARTING else None
        return Service(name, state, intent=intent, attempts=1)

    return World(
        store="disk0001",
        plan=PLAN,
        link=Link(link, good=3, confirmed=True),
        outage=Outage(1, NOW, "no answer", back=NOW, hold_over=True),
        services={plan.name: service(plan.name) for plan in PLAN.services},
        timers={"hold": NOW},
    )


@pytest.mark.parametrize(
    ("state", "link", "event"),
    [
        pytest.param("RESTARTING", "RECOVERING", AgentStarted(NOW, 1, "0.1.0", "boot"), id="a start"),
        pytest.param("RESTARTING", "RECOVERING", Configured(NOW, plan_of(), {}), id="a reload"),
        pytest.param("READY", "ONLINE", Ordered(NOW, Order.RECOVER, (), "root"), id="recover"),
        pytest.param("GAVE_UP", "ONLINE", Ordered(NOW, Order.REARM, (), "root"), id="rearm"),
        pytest.param("READY", "ONLINE", Ordered(NOW, Order.RECOVER, ("nobody",), "root"), id="a refused order"),
        pytest.param("GAVE_UP", "RECOVERING", TimerDue(NOW, "hold"), id="the end of a recovery"),
    ],
)
def test_a_world_that_came_back_in_another_order_decides_the_same(state: str, link: LinkState, event: Event) -> None:
    world = world_with(state, link=link)
    shuffled = replace(world, services=dict(sorted(world.services.items())))
    assert list(shuffled.services) != list(world.services)
    engine = Engine(real_charts())
    step = engine.step(world, event)
    assert step.changes(world)
    assert engine.step(shuffled, event) == step
