"""Notices across a real link: the mail server is in the lab's internet, out of reach while the link is cut."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.agents import AgentProcess, NewAgent
from tests.cluster.places import PATIENCE
from tests.cluster.site import Namespace, Site

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
ADDRESS = "192.0.2.1"  # of the lab's internet
NOBODY = 1  # a port where nothing listens


@pytest.fixture
def mailbox(site_with_lab: Site, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The port of a mail server in the internet, and the folder that it writes mails to."""
    folder = tmp_path / "mails"
    folder.mkdir()
    command = [site_with_lab.lab, "exec", "internet", sys.executable, "-m", "tests.cluster.mail_receiver"]
    server = subprocess.Popen(
        [*command, ADDRESS, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert server.stdout is not None
    yield int(server.stdout.readline()), folder
    os.killpg(server.pid, 9)
    server.wait(PATIENCE)
    server.stdout.close()


def until_mails(folder: Path, count: int) -> list[Any]:
    """The mails, once there are so many."""
    until = time.monotonic() + PATIENCE
    while len(found := sorted(folder.glob("*.eml"))) < count:
        assert time.monotonic() < until, f"{len(found)} mails came"
        time.sleep(0.1)
    return [message_from_bytes(file.read_bytes(), policy=default) for file in found]


def configure(agent: AgentProcess, port: int) -> None:
    mail = {"host": ADDRESS, "port": port, "security": "none", "to": ["it@example.com"]}
    agent.config["notify"] = {"site": "berlin-7"}
    agent.configure("notify", channels={"office": {"mail": mail}})


def notices(agent: AgentProcess) -> list[dict[str, Any]]:
    return list(json.loads(agent.run("notify", "list", "--json").stdout)["notices"])


def test_after_an_outage_with_kills_in_between_one_digest_arrives(
    breakable: Site, seven: Namespace, new_agent: NewAgent, mailbox: tuple[int, Path]
) -> None:
    port, folder = mailbox
    agent = new_agent(seven)
    configure(agent, port)
    agent.start_calm()
    breakable.link("drop")
    agent.until_said("DEGRADED -> OFFLINE")
    agent.kill()  # in the outage
    agent.start()
    agent.until_said("agent: configured")
    agent.until(lambda status: status["link"]["probes"] and status["agent"]["pid"] == agent.pid, "a round")
    breakable.link("up")
    agent.until_said("OFFLINE -> RECOVERING")
    agent.kill()  # in the recovery
    agent.start()
    agent.until_link("ONLINE")
    (mail,) = until_mails(folder, 1)
    agent.until(lambda _: [one["state"] for one in notices(agent)] == ["sent"], "the notice is sent")
    assert [(one["kind"], one["outage"]) for one in notices(agent)] == [("digest", 1)]
    text = mail.get_body().get_content()
    assert "berlin-7" in str(mail["Subject"]) and all(name in text for name in agent.services())
    if kept := os.environ.get("CONNMON_TEST_DIGEST"):
        Path(kept).write_bytes(mail.as_bytes())
    assert agent.end() == 0
    assert len(list(folder.glob("*.eml"))) == 1
    assert agent.run("replay", "--verify").returncode == 0


def test_an_outage_while_the_mail_server_is_away_is_told_when_it_is_back(
    breakable: Site, frontend: Namespace, new_agent: NewAgent, mailbox: tuple[int, Path]
) -> None:
    port, folder = mailbox
    agent = new_agent(frontend, ["frontend"])
    configure(agent, NOBODY)
    agent.start_calm()
    breakable.link("reject")
    agent.until_said("DEGRADED -> OFFLINE")
    breakable.link("up")
    agent.until_link("ONLINE")
    agent.until(lambda status: bool(status["notices"]["failures"]), "a failure is shown")
    assert list(folder.iterdir()) == []
    configure(agent, port)
    agent.reload()
    (mail,) = until_mails(folder, 1)
    assert "frontend" in mail.get_body().get_content()
