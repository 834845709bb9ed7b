"""``endpoints.json`` and ``endpoints.env``: where the services are reached now, for scripts."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.fakes.local_ports import with_ports
from tests.fakes.sites import plan_of

from connmon_agent.core.plan import ForwardPlan
from connmon_agent.core.ports.urls import host_of, url_of, variable_of
from connmon_agent.core.world import Forward, ForwardState, World
from connmon_agent.runtime.endpoint_files import EndpointFiles


def world_of(**forwards: Forward) -> World:
    plan = with_ports(plan_of("frontend-custom", "db", "worker"), **{"frontend-custom": (8082, 8182), "db": (5432,)})
    return World(store="s", plan=plan, forwards={forward.name: forward for forward in forwards.values()})


OPEN = world_of(
    custom=Forward("frontend-custom", ForwardState.OPEN, port=8182), db=Forward("db", ForwardState.CONFLICT)
)


def test_programs_read_json(tmp_path: Path) -> None:
    EndpointFiles(tmp_path, complain=print).publish(OPEN)
    assert json.loads((tmp_path / "endpoints.json").read_text()) == {
        "schema": 1,
        "pid": os.getpid(),
        "services": {
            "frontend-custom": {
                "state": "OPEN",
                "url": "http://127.0.0.1:8182",
                "host": "127.0.0.1",
                "port": 8182,
                "primary": 8082,
            }
        },
    }


@pytest.mark.linux_alone(reason="a shell that sources")
def test_a_shell_can_source_the_other(tmp_path: Path) -> None:
    EndpointFiles(tmp_path, complain=print).publish(OPEN)
    script = f'set -eu; . {tmp_path}/endpoints.env; echo "$FRONTEND_CUSTOM_URL $FRONTEND_CUSTOM_PORT"'
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert told == "http://127.0.0.1:8182 8182\n"


def test_a_service_without_a_port_is_in_neither(tmp_path: Path) -> None:
    files = EndpointFiles(tmp_path, complain=print)
    files.publish(OPEN)
    files.publish(replace(OPEN, forwards={}))
    assert json.loads((tmp_path / "endpoints.json").read_text())["services"] == {}
    variables = [line for line in (tmp_path / "endpoints.env").read_text().splitlines() if not line.startswith("#")]
    assert variables == [f"CONNMON_AGENT_PID={os.getpid()}"]


def test_nothing_else_is_left_in_the_folder(tmp_path: Path) -> None:
    EndpointFiles(tmp_path, complain=print).publish(OPEN)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["endpoints.env", "endpoints.json"]


def test_a_folder_that_cannot_be_written_is_told_once_and_again_when_it_fails_anew(tmp_path: Path) -> None:
    folder, told = tmp_path / "gone", []
    files = EndpointFiles(folder, complain=told.append)
    files.publish(OPEN)
    files.publish(OPEN)
    assert told == ["endpoints.json and endpoints.env cannot be written: No such file or directory"]
    folder.mkdir()
    files.publish(OPEN)
    folder.rename(tmp_path / "away")
    files.publish(OPEN)
    assert len(told) == 2


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        (("127.0.0.1", "::1"), "http://127.0.0.1:80"),
        (("192.0.2.7", "127.0.0.1"), "http://127.0.0.1:80"),
        (("0.0.0.0",), "http://127.0.0.1:80"),
        (("::",), "http://[::1]:80"),
        (("192.0.2.7",), "http://192.0.2.7:80"),
        (("2001:db8::7",), "http://[2001:db8::7]:80"),
    ],
)
def test_the_url_has_an_address_that_clients_on_this_machine_can_use(bind: tuple[str, ...], url: str) -> None:
    assert url_of(bind, 80) == url
    assert host_of(bind) in url


@pytest.mark.parametrize(
    ("name", "variable"), [("frontend-custom", "FRONTEND_CUSTOM"), ("7up", "_7UP"), ("a.b", "A_B")]
)
def test_names_of_variables(name: str, variable: str) -> None:
    assert variable_of(name) == variable


def test_the_plan_of_a_port_lists_the_primary_one_first() -> None:
    assert ForwardPlan(8080, (8081,)).candidates == (8080, 8081)
