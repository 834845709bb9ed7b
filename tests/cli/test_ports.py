"""ports: every local port of every service, who has it, which one the service gets, and what to do about it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tests.fakes.statefiles import is_root
from tests.fakes.wine import on_wine, own_name
from tests.sockets.holders import as_somebody_else, free_port, free_ports, held, held_by_another

from connmon_agent.cli import connmon_agent
from connmon_agent.cli.rendering.port_tables import ports_document, render_ports
from connmon_agent.cli.rendering.port_views import ServiceView, view_services
from connmon_agent.cli.rendering.tones import Tone
from connmon_agent.cli.wording import width_of
from connmon_agent.core.plan import ForwardPlan, Reclaim
from connmon_agent.core.world import Forward
from connmon_agent.loading.defaults import PORTS
from connmon_agent.platform_terms import AS_SUPERUSER
from connmon_agent.presence import AgentLock
from connmon_agent.sockets.binding import PortRefused
from connmon_agent.sockets.examining import Obstacle
from connmon_agent.sockets.owners import AGENT, Owner, Use

needs_names = pytest.mark.skipif(on_wine(), reason="Wine tells neither names of processes nor which one has a port")
ME = f"{own_name()} (pid {os.getpid()})"
AGENTS_PID = 4711

ERP = {name: ForwardPlan(primary, tuple(others)) for name, (primary, *others) in PORTS.items()}
NGINX = Owner(8080, "0.0.0.0", Use.LISTENING, "nginx", 99, "www-data", foreign=True)
OUR_AGENT = Owner(8080, "127.0.0.1", Use.LISTENING, AGENT, AGENTS_PID, "me")


def obstacle(owner: Owner | None = None, code: int = errno.EADDRINUSE, address: str = "127.0.0.1") -> Obstacle:
    return Obstacle(PortRefused(address, 8080, OSError(code, "as the system words it")), owner)


def shown(obstacles: dict[int, Obstacle], *services: str, width: int = 80) -> list[str]:
    plans = {name: ERP[name] for name in services or ERP}
    return render_ports(view_services(plans, obstacles, agent=AGENTS_PID), width=width).splitlines()


def assigned(obstacles: dict[int, Obstacle], *services: str, agent: int | None = AGENTS_PID) -> dict[str, int | None]:
    plans = {name: ERP[name] for name in services or ERP}
    return {service.name: service.assigned for service in view_services(plans, obstacles, agent=agent)}


def test_a_conflict_is_marked_and_has_a_remedy() -> None:
    assert shown({8080: obstacle(NGINX)}, "frontend", "frontend-custom") == [
        "  NAME             PORT          STATE  USED BY",
        "  frontend         8080 primary  held   nginx (pid 99, user www-data)",
        "                   8081          free",
        "                   8082          free",
        "                   8083          free",
        "                   8084          free",
        "  !! frontend would use 8081: 8080 is in use by nginx (pid 99, user www-data)",
        "  -> Stop nginx (pid 99, user www-data), or set another port for frontend.",
        "",
        "  frontend-custom  8082 primary  free",
        "                   8182          free",
        "                   8282          free",
        "                   8382          free",
        "                   8482          free",
        "  ok frontend-custom would use 8082",
        "",
        "1 of 2 services has only an alternative: frontend.",
    ]


def test_without_conflicts_the_verdict_says_so() -> None:
    assert shown({})[-1] == "Every service can use its primary port."


def test_a_service_without_a_port_comes_first_in_the_verdict() -> None:
    taken = [*ERP["grafana"].candidates, 8080, 8085]
    assert shown(dict.fromkeys(taken, obstacle(NGINX)))[-3:] == [
        "",
        "1 of 7 services has no port: grafana.",
        "2 of 7 services have only an alternative: frontend, api-gateway-simple.",
    ]
    assert "  XX grafana has no port: 3000 is in use by nginx (pid 99, user www-data); no" in shown(
        dict.fromkeys(taken, obstacle(NGINX))
    )


def test_what_the_agent_listens_on_is_ours() -> None:
    lines = shown({8080: obstacle(OUR_AGENT)}, "frontend")
    assert lines[1] == "  frontend  8080 primary  ours   connmon-agent (pid 4711)"
    assert lines[6] == "  ok frontend uses 8080 (ours)"


def test_a_port_of_the_running_agent_is_ours_for_a_user_who_cannot_see_its_process() -> None:
    unseen = replace(OUR_AGENT, name=None, pid=None, user="root", foreign=True)
    had = {"frontend": Forward("frontend", port=8080)}
    plans = {"frontend": ERP["frontend"]}

    def find(agent: int | None) -> ServiceView:
        return view_services(plans, {8080: obstacle(unseen)}, agent=agent, remembered=had)[0]

    assert (find(AGENTS_PID).ours, find(AGENTS_PID).ports[0].holder) == (True, "connmon-agent (pid 4711)")
    assert (find(None).ours, find(None).ports[0].holder) == (False, "a process of user root")


def test_a_service_on_an_alternative_keeps_it_until_the_agent_moves_it() -> None:
    lines = shown({8081: obstacle(OUR_AGENT)}, "frontend")
    assert lines[6:8] == [
        "  !! frontend uses 8081 (ours): 8080 is free again; moves back when no",
        "     connection is open",
    ]
    assert lines[8] == ""


def test_a_service_gets_the_port_again_that_it_had() -> None:
    had = {"frontend": Forward("frontend", lease=8083)}
    plans = {"frontend": ForwardPlan(8080, (8081, 8083))}

    def find(obstacles: dict[int, Obstacle], plan: ForwardPlan) -> ServiceView:
        return view_services(plans | {"frontend": plan}, obstacles, agent=None, remembered=had)[0]

    idle, never = plans["frontend"], structs.replace(plans["frontend"], reclaim=Reclaim.NEVER)
    assert find({8080: obstacle(NGINX)}, idle).assigned == 8083
    assert find({8080: obstacle(NGINX), 8083: obstacle(NGINX)}, idle).assigned == 8081
    assert find({}, idle).assigned == 8080
    kept = find({}, never)
    assert (kept.assigned, kept.reason) == (8083, "8080 is free again; not moving back (reclaim: never)")


def test_whose_the_agents_port_is_comes_from_its_memory() -> None:
    plans = {"web": ForwardPlan(8080, (8081,)), "zed": ForwardPlan(8081)}
    web, zed = view_services(
        plans,
        {8080: obstacle(NGINX), 8081: obstacle(OUR_AGENT)},
        agent=AGENTS_PID,
        remembered={"web": Forward("web", port=8081), "zed": Forward("zed")},
    )
    assert (web.assigned, web.ours) == (8081, True)
    assert (zed.assigned, zed.reason) == (
        None,
        "8081 is in use by connmon-agent (pid 4711); no alternative is configured",
    )


def test_a_primary_port_that_is_ours_is_not_the_alternative_of_another() -> None:
    found = assigned({8080: obstacle(NGINX), 8081: obstacle(NGINX), 8082: obstacle(OUR_AGENT)})
    assert (found["frontend"], found["frontend-custom"]) == (8083, 8082)


@pytest.mark.parametrize("agent", [None, 0, 4712])
def test_another_agents_port_is_held(agent: int | None) -> None:
    assert assigned({8080: obstacle(OUR_AGENT)}, "frontend", agent=agent) == {"frontend": 8081}


@pytest.mark.parametrize(
    ("found", "reason", "remedy"),
    [
        pytest.param(
            obstacle(NGINX),
            "8080 is in use by nginx (pid 99, user www-data)",
            "Stop nginx (pid 99, user www-data), or set another port for frontend.",
            id="a process",
        ),
        pytest.param(
            obstacle(),
            "8080 is in use by a hidden process",
            f"Run `connmon-agent ports` {AS_SUPERUSER} to see what uses 8080, or set another port for frontend.",
            id="nobody",
        ),
        pytest.param(
            obstacle(Owner(8080, "::", Use.LISTENING, user="www-data", foreign=True)),
            "8080 is in use by a process of user www-data",
            f"Run `connmon-agent ports` {AS_SUPERUSER} or www-data to see what uses 8080, "
            "or set another port for frontend.",
            id="a user",
        ),
        pytest.param(
            obstacle(Owner(8080, "::", Use.CONNECTED, "firefox", 3)),
            "8080 is in use by an outgoing connection of firefox (pid 3)",
            "Wait until that connection ends, or set another port for frontend.",
            id="a connection",
        ),
        pytest.param(
            obstacle(Owner(8080, "::", Use.ENDED)),
            "8080 is in use by a connection that has just closed",
            "Wait a minute, or set another port for frontend.",
            id="a connection that ended",
        ),
        pytest.param(
            obstacle(code=errno.EACCES),
            "8080 needs privileges",
            "Set a port of 1024 or above for frontend, or grant the agent CAP_NET_BIND_SERVICE.",
            id="privileges",
        ),
        pytest.param(
            obstacle(code=10013),
            "8080 is reserved by Windows (netsh interface ipv4 show excludedportrange protocol=tcp)",
            "Set a port for frontend outside the reserved ranges. List them: "
            "netsh interface ipv4 show excludedportrange protocol=tcp",
            id="reserved by Windows",
        ),
        pytest.param(
            obstacle(code=errno.EADDRNOTAVAIL, address="192.0.2.1"),
            "8080: 192.0.2.1 is not an address of this machine",
            "Remove 192.0.2.1 from forwards.bind, or add it to this machine.",
            id="an address of another machine",
        ),
        pytest.param(
            obstacle(code=errno.EMFILE),
            "8080 cannot be opened: as the system words it",
            "Set another port for frontend.",
            id="anything else",
        ),
    ],
)
def test_each_obstacle_has_its_reason_and_its_remedy(found: Obstacle, reason: str, remedy: str) -> None:
    (service,) = view_services({"frontend": ERP["frontend"]}, {8080: found}, agent=None)
    assert (service.reason, service.remedy) == (reason, remedy)
    assert service.ports[0].state == ("held" if found.held else "reserved")


def test_a_service_with_one_port_is_told_that_it_has_no_other() -> None:
    (service,) = view_services({"web": ForwardPlan(8080)}, {8080: obstacle(NGINX)}, agent=None)
    assert service.reason == "8080 is in use by nginx (pid 99, user www-data); no alternative is configured"


def test_colours_follow_the_states() -> None:
    painted: list[tuple[str, Tone]] = []

    def paint(text: str, tone: Tone) -> str:
        painted.append((text.split()[0], tone))
        return text

    plans = {"a": ForwardPlan(1, (2,)), "b": ForwardPlan(3), "c": ForwardPlan(4)}
    found = {1: obstacle(NGINX), 3: obstacle(NGINX), 4: obstacle(OUR_AGENT)}
    render_ports(view_services(plans, found, agent=AGENTS_PID), width=120, paint=paint)
    assert painted == [
        ("NAME", Tone.QUIET),
        ("a", Tone.UNSURE),
        ("2", Tone.PLAIN),
        ("!!", Tone.UNSURE),
        ("b", Tone.UNSURE),
        ("XX", Tone.BAD),
        ("c", Tone.GOOD),
        ("ok", Tone.PLAIN),
        ("1", Tone.BAD),
        ("1", Tone.UNSURE),
    ]


names = st.text(min_size=1, max_size=100)


@given(names, names, st.sampled_from([40, 60, 80]))
def test_no_line_is_wider_than_asked_for(service: str, program: str, width: int) -> None:
    found = {8080: obstacle(Owner(8080, "::", Use.LISTENING, program, 99))}
    text = render_ports(view_services({service: ForwardPlan(8080)}, found, agent=None), width=width)
    assert all(width_of(line) <= width for line in text.splitlines())


class Machine:
    """A configuration of two services on ports of this machine: web has two alternatives, db has none."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.web, self.second, self.third, self.db = free_ports(4)
        self._config = folder / "connmon.yaml"
        web = {"port": self.web, "alternatives": [self.second, self.third]}
        self.configure(web=web, db={"port": self.db}, worker={})

    def configure(self, **services: dict[str, Any]) -> None:
        self._config.write_text(yaml.safe_dump({"state_dir": str(self.state), "services": services}, sort_keys=False))

    def run(self, *arguments: str, command: tuple[str, ...] = ("ports",)) -> Result:
        command = ("--config", str(self._config), *command, *arguments)
        return CliRunner().invoke(connmon_agent, command, env={"HOME": "/nowhere"})

    def see(self, *, code: int = 0) -> dict[str, dict[str, Any]]:
        """The services of the document, by their names."""
        result = self.run("--json")
        assert (result.exit_code, result.stderr) == (code, ""), result.output
        document = json.loads(result.stdout)
        assert document["schema"] == 1
        return {service["name"]: service for service in document["services"]}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    assert not made.state.exists() or list(made.state.iterdir()) == [made.state / "agent.lock"], (
        "looking changes nothing"
    )


