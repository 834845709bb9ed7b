"""Which orders are refused, and with which words."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.sites import plan_of

from connmon_agent.core.events import Order, Ordered
from connmon_agent.core.orders import refuse_order
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Link, LinkState, Outage, Service, World

NOW = Timestamp(1_000.0, 1_795_000_000.0)
HOLDING = Outage(1, NOW, "no answer", back=NOW)
HELD = Outage(1, NOW, "no answer", back=NOW, hold_over=True)


def refuse(order: Order, *services: str, state: str = LinkState.ONLINE, **changes: Any) -> str | None:
    world = World(
        store="disk0001",
        plan=plan_of("web", "db", "spent"),
        link=Link(state, reason="so it is"),
        services={
            "web": Service("web", "READY"),
            "db": Service("db", "GAVE_UP"),
            "spent": Service("spent", "READY", attempts=3),
        },
        **changes,
    )
    return refuse_order(world, Ordered(NOW, order, services, "root"))


@pytest.mark.parametrize("order", list(Order))
def test_an_unknown_service_is_refused_with_the_known_ones(order: Order) -> None:
    assert refuse(order, "web", "wbe") == "unknown service: wbe; configured: web, db, spent"


@pytest.mark.parametrize("state", list(LinkState))
@pytest.mark.parametrize("order", [Order.PAUSE, Order.RESUME, Order.REARM])
def test_pause_resume_and_rearm_are_always_obeyed(order: Order, state: LinkState) -> None:
    assert refuse(order, state=state) is None


@pytest.mark.parametrize(
    ("services", "changes", "words"),
    [
        pytest.param((), {}, None, id="online"),
        pytest.param(("web",), {}, None, id="online, one service"),
        pytest.param((), {"state": "RECOVERING", "outage": HOLDING}, None, id="the hold may be cut short"),
        pytest.param(
            ("web",),
            {"state": "RECOVERING", "outage": HOLDING},
            "a recovery of all services is about to begin; run `connmon-agent recover` without names to begin now",
            id="the hold is for all services",
        ),
        pytest.param((), {"state": "RECOVERING", "outage": HELD}, "a recovery is already in progress", id="recovering"),
        pytest.param((), {"paused": True}, "`connmon-agent resume` first", id="paused"),
        pytest.param((), {"state": "OFFLINE"}, "the recovery begins automatically when it is back", id="offline"),
        pytest.param((), {"state": "DEGRADED"}, "the link is DEGRADED (so it is); retry", id="degraded"),
        pytest.param((), {"state": "STARTING"}, "the link is STARTING (so it is); retry", id="starting"),
        pytest.param(("web", "db"), {}, "db; run `connmon-agent rearm db`", id="given up"),
        pytest.param(("spent",), {}, "spent; run `connmon-agent rearm spent`", id="spent"),
    ],
)
def test_when_a_recovery_may_be_ordered(services: tuple[str, ...], changes: dict[str, Any], words: str | None) -> None:
    refusal = refuse(Order.RECOVER, *services, **changes)
    assert refusal is None if words is None else words in (refusal or "")
