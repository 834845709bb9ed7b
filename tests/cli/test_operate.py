"""Orders: carried out by the running agent or recorded for the next, durable once the command returns."""

import contextlib
import threading
from pathlib import Path

import pytest
from click.testing import Result
from tests.fakes.local_sites import ATTENTIVE, LocalAgent, LocalSite

from connmon_agent.core.events import Order, Ordered
from connmon_agent.errors import ConnmonError
from connmon_agent.presence import AgentLock
from connmon_agent.runtime.control import send_order
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader

RECORDED = "The agent is not running. This is recorded; it takes effect when the agent next starts.\n"


def orders_of(agent: LocalAgent) -> list[tuple[Order, tuple[str, ...]]]:
    with Reader(agent.state / DATABASE_FILE) as reader:
        events = [row.event for row in reader.recorded()]
    return [(event.order, event.services) for event in events if isinstance(event, Ordered)]


def refusal(result: Result) -> str:
    """What a refused order says."""
    assert (result.exit_code, result.stdout) == (1, "")
    return result.stderr


# A running agent.


def test_pause_and_resume_are_carried_out_at_once(running: LocalAgent) -> None:
    paused = running.run("pause")
    assert (paused.exit_code, paused.output) == (
        0,
        "Paused. Nothing is restarted until `connmon-agent resume`.\n",
    )
    assert running.status()["agent"]["paused"]
    assert "the agent is paused; run `connmon-agent resume` first" in refusal(running.run("recover"))
    assert running.run("resume").output == "Resumed.\n"
    assert not running.status()["agent"]["paused"]


def test_recover_restarts_and_rearm_gives_the_attempts_back(site: LocalSite, running: LocalAgent) -> None:
    before = site.api.get("Deployment", "shop", "web")
    ordered = running.order("recover", "web")
    assert ordered.output == "Recovery requested. Run `connmon-agent status --watch` to follow it.\n"
    running.until(lambda: bool(running.service("web")["attempts"]), "an attempt")
    running.until_link("ONLINE")
    after = site.api.get("Deployment", "shop", "web")
    assert before is not None and after is not None
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert running.service("db")["attempts"] == 0
    assert (
        running.run("rearm", "web").output
        == "Restart attempts reset. Run `connmon-agent recover web` to restart now.\n"
    )
    assert running.service("web")["attempts"] == 0


def test_a_mistake_in_the_configuration_keeps_no_order_from_a_running_agent(running: LocalAgent) -> None:
    try:
        running.write(f"state_dir: {running.state}\nnonsense: 1\nlink: [\n")
        assert running.run("pause").exit_code == 0
        assert running.run("status").exit_code == 0
        assert running.run("resume").exit_code == 0
    finally:
        running.write()


@pytest.mark.parametrize("command", ["recover", "rearm"])
def test_a_service_that_is_not_configured_is_refused(running: LocalAgent, command: str) -> None:
    words = refusal(running.run(command, "nix", "web"))
    assert words == "Error: unknown service: nix; configured: web, db\n"


def test_recover_is_refused_while_the_link_is_down(tmp_path: Path) -> None:
    with LocalSite("web").running() as site:
        agent = LocalAgent(tmp_path, site.configuration(tmp_path, ["web"]))
        agent.configuration["link"].update(ATTENTIVE)
        agent.write()
        with agent.living():
            site.cut()
            agent.until_link("OFFLINE")
            assert "the recovery begins automatically when it is back" in refusal(agent.run("recover"))
            site.restore()
            agent.until_link("ONLINE")


def test_an_agent_that_stands_still_is_not_waited_for_for_ever_and_the_order_lapses(running: LocalAgent) -> None:
    given = len(orders_of(running))
    no_answer = r"did not answer within 0\.2 s; if it has not accepted the order by now"
    with running.frozen(), pytest.raises(ConnmonError, match=no_answer):
        send_order(running.state, Order.PAUSE, (), patience=0.2)
    assert running.run("rearm").exit_code == 0
    assert [order for order, _ in orders_of(running)[given:]] == [Order.REARM]
    assert not running.status()["agent"]["paused"]


# Durable once they return.


@pytest.mark.parametrize("killed", [True, False], ids=["kill -9 at once", "no agent"])
def test_an_order_outlives_the_agent(agent: LocalAgent, killed: bool) -> None:
    agent.start()
    if not killed:
        agent.kill()
    paused = agent.run("pause")
    if killed:
        agent.kill()
    assert (paused.exit_code, RECORDED in paused.output) == (0, not killed)
    assert agent.status()["agent"] == agent.status()["agent"] | {"running": False, "paused": True}
    rearmed = agent.run("rearm", "db")
    assert (rearmed.exit_code, rearmed.output) == (
        0,
        "Restart attempts reset. Run `connmon-agent recover db` to restart now.\n" + RECORDED,
    )
    assert orders_of(agent) == [(Order.PAUSE, ()), (Order.REARM, ("db",))]
    agent.start()
    assert agent.status()["agent"]["paused"]
    agent.verify()


def test_a_recovery_ordered_from_an_agent_that_is_killed_is_made_by_the_next(
    site: LocalSite, agent: LocalAgent
) -> None:
    agent.start()
    agent.until_service("db", "READY")
    assert agent.run("rearm").exit_code == 0
    before = site.api.get("Deployment", "shop", "db")
    agent.order("recover", "db")
    agent.kill()
    agent.start()
    agent.until(lambda: bool(agent.service("db")["attempts"]), "an attempt")
    agent.until_service("db", "READY")
    after = site.api.get("Deployment", "shop", "db")
    assert before is not None and after is not None
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1


# No agent.


def test_a_refused_order_is_refused_without_an_agent_too(agent: LocalAgent) -> None:
    assert agent.run("resume").exit_code == 0
    assert "unknown service: nix" in refusal(agent.run("rearm", "nix"))
    words = refusal(agent.run("recover"))
    assert words.startswith("Error: no agent is running, and the link was last seen STARTING")
    assert words.endswith("shows ONLINE, then run `connmon-agent recover`.\n")


def test_an_order_beside_another_configuration_or_a_broken_one_goes_by_the_plan_of_the_last_agent(
    agent: LocalAgent,
) -> None:
    agent.start()
    agent.kill()
    for text in ("services: {other: {}}\n", "nonsense: 1\n"):
        agent.write(text)
        refused = agent.run("--state-dir", str(agent.state), "recover", "typo")
        assert "unknown service: typo; configured: web, db" in refusal(refused)
        assert agent.run("--state-dir", str(agent.state), "rearm", "db").exit_code == 0
    assert [service["name"] for service in agent.status()["services"]] == ["web", "db"]


def test_a_damaged_state_file_is_told_of(agent: LocalAgent) -> None:
    agent.state.mkdir()
    (agent.state / DATABASE_FILE).write_bytes(b"SQLite format 3\0" + b"\xa5" * 8000)
    result = agent.run("pause")
    assert result.exit_code == 0
    assert result.stderr.startswith("Note: the state file was damaged (file is not a database); it was renamed to")
    assert agent.run("resume").stderr == ""


def test_an_order_that_comes_while_another_is_recorded_waits_for_it(agent: LocalAgent) -> None:
    agent.state.mkdir()
    with contextlib.ExitStack() as holding:
        holding.enter_context(AgentLock(agent.state))
        release = threading.Timer(0.1, holding.close)
        release.start()
        assert agent.run("pause").output.endswith(RECORDED)
        release.join()
