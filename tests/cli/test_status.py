"""`status` as a command: what it ends with, and what it shows of a real state file."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.fakes.memories import live_through_an_outage
from tests.fakes.mornings import DNS, at, offline_snapshot, ready, snapshot_of, world_of

from connmon_agent.cli import connmon_agent
from connmon_agent.cli.rendering.snapshots import Snapshot
from connmon_agent.cli.status import take_snapshot, watch_status
from connmon_agent.presence import AgentLock
from connmon_agent.store.records import LatestRound


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(connmon_agent, ["--state-dir", str(folder), "status", *arguments])


def test_where_no_agent_ever_ran_it_says_how_to_start_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connmon_agent.loading.places.MACHINE_STATE_DIRS", (tmp_path / "none", tmp_path))
    result = run(tmp_path)
    assert result.exit_code == 3
    assert result.output.splitlines() == [
        f"No agent has run with this state directory: there is no {tmp_path / 'connmon.db'}.",
        "Start one: connmon-agent start",
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.linux_alone(reason="sudo, and users whose names pathlib knows")
def test_where_another_users_agent_ran_it_says_whose_and_how_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine := tmp_path / "machine").mkdir()
    monkeypatch.setattr("connmon_agent.loading.places.MACHINE_STATE_DIRS", (machine, tmp_path / "none"))
    result = run(tmp_path / "mine")
    assert result.exit_code == 3
    if sys.platform == "win32":
        assert result.output.splitlines()[1] == f"There is {machine}. Name it with --state-dir"
        return
    assert result.output.splitlines()[1] == (
        f"There is {machine} (of {machine.owner()}). Run: sudo connmon-agent status, or name it with --state-dir"
    )


def test_a_database_that_is_being_made_is_no_failure(tmp_path: Path) -> None:
    """Between the birth of the file and its first commit an agent is starting; that is nothing to fail about."""
    database = tmp_path / "connmon.db"
    database.touch()
    snapshot = take_snapshot(database)
    assert (snapshot.running, snapshot.agent, snapshot.events) == (False, None, 0)


def test_where_no_agent_ever_ran_the_document_is_whole(tmp_path: Path) -> None:
    result = run(tmp_path, "--json")
    document = json.loads(result.output)
    assert (result.exit_code, document["agent"]["running"], document["store"]["events"]) == (3, False, 0)


def test_without_an_agent_it_shows_what_is_remembered_and_ends_with_3(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    result = run(tmp_path)
    assert result.exit_code == 3
    assert "Last state, " in result.output.splitlines()[0]
    assert "frontend  READY  1/3    restarted, 3 of 3 available" in result.output
    assert "\x1b" not in result.output


def test_beside_an_agent_it_ends_with_0(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    with AgentLock(tmp_path):
        result = run(tmp_path, "--json")
    document = json.loads(result.output)
    assert (result.exit_code, document["agent"]["running"]) == (0, True)
    assert document["outage"]["id"] == 1
    assert [service["attempts"] for service in document["services"]] == [1, 1]


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "connmon.db").write_text("not a database, but long enough to look like one" * 100)
    result = run(tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path / 'connmon.db'}" in result.stderr
    assert "Traceback" not in result.stderr


class Enough(Exception):
    """Ends a watch."""


calm = snapshot_of(world_of(ready("frontend")))
beat = replace(calm, now=calm.now + 1, round=LatestRound(at(721), calm.round.results if calm.round else (), 0.5, 12.0))
failing = replace(beat, round=LatestRound(at(722), (DNS,), 1.0, None))


def watch(*snapshots: Snapshot, clears: bool = False) -> list[Snapshot | str]:
    """What a watch shows of these, one a second, and where it clears the screen."""
    coming, shown, pauses = iter(snapshots), list[Snapshot | str](), list[float]()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == len(snapshots):
            raise Enough

    def clear() -> None:
        shown.append("cleared")

    with pytest.raises(Enough):
        watch_status(lambda: next(coming), show=shown.append, sleep=sleep, clear=clear if clears else None)
    assert set(pauses) == {1.0}
    return shown


def test_a_watch_into_a_pipe_shows_only_what_is_news() -> None:
    assert watch(calm, beat, failing, failing, offline_snapshot()) == [calm, failing, offline_snapshot()]


def test_a_watch_on_a_terminal_draws_every_second() -> None:
    assert watch(calm, beat, clears=True) == ["cleared", calm, "cleared", beat]


def test_a_snapshot_is_taken_of_one_file(tmp_path: Path) -> None:
    world = live_through_an_outage(tmp_path)
    snapshot = take_snapshot(tmp_path / "connmon.db")
    assert snapshot.world == world
    assert (snapshot.pid, snapshot.events) == (None, 22)
    assert snapshot.bytes > 0
