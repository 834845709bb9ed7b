"""`replay` and `history` as commands, over a state file that the real engine and the real journal wrote."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.fakes.memories import UP, live_through_an_outage, remember, rounds, start, stop
from tests.fakes.mornings import at

from connmon_agent.cli import connmon_agent
from connmon_agent.core.events import AgentStopped, Order, Ordered


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(connmon_agent, ["--state-dir", str(folder), *arguments])


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory after one outage."""
    folder = tmp_path_factory.mktemp("morning")
    live_through_an_outage(folder)
    return folder


@pytest.mark.parametrize(
    "arguments", [(), ("latest",), ("LATEST",), ("1",)], ids=["none", "latest", "capitals", "number"]
)
def test_an_outage_is_told_from_its_first_bad_round(
    morning: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connmon_agent.cli.screens.width_of_output", lambda: 80)
    result = run(morning, "replay", *arguments)
    assert result.exit_code == 0
    assert result.output.startswith("Outage 1, ")
    assert "link ONLINE -> DEGRADED" in result.output
    assert "frontend is restarting, attempt 1 of 3: restart due after the outage" in result.output
    assert "ready after 18 s: restarted, 3 of 3 available" in result.output
    assert "agent started" not in result.output
    assert max(map(len, result.output.splitlines())) <= 80


def test_a_span_of_time_is_told_without_a_head(morning: Path) -> None:
    result = run(morning, "replay", "--since", "2026-11-23T10:00:00Z", "--until", "2026-11-23T10:00:12Z")
    assert result.exit_code == 0
    assert "agent: started, version 0.1.0 (pid 4711)" in result.output
    assert "ONLINE -> DEGRADED" in result.output
    assert "OFFLINE" not in result.output
    assert "Outage" not in result.output


def test_the_document_tells_the_same(morning: Path) -> None:
    document = json.loads(run(morning, "replay", "--json").output)
    assert document["schema"] == 1
    assert document["outage"]["restarts"] == 2
    assert document["events"][0]["transitions"][0]["dest"] == "DEGRADED"
    assert document["events"][-1]["transitions"][-1]["dest"] == "ONLINE"


@pytest.mark.parametrize(
    ("instant", "link", "states"),
    [
        ("2026-11-23T10:00:02Z", "STARTING", ["UNKNOWN", "UNKNOWN"]),
        ("2026-11-23T10:00:13Z", "DEGRADED", ["READY", "READY"]),
        ("2026-11-23T10:03:25.05Z", "RECOVERING", ["RESTARTING", "RESTARTING"]),
        ("2026-11-23T10:03:26Z", "RECOVERING", ["VERIFYING", "VERIFYING"]),
        ("2027-01-01T00:00:00Z", "ONLINE", ["READY", "READY"]),
    ],
)
def test_the_state_at_an_instant_is_folded_from_the_journal(
    morning: Path, instant: str, link: str, states: list[str]
) -> None:
    document = json.loads(run(morning, "replay", "--at", instant, "--json").output)
    assert document["link"]["state"] == link
    assert [service["state"] for service in document["services"]] == states


def test_the_state_at_an_instant_reads_like_status(morning: Path) -> None:
    result = run(morning, "replay", "--at", "2026-11-23T10:03:25.05Z")
    assert result.exit_code == 0
    assert result.output.splitlines()[2].startswith("RECOVERING for 11 s")
    assert "frontend: restart requested 0 s ago, no answer yet" in result.output


def test_before_the_first_event_there_was_nothing(morning: Path) -> None:
    result = run(morning, "replay", "--at", "2020-01-01")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: nothing had been recorded at that time\n")


@pytest.mark.parametrize(
    ("events", "instant", "running"),
    [
        ([*start(0), stop(60), *start(120)], "10:00:30", True),
        ([*start(0), stop(60), *start(120)], "10:01:30", False),
        ([*start(0), *rounds(UP, 1, 2, 3), *start(120)], "10:01:30", False),
        ([*start(0), *rounds(UP, 1, 2, 3), *start(120)], "10:02:30", True),
    ],
    ids=["alive", "stopped", "killed", "alive-again"],
)
def test_whether_the_agent_lived_then_is_known(
    tmp_path: Path, events: list[AgentStopped], instant: str, running: bool
) -> None:
    remember(tmp_path, events)
    document = json.loads(run(tmp_path, "replay", "--at", f"2026-11-23T{instant}Z", "--json").output)
    assert document["agent"]["running"] is running


def test_a_journal_that_is_decided_the_same_again_is_verified(morning: Path) -> None:
    result = run(morning, "replay", "--verify")
    assert (result.exit_code, result.output) == (0, "22 events decided again: all as recorded.\n")


def test_a_verified_outage_is_told_all_the_same(morning: Path) -> None:
    assert run(morning, "replay", "latest", "--verify").output == run(morning, "replay", "latest").output


def forge(folder: Path, *, event: int, old: str, new: str, mend_chain: bool) -> None:
    """Change a step in the journal, behind the agent's back; with its hashes, where ``mend_chain``."""
    from connmon_agent.store.layout import EVENT_COLUMNS, EventRow

    with sqlite3.connect(folder / "connmon.db") as connection:
        connection.execute("DROP TRIGGER event_is_never_changed")
        connection.execute("UPDATE event SET step = replace(step, ?, ?) WHERE seq = ?", (old, new, event))
        rows = [EventRow(*row) for row in connection.execute(f"SELECT {EVENT_COLUMNS} FROM event ORDER BY seq")]
        before = rows[0].previous
        for row in rows if mend_chain else ():
            changed = row._replace(previous=before)
            before = changed.expected_hash()
            connection.execute(
                "UPDATE event SET previous = ?, hash = ? WHERE seq = ?", (changed.previous, before, row.seq)
            )
    connection.close()


def test_a_decision_that_is_taken_otherwise_now_ends_with_4_and_is_named(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    forge(tmp_path, event=10, old="fall_reached", new="rise_reached", mend_chain=True)
    result = run(tmp_path, "replay", "--verify")
    assert result.exit_code == 4
    assert result.stderr.startswith("Error: event 10 is decided otherwise now: transitions\n  recorded: ")
    assert result.stderr.endswith("\nRun `connmon-agent explain 10` to see all that is recorded of event 10.\n")
    assert "Event 10" in run(tmp_path, "explain", "10").output
    assert "rise_reached=True" in result.stderr.splitlines()[1]
    assert "fall_reached=True" in result.stderr.splitlines()[2]


def test_a_sentence_that_is_worded_otherwise_now_is_no_divergence(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    forge(tmp_path, event=10, old="3 bad rounds", new="9 bad rounds", mend_chain=True)
    assert run(tmp_path, "replay", "--verify").exit_code == 0


def test_an_event_that_was_changed_in_the_file_ends_with_4_and_is_named(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    forge(tmp_path, event=10, old="3 bad rounds", new="9 bad rounds", mend_chain=False)
    result = run(tmp_path, "replay", "--verify")
    assert result.exit_code == 4
    assert result.stderr.startswith("Error: event 10 is not as it was written")


def test_a_divergence_as_a_document(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    forge(tmp_path, event=10, old="fall_reached", new="rise_reached", mend_chain=True)
    result = run(tmp_path, "replay", "--verify", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 4
    assert (document["schema"], document["events"], document["broken"]) == (1, 22, None)
    assert (document["difference"]["seq"], document["difference"]["what"]) == (10, "transitions")


def test_a_chart_that_was_not_kept_cannot_be_verified(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    with sqlite3.connect(tmp_path / "connmon.db") as connection:
        connection.execute("DELETE FROM chart WHERE name = 'service'")
    connection.close()
    result = run(tmp_path, "replay", "--verify")
    assert result.exit_code == 1
    assert "the chart service" in result.stderr and "is not kept" in result.stderr


def test_a_journal_without_a_start_cannot_be_decided_again(tmp_path: Path) -> None:
    remember(tmp_path, [Ordered(at(0), Order.PAUSE, (), "root (pid 7)")])
    result = run(tmp_path, "replay", "--verify")
    assert result.exit_code == 1
    assert "the journal cannot be decided again: the journal does not begin with the start" in result.stderr


def test_without_an_outage_the_way_to_the_rest_is_told(tmp_path: Path) -> None:
    remember(tmp_path, start(0))
    assert run(tmp_path, "replay").output.startswith("No outage is recorded.")
    assert json.loads(run(tmp_path, "replay", "--json").output)["outage"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("replay", "7"), 1, "Error: no outage 7\nRun `connmon-agent history` to list outages.\n"),
        (("replay", "0"), 2, "'0' is neither the number of an outage nor 'latest'"),
        (("replay", "last"), 2, "'last' is neither the number of an outage nor 'latest'"),
        (("replay", "--at", "noon"), 2, "'noon' is not an RFC 3339 time"),
        (("replay", "1", "--since", "2h"), 2, "Use only one of OUTAGE"),
        (("history", "--csv", "--json"), 2, "Use either --json or --csv"),
    ],
)
def test_what_cannot_be_meant_is_refused(morning: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    result = run(morning, *arguments)
    assert result.exit_code == code
    assert words in result.stderr


@pytest.mark.parametrize("command", ["replay", "history"])
def test_where_no_agent_ever_ran_there_is_nothing_to_tell(tmp_path: Path, command: str) -> None:
    result = run(tmp_path, command)
    assert result.exit_code == 1
    assert f"{tmp_path / 'connmon.db'}" in result.stderr


def test_history_in_its_three_forms(morning: Path) -> None:
    text, document, table = (run(morning, "history", *form).output for form in ((), ("--json",), ("--csv",)))
    assert "recovered" in text.splitlines()[1]
    (outage,) = json.loads(document)["outages"]
    assert (outage["id"], outage["restarts"], outage["duration"]) == (1, 2, 211.0)
    (row,) = csv.DictReader(table.splitlines())
    assert (row["id"], row["duration"]) == ("1", "211.0")
