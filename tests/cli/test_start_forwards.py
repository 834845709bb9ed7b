"""The agent as a process leads local ports to pods: from its start, through a reload, its death and its end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.fakes.local_sites import NAMESPACE, PATIENCE, LocalAgent, LocalSite
from tests.sockets.holders import free_ports, held

from connmon_lab.kubernetes import manifests


@pytest.fixture(scope="module")
def site() -> Iterator[LocalSite]:
    with LocalSite("web", "db").running() as running:
        for name in ("web", "db"):
            running.api.create(manifests.service(name, NAMESPACE))
        yield running


@pytest.fixture
def ports() -> list[int]:
    return free_ports(3)


@pytest.fixture
def agent(site: LocalSite, tmp_path: Path, ports: list[int]) -> Iterator[LocalAgent]:
    """An agent with a local port for one of two services, which has yet to be started."""
    configuration = site.configuration(tmp_path, ("web", "db"))
    configuration["services"]["web"] = {"port": ports[0], "alternatives": ports[1:2], "check": "/"}
    made = LocalAgent(tmp_path, configuration)
    yield made
    made.bury()


def get(port: int, host: str = "127.0.0.1") -> str:
    """What the pod behind a local port says; empty where nobody listens."""
    try:
        with urlopen(f"http://{host}:{port}/", timeout=PATIENCE) as answer:
            return str(answer.read().decode())
    except OSError:  # URLError is one, as is a connection that is reset
        return ""


def until_open(agent: LocalAgent, port: int) -> None:
    def led() -> bool:
        forward = agent.service("web")["forward"]
        return forward is not None and bool(forward["state"] == "OPEN" and forward["port"] == port)

    agent.until(led, f"port {port} open")


def test_a_port_leads_to_a_pod_and_everybody_who_asks_is_told_which(agent: LocalAgent, ports: list[int]) -> None:
    with held(port=ports[0]):
        agent.start()
        until_open(agent, ports[1])
        agent.until_service("web", "READY")
        assert "hello from pod" in get(ports[1]) and get(ports[1], "localhost") == get(ports[1])
        assert agent.run("url", "web").output == f"http://127.0.0.1:{ports[1]}\n"
        assert f"{ports[0]} is in use by" in agent.service("web")["forward"]["reason"]
        published = json.loads((agent.state / "endpoints.json").read_text())
        assert (published["pid"], published["services"]["web"]["port"]) == (agent.process.pid, ports[1])
        agent.until(lambda: agent.service("web")["forward"]["served"] >= 3, "traffic in status")
    until_open(agent, ports[0])
    assert "hello from pod" in get(ports[0]) and get(ports[1]) == ""
    assert agent.run("replay", "--since", "1d").exit_code == 0
    agent.verify()


def test_an_agent_that_ends_in_order_leaves_no_port_and_says_so(agent: LocalAgent, ports: list[int]) -> None:
    agent.start()
    until_open(agent, ports[0])
    assert agent.end() == 0
    assert get(ports[0]) == ""
    assert json.loads((agent.state / "endpoints.json").read_text())["services"] == {}
    assert agent.run("url", "web").exit_code == 3
    assert agent.service("web")["forward"]["state"] == "CLOSED"
    assert "Traceback" not in agent.log


def test_a_killed_agent_comes_back_to_the_port_it_had(agent: LocalAgent, ports: list[int]) -> None:
    with held(port=ports[0]):
        agent.start()
        until_open(agent, ports[1])
        agent.kill()
        agent.start()
        until_open(agent, ports[1])
        assert "hello from pod" in get(ports[1])


def test_another_port_is_turned_to_while_it_runs_and_others_come_and_go(agent: LocalAgent, ports: list[int]) -> None:
    agent.start()
    until_open(agent, ports[0])
    agent.configuration["services"]["web"]["port"] = ports[2]
    agent.configuration["services"]["db"] = {"port": ports[0]}
    agent.write()
    agent.reload()
    until_open(agent, ports[2])
    agent.until(lambda: agent.service("db")["forward"]["state"] == "OPEN", "the port of db")
    assert "hello from pod web" in get(ports[2]) and "hello from pod db" in get(ports[0])
    agent.configuration["services"] = {"web": {}, "db": {}}
    agent.write()
    agent.reload()
    agent.until(lambda: get(ports[2]) == "" and get(ports[0]) == "", "no port any more")
    assert agent.service("web")["forward"] is None
    agent.verify()


def test_an_agent_without_ports_gets_its_first_by_a_reload(agent: LocalAgent, ports: list[int]) -> None:
    forward = agent.configuration["services"].pop("web")
    agent.configuration["services"] = {"web": {}, "db": {}}
    agent.write()
    agent.start()
    agent.configuration["services"]["web"] = forward
    agent.write()
    agent.reload()
    until_open(agent, ports[0])
    assert "hello from pod" in get(ports[0])
