"""Verdicts: what the agent says is wrong, for faults of every layer of a real link."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from tests.cluster.agents import NewAgent
from tests.cluster.clients import captive_portal
from tests.cluster.places import API, INTERNET, run
from tests.cluster.site import Namespace, Site

pytestmark = pytest.mark.cluster

Fault = Callable[[Site], AbstractContextManager[None]]

NO_NAMES = "table inet connmon_names { chain out { type filter hook output priority 0; udp dport 53 drop; }\n}"


def cut(link: str, mode: str) -> Fault:
    @contextmanager
    def fault(site: Site) -> Iterator[None]:
        site.cut(link, mode)
        yield
        site.cut(link, "up")

    return fault


@contextmanager
def without_route(site: Site) -> Iterator[None]:
    run(site.within(["ip", "route", "del", "default"]))
    try:
        yield
    finally:
        site.link("up")


@contextmanager
def without_names(site: Site) -> Iterator[None]:
    run(site.within(["nft", NO_NAMES]))
    try:
        yield
    finally:
        run(site.within(["nft", "delete", "table", "inet", "connmon_names"]))


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        pytest.param(cut(INTERNET, "drop"), "gateway", id="drop"),
        pytest.param(cut(INTERNET, "reject"), "unreachable", id="reject"),
        pytest.param(cut(INTERNET, "down"), "no-carrier", id="carrier down"),
        pytest.param(without_route, "no-route", id="route removed"),
        pytest.param(captive_portal, "portal", id="portal"),
    ],
)
def test_a_fault_takes_the_link_offline_with_its_cause(
    breakable: Site, frontend: Namespace, new_agent: NewAgent, fault: Fault, cause: str
) -> None:
    agent = new_agent(frontend, ["frontend"])
    agent.start_calm()
    with fault(breakable):
        agent.until_link("OFFLINE")
        assert agent.status()["link"]["cause"] == cause
    agent.until_link("ONLINE")
    assert agent.outages()[0]["cause"] == cause
    assert agent.status()["link"]["cause"] is None


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        pytest.param(without_names, "dns", id="DNS dead"),
        pytest.param(cut(API, "drop"), "cluster-only", id="API only"),
    ],
)
def test_a_fault_beside_the_link_is_named_and_restarts_nothing(
    breakable: Site, frontend: Namespace, new_agent: NewAgent, fault: Fault, cause: str
) -> None:
    agent = new_agent(frontend, ["frontend"])
    agent.start_calm()
    before = frontend.generations()
    with fault(breakable):
        agent.until(lambda status: status["link"]["cause"] == cause, f"cause {cause}")
    agent.until(lambda status: status["link"]["cause"] is None, "nothing is wrong any more")
    assert agent.outages() == []
    assert frontend.generations() == before
