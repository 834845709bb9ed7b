"""`log level`: more lines of the running agent for a while."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.fakes.local_sites import ATTENTIVE, LocalAgent

from connmon_agent.cli import connmon_agent
from connmon_agent.presence import AgentLock, Signature


def test_a_running_agent_logs_more_for_a_while_and_shows_it(agent: LocalAgent) -> None:
    agent.configuration["link"].update(ATTENTIVE)
    agent.write()
    agent.start()
    assert " debug " not in agent.log
    shown = agent.run("log", "level", "probes=debug", "cluster=DEBUG", "--for", "1h")
    assert shown.exit_code == 0, shown.output
    assert "  probes    debug  for 1h, then info" in shown.stdout.splitlines()
    # The gateway and the API of this machine count to them, where there are any.
    answered = re.compile(r" debug    link: [345] of [345] answered in \d+ ms: tcp 127\.0\.0\.1:\d+ ok ")
    agent.until(lambda: answered.search(agent.log) is not None, "a round in the log")
    agent.run("log", "level", "--reset")
    areas = json.loads(agent.run("log", "level", "--json").stdout)["areas"]
    assert {(area["level"], area["left"]) for area in areas} == {("info", None)}
    assert "set the log level of probes to debug for 3600 s" in agent.log


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("probe=debug",), "areas are agent, link, probes, services, cluster, forwards, notices"),
        (("probes=loud",), "levels debug, info, warning, error"),
        (("probes",), "is not AREA=LEVEL"),
        (("probes=debug", "--for", "2d"), "is not a time from 1s to 24h"),
        (("probes=debug", "--for", "soon"), "is not a time from 1s to 24h"),
        (("--for", "10m"), "--for needs a level"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    result = CliRunner().invoke(connmon_agent, ["--state-dir", str(tmp_path), "log", "level", *arguments])
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())


def test_without_an_agent_there_is_nothing_to_set(tmp_path: Path) -> None:
    result = CliRunner().invoke(connmon_agent, ["--state-dir", str(tmp_path), "log", "level"])
    assert result.exit_code == 3
    assert result.stderr.startswith(f"Error: no agent is running on the state directory {tmp_path}\nStart one")


def test_an_agent_that_does_not_listen_yet_is_told_from_none(tmp_path: Path) -> None:
    with AgentLock(tmp_path, signature=Signature("background")):
        result = CliRunner().invoke(connmon_agent, ["--state-dir", str(tmp_path), "log", "level"])
    assert result.exit_code == 3
    assert "The agent is starting or stopping" in result.stderr
