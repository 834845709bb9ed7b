"""What is looked at, and how often."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests.fakes.sites import plan_of

from connmon_agent.core.demands import Demand, gateway_to_ask, inspections, next_round, round_interval, round_patience
from connmon_agent.core.observations import Evidence
from connmon_agent.core.plan import LinkPlan
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Intent, Link, LinkState, Outage, Service, World

THEN = Timestamp(1_000.0, 1_795_000_000.0)
NOW = 1_100.0
LATER = Timestamp(1_200.0, 1_795_000_200.0)
INTENT = Intent("disk0001-1-1-1", None, 1, "uid-1", False, THEN)


@pytest.mark.parametrize(
    ("link", "sure"),
    [
        pytest.param(Link(), False, id="starting"),
        pytest.param(Link(LinkState.ONLINE, good=1), True, id="online"),
        pytest.param(Link(LinkState.ONLINE), False, id="online, not seen by this agent"),
        pytest.param(Link(LinkState.DEGRADED, bad=1), False, id="degraded"),
        pytest.param(Link(LinkState.DEGRADED, good=1), False, id="degraded, better"),
        pytest.param(Link(LinkState.OFFLINE, bad=3), True, id="offline"),
        pytest.param(Link(LinkState.OFFLINE, good=1), False, id="offline, better"),
        pytest.param(Link(LinkState.OFFLINE), False, id="offline, not seen by this agent"),
        pytest.param(Link(LinkState.RECOVERING, good=3), True, id="recovering"),
        pytest.param(Link(LinkState.RECOVERING, bad=1), False, id="recovering, in doubt"),
    ],
)
def test_rounds_come_faster_while_the_verdict_is_not_sure(link: Link, sure: bool) -> None:
    plan = replace(plan_of(), link=LinkPlan(check_interval=2.0, confirm_interval=0.5))
    assert round_interval(World(store="disk0001", plan=plan, link=link), now=0.0) == (2.0 if sure else 0.5)


@pytest.mark.parametrize(
    ("lasted", "interval"),
    [(0.0, 2.0), (2.0, 2.0), (4.0, 4.0), (8.0, 8.0), (20.0, 15.0), (86_400.0, 15.0)],
)
def test_the_pauses_between_the_rounds_of_an_outage_double_up_to_a_limit(lasted: float, interval: float) -> None:
    plan = replace(plan_of(), link=LinkPlan(check_interval=2.0, offline_interval=15.0))
    link = Link(LinkState.OFFLINE, since=Timestamp(100.0, 0.0), bad=3)
    assert round_interval(World(store="disk0001", plan=plan, link=link), now=100.0 + lasted) == interval


def test_news_of_the_operating_system_make_the_pauses_of_an_outage_short_again() -> None:
    link = Link(LinkState.OFFLINE, since=Timestamp(100.0, 0.0), bad=3, evidence_since=Timestamp(5_000.0, 0.0))
    assert round_interval(World(store="disk0001", link=link), now=5_004.0) == 4.0


@pytest.mark.parametrize(
    ("since", "interval"),
    [(0.0, 0.35), (0.3, 0.35), (1.0, 1.0), (4.0, 4.0), (60.0, 15.0)],
)
def test_a_target_that_begins_to_answer_makes_them_shorter_still(since: float, interval: float) -> None:
    link = Link(LinkState.OFFLINE, since=Timestamp(100.0, 0.0), bad=3, answered_since=Timestamp(5_000.0, 0.0))
    assert round_interval(World(store="disk0001", link=link), now=5_000.0 + since) == interval


ROUTER = Evidence(True, True, "eth0", "192.0.2.254")


@pytest.mark.parametrize(
    ("link", "asked"),
    [
        pytest.param(Link(evidence=ROUTER), True, id="at the start"),
        pytest.param(Link(LinkState.ONLINE, good=3, evidence=ROUTER), False, id="all is well"),
        pytest.param(
            Link(LinkState.ONLINE, good=3, evidence=ROUTER, evidence_since=Timestamp(NOW - 9, 0.0)),
            True,
            id="it is new",
        ),
        pytest.param(
            Link(LinkState.ONLINE, good=3, evidence=ROUTER, evidence_since=Timestamp(NOW - 11, 0.0)),
            False,
            id="no more",
        ),
        pytest.param(Link(LinkState.DEGRADED, bad=1, evidence=ROUTER), True, id="in doubt"),
        pytest.param(Link(LinkState.OFFLINE, bad=3, evidence=ROUTER), True, id="in an outage"),
        pytest.param(Link(LinkState.RECOVERING, good=3, evidence=ROUTER), False, id="back again"),
        pytest.param(Link(LinkState.OFFLINE, bad=3), False, id="none is named"),
    ],
)
def test_the_gateway_is_asked_only_where_its_answer_is_wanted(link: Link, asked: bool) -> None:
    assert gateway_to_ask(World(store="disk0001", link=link), NOW) == ("192.0.2.254" if asked else None)


def test_a_link_local_gateway_is_asked_on_its_interface() -> None:
    link = Link(evidence=Evidence(True, True, "eth0", "fe80::1"))
    assert gateway_to_ask(World(store="disk0001", link=link), NOW) == "fe80::1%eth0"


@pytest.mark.parametrize(
    ("news", "due"),
    [
        pytest.param(None, 102.0, id="none ever"),
        pytest.param(99.0, 102.0, id="before the newest round"),
        pytest.param(100.0, 102.0, id="as it began"),
        pytest.param(100.5, 100.1, id="since it began"),
    ],
)
def test_a_round_is_due_at_once_when_the_system_has_told_something_new(news: float | None, due: float) -> None:
    since = None if news is None else Timestamp(news, 0.0)
    plan = replace(plan_of(), link=LinkPlan(check_interval=2.0))
    world = World(store="disk0001", plan=plan, link=Link(LinkState.ONLINE, good=3, evidence_since=since))
    assert next_round(world, 100.0) == due


def test_the_spread_lengthens_the_interval() -> None:
    world = World(store="disk0001", link=Link(LinkState.ONLINE, good=3))
    assert next_round(world, 100.0, spread=0.05) == pytest.approx(102.1)


@pytest.mark.parametrize(
    ("evidence", "patience"),
    [(Evidence(), None), (Evidence(True, True), None), (Evidence(False, True), 0.25), (Evidence(None, False), 0.25)],
    ids=["nothing told", "all is well", "no carrier", "no default route"],
)
def test_a_round_that_can_only_fail_does_not_wait_long(evidence: Evidence, patience: float | None) -> None:
    assert round_patience(World(store="disk0001", link=Link(evidence=evidence))) == patience


@pytest.mark.parametrize(
    ("service", "demand"),
    [
        pytest.param({"state": "READY"}, Demand(30.0), id="ready"),
        pytest.param({"state": "UNKNOWN"}, Demand(5.0, closely=True), id="unknown"),
        pytest.param({"state": "GAVE_UP"}, Demand(30.0, closely=True), id="gave up"),
        pytest.param({"state": "WAITING"}, Demand(1.0, closely=True, registries=True), id="waiting"),
        pytest.param(
            {"state": "WAITING", "postponed_since": THEN}, Demand(3.0, closely=True, registries=True), id="postponed"
        ),
        pytest.param(
            {"state": "WAITING", "postponed_since": THEN, "next": LATER},
            Demand(3.0, earliest=1_200.0, closely=True, registries=True),
            id="postponed until the server's wish",
        ),
        pytest.param({"state": "RESTARTING", "intent": INTENT}, None, id="on its way"),
        pytest.param({"state": "RESTARTING", "intent": replace(INTENT, in_doubt=True)}, Demand(1.0), id="in doubt"),
        pytest.param({"state": "VERIFYING", "since": Timestamp(NOW - 9.0, 0.0)}, Demand(1.0), id="verifying"),
        pytest.param(
            {"state": "VERIFYING", "since": Timestamp(NOW - 10.0, 0.0)}, Demand(1.0, closely=True), id="for a while"
        ),
        pytest.param({"state": "BACKOFF", "next": LATER}, None, id="in a pause"),
    ],
)
def test_how_often_a_service_is_looked_at(service: dict[str, Any], demand: Demand | None) -> None:
    world = World(
        store="disk0001",
        plan=plan_of("web"),
        link=Link(LinkState.RECOVERING, good=1, confirmed=True),
        outage=Outage(1, THEN, "no answer", back=THEN, hold_over=True),
        services={"web": Service("web", **service)},
    )
    assert inspections(world, NOW) == ({} if demand is None else {"web": demand})


@pytest.mark.parametrize(("returned", "looks"), [(None, {"web": Demand(3.0)}), ("as it was", {}), ("", {})])
def test_before_its_turn_a_waiting_service_is_looked_at_once(returned: str | None, looks: dict[str, Demand]) -> None:
    """To know its pod template as the link found it: what somebody changes from then on is a restart since."""
    web = Service("web", "WAITING", returned=returned)
    assert inspections(World(store="disk0001", plan=plan_of("web"), services={"web": web}), NOW) == looks
