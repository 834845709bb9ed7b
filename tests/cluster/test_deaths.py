"""The agent dies at the worst instants of an outage: each service is restarted exactly once all the same."""

from __future__ import annotations

import random
import time

import pytest
from tests.cluster.agents import NewAgent
from tests.cluster.site import Namespace, Site
from tests.cluster.workloads import SEVEN

pytestmark = pytest.mark.cluster

ONCE_EACH = dict.fromkeys(SEVEN, 1)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["link:", "DEGRADED -> OFFLINE"], id="OFFLINE"),
        pytest.param(["link:", "OFFLINE -> RECOVERING"], id="RECOVERING, during the hold"),
        pytest.param(["WAITING -> RESTARTING"], id="RESTARTING, the first intent just recorded"),
        pytest.param(["RESTARTING -> VERIFYING"], id="VERIFYING, the first restart just accepted"),
    ],
)
def test_a_killed_agent_goes_on_where_it_was(
    breakable: Site, seven: Namespace, new_agent: NewAgent, words: list[str]
) -> None:
    agent = new_agent(seven)
    agent.start_calm()
    before = seven.generations()
    breakable.link("drop")
    agent.until_said("DEGRADED -> OFFLINE")
    if "DEGRADED -> OFFLINE" not in words:
        breakable.link("up")
    agent.until_said(*words)
    agent.kill()
    breakable.link("up")
    agent.start()
    agent.until(lambda status: status["agent"]["running"], "the agent runs again")
    agent.until_link("ONLINE")
    assert agent.states() == {"READY"}
    assert seven.restarts_since(before) == ONCE_EACH
    assert [(outage["id"], outage["restarts"]) for outage in agent.outages()] == [(1, 7)]
    assert agent.run("replay", "--verify").returncode == 0


def test_an_agent_that_is_killed_again_and_again_restarts_each_exactly_once(
    breakable: Site, seven: Namespace, new_agent: NewAgent
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chances = random.Random(seed)
    agent = new_agent(seven, parallel=2)
    agent.configure("link", hold="15s")  # however busy the machine is, the first two deaths come before its end
    agent.start_calm()
    before = seven.generations()
    breakable.link("drop")
    agent.until_link("OFFLINE")
    breakable.link("up")
    agent.until_said("OFFLINE -> RECOVERING")
    for death in range(8):
        if death == 2:  # two deaths during the hold, which each time begins anew, then six among the restarts
            agent.until_said("stayed good for")
        time.sleep(chances.uniform(0.0, 2.0))
        agent.kill()
        agent.start()
    agent.until_link("ONLINE")
    assert agent.states() == {"READY"}
    assert seven.restarts_since(before) == ONCE_EACH
    assert [(outage["id"], outage["restarts"]) for outage in agent.outages()] == [(1, 7)]
    assert agent.run("replay", "--verify").returncode == 0
