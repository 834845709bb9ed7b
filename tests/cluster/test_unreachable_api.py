"""The API server hangs, dies or cannot be reached in the middle of a recovery."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.cluster.agents import NewAgent
from tests.cluster.site import Namespace, Site
from tests.cluster.workloads import SEVEN

pytestmark = pytest.mark.cluster

ONCE_EACH = dict.fromkeys(SEVEN, 1)
Act = Callable[[Site], None]

HANGS: tuple[Act, Act] = (lambda site: site.api_server("stop"), lambda site: site.api_server("cont"))
DIES: tuple[Act, Act] = (lambda site: site.api_server("kill"), lambda site: site.api_server("start"))
IS_CUT_OFF: tuple[Act, Act] = (lambda site: site.api_link("drop"), lambda site: site.api_link("up"))
IS_REJECTED: tuple[Act, Act] = (lambda site: site.api_link("reject"), lambda site: site.api_link("up"))


@pytest.mark.parametrize(
    ("failure", "instant"),
    [
        pytest.param(IS_CUT_OFF, "WAITING -> RESTARTING", id="cut off at the first restart"),
        pytest.param(IS_REJECTED, "RESTARTING -> VERIFYING", id="rejected during the rollouts"),
        pytest.param(HANGS, "OFFLINE -> RECOVERING", id="hangs from the hold on", marks=pytest.mark.alone),
        pytest.param(HANGS, "WAITING -> RESTARTING", id="hangs at the first restart", marks=pytest.mark.alone),
        pytest.param(DIES, "WAITING -> RESTARTING", id="dies at the first restart", marks=pytest.mark.alone),
    ],
)
def test_an_api_that_fails_during_a_recovery_delays_it_and_restarts_nothing_twice(
    breakable: Site, seven: Namespace, new_agent: NewAgent, failure: tuple[Act, Act], instant: str
) -> None:
    fail, mend = failure
    agent = new_agent(seven, parallel=3)
    agent.start_calm()
    before = seven.generations()
    breakable.link("drop")
    agent.until_link("OFFLINE")
    breakable.link("up")
    agent.until_said(instant)
    fail(breakable)
    server = breakable.cluster["server"]
    agent.until(lambda status: any(server in one["reason"] for one in status["services"]), "a reason names the API")
    assert agent.status()["link"]["state"] == "RECOVERING"
    mend(breakable)
    agent.until_link("ONLINE")
    assert agent.states() == {"READY"}
    assert seven.restarts_since(before) == ONCE_EACH
    assert {one["attempts"] for one in agent.services().values()} == {1}
    assert [(outage["id"], outage["restarts"]) for outage in agent.outages()] == [(1, 7)]


@pytest.mark.alone
def test_an_agent_that_waits_for_a_hanging_api_ends_in_order_when_it_is_told_to(
    breakable: Site, seven: Namespace, new_agent: NewAgent
) -> None:
    agent = new_agent(seven)
    agent.start_calm()
    before = seven.generations()
    breakable.link("drop")
    agent.until_link("OFFLINE")
    breakable.link("up")
    agent.until_said("WAITING -> RESTARTING")
    breakable.api_server("stop")
    assert agent.end(within=60.0) == 0
    breakable.api_server("cont")
    agent.start()
    agent.until_said("agent: configured")
    agent.until_link("ONLINE")
    assert agent.states() == {"READY"}
    assert seven.restarts_since(before) == ONCE_EACH
