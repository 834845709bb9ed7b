"""Local ports of a real cluster: taken ones, pods that are replaced, an API that is away, an agent that dies."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.cluster.agents import AgentProcess, NewAgent
from tests.cluster.clients import ask, holding
from tests.cluster.conftest import make_namespace
from tests.cluster.places import PATIENCE
from tests.cluster.site import Json, Namespace, Site, wait_for
from tests.cluster.workloads import SERVES_HTTP, SEVEN, deployment, service

from connmon_agent.loading.defaults import PORTS

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("erp")]  # one worker makes the ERP's namespace

ERP: Json = {
    name: {"deployment": name, "port": ports[0], "alternatives": list(ports[1:])} for name, ports in PORTS.items()
}
WEB: Json = {"frontend": {"deployment": "frontend", "port": 27480, "alternatives": [27481, 27482], "check": "/"}}


@pytest.fixture(scope="module")
def erp(site: Site) -> Iterator[Namespace]:
    """The ERP's seven services, which say their pod's name over HTTP."""
    with make_namespace(site) as made:
        made.apply(*(deployment(name, site.image, container=SERVES_HTTP) for name in SEVEN))
        made.apply(*(service(name) for name in SEVEN))
        made.until_available()
        yield made


def forwards(agent: AgentProcess) -> dict[str, Json]:
    return {name: found["forward"] for name, found in agent.services().items()}


def until_reached(site: Site, port: int, *, other_than: str | None = None) -> str:
    """Wait until a pod answers on ``port``, which is another one than before; returns its name."""
    answers: list[str] = []

    def reached() -> bool:
        answer = ask(site, port)
        answers[:] = [answer or ""]
        return answer is not None and answer != other_than

    wait_for(reached, f"an answer on port {port}")
    return answers[0]


def pods(namespace: Namespace, name: str) -> set[str]:
    found = json.loads(namespace.kubectl("get", "pods", f"--selector=app={name}", "--output=json"))
    return {pod["metadata"]["name"] for pod in found["items"]}


def test_the_seven_services_are_reached_each_on_its_port_or_the_best_that_is_left(
    site: Site, erp: Namespace, new_agent: NewAgent
) -> None:
    agent = new_agent(erp, ERP)
    with holding(site, 8080) as pid, holding(site, 8081):
        agent.start_calm()
        ports = {name: forward["port"] for name, forward in forwards(agent).items()}
        assert ports == {**{name: its[0] for name, its in PORTS.items()}, "frontend": 8083}
        assert f"(pid {pid})" in forwards(agent)["frontend"]["reason"]
        for name, port in ports.items():
            assert ask(site, port, within=PATIENCE) in pods(erp, name)
            assert agent.run("url", name).stdout == f"http://127.0.0.1:{port}\n"
    agent.until(lambda status: status["services"][0]["forward"]["port"] == 8080, "back on the primary port")
    assert until_reached(site, 8080) in pods(erp, "frontend")
    assert agent.end() == 0
    assert ask(site, 8080) is None


def test_a_port_lives_on_through_a_rollout_a_deleted_pod_and_the_agents_death(
    site: Site, erp: Namespace, new_agent: NewAgent
) -> None:
    agent = new_agent(erp, WEB)
    with holding(site, 27480):
        agent.start_calm()
        first = until_reached(site, 27481)
        erp.kubectl("rollout", "restart", "deployment/frontend")
        second = until_reached(site, 27481, other_than=first)
        erp.kubectl("delete", "pod", second, "--force", "--grace-period=0")
        until_reached(site, 27481, other_than=second)
        agent.kill()
        assert ask(site, 27481) is None
        agent.start()
        agent.until(lambda status: status["services"][0]["forward"]["state"] == "OPEN", "the port leads there again")
        assert forwards(agent)["frontend"]["port"] == 27481
        until_reached(site, 27481)


@pytest.mark.alone
def test_a_port_works_again_after_the_way_to_the_api_and_the_api_itself_were_away(
    breakable: Site, erp: Namespace, new_agent: NewAgent
) -> None:
    agent = new_agent(erp, WEB)
    agent.start_calm()
    until_reached(breakable, 27480)
    breakable.api_link("drop")
    assert ask(breakable, 27480) is None
    breakable.api_link("up")
    until_reached(breakable, 27480)
    breakable.api_server("kill")
    assert ask(breakable, 27480) is None
    breakable.api_server("start")
    until_reached(breakable, 27480)


def test_an_outage_restarts_each_once_and_is_over_when_every_port_was_proven_again(
    breakable: Site, erp: Namespace, new_agent: NewAgent
) -> None:
    agent = new_agent(erp, ERP)
    agent.start_calm()
    before = erp.generations()
    breakable.link("drop")
    agent.until_link("OFFLINE")
    breakable.link("up")
    agent.until_link("ONLINE")
    assert agent.states() == {"READY"}
    assert erp.restarts_since(before) == dict.fromkeys(SEVEN, 1)
    assert {forward["state"] for forward in forwards(agent).values()} == {"OPEN"}
    for name, forward in forwards(agent).items():
        assert ask(breakable, forward["port"], within=PATIENCE) in pods(erp, name)
    verified = agent.run("replay", "--verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_pod_that_is_ready_and_reached_by_nobody_is_not_ready_and_not_restarted_twice(
    breakable: Site, namespace: Namespace, new_agent: NewAgent
) -> None:
    namespace.apply(deployment("web", breakable.image, container=SERVES_HTTP), service("web", target=9999))
    namespace.until_available()
    services: Json = {"web": {"deployment": "web", "port": 27490}}
    agent = new_agent(namespace, services, ready_timeout="30s")  # the rollout has no longer, either
    agent.start_calm(states=("UNKNOWN",))
    before = namespace.generations()
    breakable.link("drop")
    agent.until_link("OFFLINE")
    breakable.link("up")
    agent.until_link("ONLINE")
    found = agent.services()["web"]
    assert (found["state"], namespace.restarts_since(before)) == ("UNKNOWN", {"web": 1})
    assert found["forward"]["state"] == "LISTENING"
    assert "connection refused" in found["forward"]["reason"]


def test_two_agents_on_one_machine_share_the_ports(site: Site, erp: Namespace, new_agent: NewAgent) -> None:
    first, second = new_agent(erp, WEB), new_agent(erp, WEB)
    first.start_calm()
    second.start_calm()
    assert (forwards(first)["frontend"]["port"], forwards(second)["frontend"]["port"]) == (27480, 27481)
    assert f"connmon-agent (pid {first.pid})" in forwards(second)["frontend"]["reason"]
    assert ask(site, 27480, within=PATIENCE) in pods(erp, "frontend")
    assert ask(site, 27481, within=PATIENCE) in pods(erp, "frontend")
