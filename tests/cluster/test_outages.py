"""Whole outages: what one on a real link makes the agent do on a real cluster."""

from __future__ import annotations

from datetime import datetime

import pytest
from tests.cluster.agents import PATIENT, NewAgent
from tests.cluster.site import Namespace, Site
from tests.cluster.workloads import SEVEN

pytestmark = pytest.mark.cluster

ONCE_EACH = dict.fromkeys(SEVEN, 1)


@pytest.mark.parametrize("mode", ["drop", "reject", "down"])
def test_an_outage_restarts_each_of_seven_deployments_exactly_once(
    breakable: Site, seven: Namespace, new_agent: NewAgent, mode: str
) -> None:
    agent = new_agent(seven)
    agent.configure("link", **PATIENT)
    agent.start_calm()
    before = seven.generations()
    breakable.link(mode)
    agent.until_link("OFFLINE")
    assert seven.generations() == before
    breakable.link("up")
    agent.until_link("ONLINE")
    assert agent.states() == {"READY"}
    assert seven.restarts_since(before) == ONCE_EACH
    tokens = seven.annotations("restart-token")
    assert None not in tokens.values() and len(set(tokens.values())) == 7
    assert agent.link_story() == ["ONLINE", "DEGRADED", "OFFLINE", "RECOVERING", "ONLINE"]
    assert [(outage["id"], outage["restarts"], outage["result"]) for outage in agent.outages()] == [(1, 7, "recovered")]
    assert agent.end() == 0
    verified = agent.run("replay", "--verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_one_lost_round_restarts_nothing(breakable: Site, seven: Namespace, new_agent: NewAgent) -> None:
    agent = new_agent(seven)
    agent.configure("link", fall=50)
    agent.start_calm()
    before = seven.generations()
    breakable.link("drop")
    agent.until_link("DEGRADED")
    breakable.link("up")
    agent.until_link("ONLINE")
    assert seven.generations() == before
    assert agent.outages() == []


def test_a_relapse_during_the_hold_restarts_each_exactly_once(
    breakable: Site, seven: Namespace, new_agent: NewAgent
) -> None:
    agent = new_agent(seven)
    agent.configure("link", hold="1h", **PATIENT)  # however slow this machine is, the relapse comes in time
    agent.start_calm()
    before = seven.generations()
    breakable.link("drop")
    agent.until_link("OFFLINE")
    breakable.link("up")
    agent.until_link("RECOVERING")
    breakable.link("drop")
    agent.until_link("OFFLINE")
    assert seven.generations() == before
    agent.configure("link", hold="1s")
    agent.reload()
    agent.until_said("configuration reloaded from")
    breakable.link("up")
    agent.until_link("ONLINE")
    assert seven.restarts_since(before) == ONCE_EACH
    assert agent.link_story() == [
        "ONLINE", "DEGRADED", "OFFLINE", "RECOVERING", "OFFLINE", "RECOVERING", "ONLINE",
    ]  # fmt: skip
    assert len(agent.outages()) == 1


def test_a_relapse_during_the_rollouts_restarts_nothing_twice(
    breakable: Site, seven: Namespace, new_agent: NewAgent
) -> None:
    four = SEVEN[:4]
    agent = new_agent(seven, four, parallel=1)
    agent.start_calm()
    before = seven.generations()
    breakable.link("drop")
    agent.until_link("OFFLINE")
    breakable.link("up")
    agent.until_said("VERIFYING -> READY")
    breakable.link("down")  # found out at once, while the others still have to be restarted
    agent.until_link("OFFLINE")
    restarts = seven.restarts_since(before)
    assert {restarts[name] for name in four} == {0, 1}
    breakable.link("up")
    agent.until_link("ONLINE")
    assert agent.states() == {"READY"}
    assert seven.restarts_since(before) == {name: int(name in four) for name in SEVEN}
    assert len(agent.outages()) == 1


def test_what_somebody_restarted_during_the_hold_is_left_alone(
    breakable: Site, seven: Namespace, new_agent: NewAgent
) -> None:
    agent = new_agent(seven)
    agent.configure("link", hold="20s")  # long enough for a restart beside busy processors
    agent.start_calm()
    before, tokens = seven.generations(), seven.annotations("restart-token")
    breakable.link("drop")
    agent.until_link("OFFLINE")
    breakable.link("up")
    agent.until_link("RECOVERING")
    seven.kubectl("rollout", "restart", "deployment/grafana")
    agent.until_link("ONLINE")
    assert seven.restarts_since(before) == ONCE_EACH
    assert seven.annotations("restart-token")["grafana"] == tokens["grafana"]
    assert "restarted since the outage, by kubectl rollout restart" in agent.services()["grafana"]["reason"]
    assert agent.outages()[0]["restarts"] == 6


def test_a_stage_is_restarted_when_the_one_before_is_ready(
    breakable: Site, seven: Namespace, new_agent: NewAgent
) -> None:
    services = {
        "frontend": {"depends_on": ["api-gateway-simple"]},
        "api-gateway-simple": {"depends_on": ["jaeger"]},
        "jaeger": {"deployment": "jaeger"},
    }
    agent = new_agent(seven, services)
    agent.start_calm()
    before = seven.generations()
    breakable.link("drop")
    agent.until_link("OFFLINE")
    breakable.link("up")
    agent.until_link("ONLINE")
    assert seven.restarts_since(before) == {name: int(name in services) for name in SEVEN}
    restarted, ready = seven.annotations("restarted-at"), _ready_times(seven)
    for earlier, later in (("jaeger", "api-gateway-simple"), ("api-gateway-simple", "frontend")):
        assert _instant(restarted[earlier]) < ready[earlier] + 1  # Kubernetes drops the fraction of a second
        assert ready[earlier] <= _instant(restarted[later])


def _ready_times(namespace: Namespace) -> dict[str, float]:
    """When each newest ReplicaSet was found available, in Unix seconds."""
    return {
        name: _instant(condition["lastUpdateTime"])
        for name, one in namespace.workloads().items()
        for condition in one["status"]["conditions"]
        if condition["type"] == "Progressing" and condition["reason"] == "NewReplicaSetAvailable"
    }


def _instant(text: str | None) -> float:
    assert text is not None
    return datetime.fromisoformat(text).timestamp()