@needs_names
def test_the_ports_of_this_machine_as_a_document(machine: Machine) -> None:
    with held(port=machine.web):
        found = machine.see()
    assert list(found) == ["web", "db"], "a service without a port is left out"
    assert found["web"] == {
        "name": "web",
        "primary": machine.web,
        "assigned": machine.second,
        "reason": f"{machine.web} is in use by {ME}",
        "remedy": f"Stop {ME}, or set another port for web.",
        "ports": [
            {
                "port": machine.web,
                "primary": True,
                "state": "held",
                "holder": {"name": own_name(), "pid": os.getpid(), "user": psutil.Process().username()},
                "text": f"in use by {ME}",
            },
            {"port": machine.second, "primary": False, "state": "free", "holder": None, "text": "free"},
            {"port": machine.third, "primary": False, "state": "free", "holder": None, "text": "free"},
        ],
    }
    assert (found["db"]["assigned"], found["db"]["reason"], found["db"]["remedy"]) == (machine.db, None, None)


def test_a_service_without_a_port_ends_with_1(machine: Machine) -> None:
    with held(port=machine.db):
        found = machine.see(code=1)
        text = machine.run()
    assert (found["db"]["assigned"], found["web"]["assigned"]) == (None, machine.web)
    assert text.exit_code == 1
    assert text.output.splitlines()[-1] == "1 of 2 services has no port: db."


