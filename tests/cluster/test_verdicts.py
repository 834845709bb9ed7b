"""Verdicts: what the agent says is wrong, for faults of every layer of a real link."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.cluster.agents import NewAgent
from tests.cluster.site import Namespace, Site, run
from tests.cluster.workloads import deployment

pytestmark = pytest.mark.cluster

Act = Callable[[Site], object]

NO_NAMES = "table inet connmon_names { chain out { type filter hook output priority 0; udp dport 53 drop; }\n}"


def in_site(*command: str) -> Act:
    return lambda site: run(site.within(command))


def portal(mode: str) -> Act:
    return lambda site: run([str(site.lab), "portal", mode])


def link(mode: str) -> Act:
    return lambda site: site.link(mode)


@pytest.mark.parametrize(
    ("fail", "mend", "cause"),
    [
        pytest.param(link("drop"), link("up"), "gateway", id="drop"),
        pytest.param(link("reject"), link("up"), "unreachable", id="reject"),
        pytest.param(link("down"), link("up"), "no-carrier", id="carrier down"),
        pytest.param(in_site("ip", "route", "del", "default"), link("up"), "no-route", id="route removed"),
        pytest.param(portal("on"), portal("off"), "portal", id="portal"),
    ],
)
def test_a_fault_takes_the_link_offline_with_its_cause(
    breakable: Site, namespace: Namespace, new_agent: NewAgent, fail: Act, mend: Act, cause: str
) -> None:
    namespace.apply(deployment("frontend", breakable.image))
    namespace.until_available()
    agent = new_agent(namespace, ["frontend"])
    agent.start_calm()
    try:
        fail(breakable)
        agent.until_link("OFFLINE")
        assert agent.status()["link"]["cause"] == cause
    finally:
        mend(breakable)
    agent.until_link("ONLINE")
    assert agent.outages()[0]["cause"] == cause
    assert agent.status()["link"]["cause"] is None


@pytest.mark.parametrize(
    ("fail", "mend", "cause"),
    [
        pytest.param(
            in_site("nft", NO_NAMES), in_site("nft", "delete", "table", "inet", "connmon_names"), "dns", id="DNS dead"
        ),
        pytest.param(
            lambda site: site.api_link("drop"), lambda site: site.api_link("up"), "cluster-only", id="API only"
        ),
    ],
)
def test_a_fault_beside_the_link_is_named_and_restarts_nothing(
    breakable: Site, namespace: Namespace, new_agent: NewAgent, fail: Act, mend: Act, cause: str
) -> None:
    namespace.apply(deployment("frontend", breakable.image))
    namespace.until_available()
    agent = new_agent(namespace, ["frontend"])
    agent.start_calm()
    before = namespace.generations()
    try:
        fail(breakable)
        agent.until(lambda status: status["link"]["cause"] == cause, f"cause {cause}")
    finally:
        mend(breakable)
    agent.until(lambda status: status["link"]["cause"] is None, "nothing is wrong any more")
    assert agent.outages() == []
    assert namespace.generations() == before
