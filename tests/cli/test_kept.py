"""Commands on a journal whose oldest events were removed say so, and since when it is kept.

In ``memory-of-schema-6.sql`` the first 40 events of 75 were removed; the end of event 40 was at 12:07:46 UTC.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.fakes.statefiles import load_dump

from connmon_agent.cli import connmon_agent

DUMP = Path(__file__).parents[1] / "store/memory-of-schema-6.sql"
REMOVED = "were removed (journal.keep, journal.max_size)."


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TZ", "UTC")
    with closing(sqlite3.connect(tmp_path / "connmon.db", isolation_level=None)) as connection:
        load_dump(connection, DUMP)
    return tmp_path


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(connmon_agent, ["--state-dir", str(folder), *arguments])


def instant(folder: Path, seq: int) -> str:
    with closing(sqlite3.connect(folder / "connmon.db")) as connection:
        return str(
            connection.execute(
                "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', wall, 'unixepoch') FROM event WHERE seq = ?", (seq,)
            ).fetchone()[0]
        )


def test_verify_says_what_it_verified_and_from_when(folder: Path) -> None:
    first, second = run(folder, "replay", "--verify").output.splitlines()
    assert first == "35 events decided again: all as recorded."
    assert second.startswith("Events before ")
    assert second.endswith(REMOVED)
    document = json.loads(run(folder, "replay", "--verify", "--json").output)
    assert (document["events"], document["kept_after"]["seq"]) == (35, 40)


@pytest.mark.parametrize("seq", [1, 40])
def test_an_event_that_was_removed_is_not_explained(folder: Path, seq: int) -> None:
    result = run(folder, "explain", str(seq))
    assert result.exit_code == 1
    assert f"event {seq} was removed: the journal begins after event 40" in result.stderr
    assert "journal.keep" in result.stderr


@pytest.mark.parametrize("seq", [41, 60, 61, 75])
def test_every_event_that_is_kept_is_explained(folder: Path, seq: int) -> None:
    document = json.loads(run(folder, "explain", str(seq), "--json").output)
    assert document["seq"] == seq


def test_no_event_is_after_the_newest(folder: Path) -> None:
    assert "no event 76; there are 75 events" in run(folder, "explain", "76").stderr


def test_a_time_before_what_is_kept_is_refused_and_one_within_is_shown(folder: Path) -> None:
    result = run(folder, "replay", "--at", "2020-01-01")
    assert result.exit_code == 1
    assert "that time is before what is kept: the journal begins on " in result.stderr
    for seq in (40, 41, 59, 60, 61, 75):
        document = json.loads(run(folder, "replay", "--at", instant(folder, seq), "--json").output)
        assert document["agent"]["pid"] == 4711, "whose start is no longer kept"
        assert document["store"]["events"] >= seq - 1


def test_a_span_that_began_before_what_is_kept_says_so(folder: Path) -> None:
    assert run(folder, "replay", "--since", "2020-01-01").output.rstrip().endswith(REMOVED)
    assert json.loads(run(folder, "replay", "--since", "2020-01-01", "--json").output)["note"].endswith(REMOVED)
    within = instant(folder, 45)
    assert REMOVED not in run(folder, "replay", "--since", within).output
    assert json.loads(run(folder, "replay", "--since", within, "--json").output)["note"] is None


def test_the_history_says_that_older_outages_were_removed(folder: Path) -> None:
    assert run(folder, "history").output.rstrip().endswith(REMOVED)
    assert json.loads(run(folder, "history", "--json").output)["note"].endswith(REMOVED)


def test_status_counts_what_is_kept(folder: Path) -> None:
    assert json.loads(run(folder, "status", "--json").output)["store"]["events"] == 35


def test_the_doctor_names_the_checkpoint_that_was_damaged(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "connmon.db", isolation_level=None)) as connection:
        connection.execute("UPDATE checkpoint SET seal = hash WHERE seq = 40")
    output = run(folder, "doctor").output
    assert "state file" in output
    assert "the checkpoint after event 40 is not as it was written" in " ".join(output.split())