@pytest.mark.parametrize("mode", ["ports", "Ports"])
def test_start_in_the_mode_ports_shows_the_same_and_starts_nothing(machine: Machine, mode: str) -> None:
    machine.configure(web={"port": free_port()})
    started = machine.run(command=("start", "--mode", mode))
    assert (started.exit_code, started.output) == (0, machine.run().output)
    assert not machine.state.exists()


@needs_names
def test_what_our_running_agent_listens_on_is_ours(machine: Machine) -> None:
    machine.state.mkdir()
    with ExitStack() as stack:
        stack.enter_context(held(port=machine.second))
        assert machine.see()["web"]["ports"][1]["state"] == "held"
        stack.enter_context(AgentLock(machine.state))
        found = machine.see()["web"]
        assert (found["assigned"], found["ports"][1]["state"]) == (machine.second, "ours")
        assert f"web uses {machine.second} (ours): {machine.web} is free again" in machine.run().output


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that everybody may read, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="connmon-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.linux_alone(reason="another user, as root becomes it")
@pytest.mark.skipif(not is_root(), reason="needs root, to be somebody else")
def test_without_rights_it_works_and_names_the_user(public_folder: Path) -> None:
    machine = Machine(public_folder)
    machine.state.mkdir(mode=0o700)

    with held_by_another() as (port, _):
        machine.configure(web={"port": port, "alternatives": [machine.second]})

        def work() -> None:
            found = machine.see()["web"]
            assert found["assigned"] == machine.second
            assert found["reason"] == f"{port} is in use by a process of user root"
            assert found["remedy"] == (
                f"Run `connmon-agent ports` {AS_SUPERUSER} to see what uses {port}, or set another port for web."
            )
            assert found["ports"][0]["holder"] == {"name": None, "pid": None, "user": "root"}

        machine.see()  # imports what the command needs: somebody else may not be able to read the modules
        assert as_somebody_else(work) == 0


def test_no_service_with_a_port_is_said() -> None:
    assert render_ports([]) == "No service has a local port."
    assert ports_document([]) == {"schema": 1, "services": []}
