"""`url`: where a service is reached now, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.fakes.local_ports import with_ports
from tests.fakes.sites import plan_of
from tests.fakes.statefiles import opened, timestamp

from connmon_agent.cli import connmon_agent
from connmon_agent.core.events import AgentStarted
from connmon_agent.core.steps import Step
from connmon_agent.core.world import Forward, ForwardState, World
from connmon_agent.presence import AgentLock

WEB = Forward("web", ForwardState.OPEN, port=8081)
DB = Forward("db", ForwardState.CONFLICT, reason="5432 is in use by postgres (pid 7)")


def url(folder: Path, service: str) -> Result:
    return CliRunner().invoke(connmon_agent, ["--state-dir", str(folder), "url", service])


def remember(tmp_path: Path, *, pid: int) -> Path:
    """What the agent ``pid`` wrote last."""
    with opened(tmp_path / "connmon.db") as journal:
        plan = with_ports(plan_of("web", "db", "worker"), web=(8080, 8081), db=(5432,))
        world = World(store=journal.load().store, plan=plan, forwards={"web": WEB, "db": DB})
        journal.commit(AgentStarted(timestamp(1), pid, "0.1.0", "boot-1"), Step(world))
    return tmp_path


@pytest.fixture
def remembered(tmp_path: Path) -> Path:
    return remember(tmp_path, pid=os.getpid())


@pytest.fixture
def running(remembered: Path) -> Iterator[Path]:
    with AgentLock(remembered):
        yield remembered


def test_the_url_alone_is_printed(running: Path) -> None:
    result = url(running, "web")
    assert (result.exit_code, result.output) == (0, "http://127.0.0.1:8081\n")


@pytest.mark.parametrize(
    ("service", "code", "words"),
    [
        ("db", 1, "db has no local port now: 5432 is in use by postgres (pid 7)"),
        ("worker", 1, "worker has no local port"),
        ("wep", 2, "no service 'wep'; the services are: web, db, worker"),
    ],
)
def test_why_there_is_none(running: Path, service: str, code: int, words: str) -> None:
    result = url(running, service)
    assert result.exit_code == code
    assert words in result.stderr
    assert result.stdout == ""


def test_the_ports_of_an_earlier_agent_are_not_told(tmp_path: Path) -> None:
    with AgentLock(remember(tmp_path, pid=os.getpid() + 1)):
        result = url(tmp_path, "web")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the agent is starting and has not opened its local ports yet" in result.stderr


def test_without_an_agent_nothing_is_open(remembered: Path) -> None:
    result = url(remembered, "web")
    assert result.exit_code == 3
    assert "the agent is not running, so no local port is open" in result.stderr
