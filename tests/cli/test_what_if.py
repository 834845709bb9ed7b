"""``replay --what-if``, ``--sweep`` and ``--inject`` as people and programs call them."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.fakes.memories import live_through_an_outage
from tests.fakes.recorded_lives import cuts, record_life
from tests.fakes.recorded_months import record_months
from tests.fakes.sites import plan_of
from tests.fakes.statefiles import tampered
from tests.fakes.wine import on_wine

from connmon_agent.cli import connmon_agent

SCHEMA = Path(__file__).parents[2] / "docs" / "what-if.schema.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two outages of the real agent, and a blip."""
    made = tmp_path_factory.mktemp("life")
    record_life(made, plan_of("web", "db"), cuts((100.0, 1.95), (120.0, 20.0), (300.0, 60.0), rest=120.0))
    return made


def call(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(connmon_agent, ["--state-dir", str(folder), "replay", *words])


def ask(folder: Path, *words: str) -> str:
    result = call(folder, *words)
    assert result.exit_code == 0, result.output
    return result.output


def ask_json(folder: Path, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(folder, *words, "--json"))
    return found


def digest(folder: Path) -> dict[str, str]:
    """Of everything but the index and the empty log that SQLite makes for a reader."""
    files = [file for file in folder.iterdir() if file.stat().st_size and file.suffix != ".db-shm"]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_without_a_setting_nothing_differs(folder: Path) -> None:
    told = ask(folder, "--what-if")
    assert "decided again with the recorded settings: 0 differences.\nEvery round is known since" in told
    assert ask_json(folder, "--what-if")["differences"] == 0
    assert ask(folder, "--what-if", "link.fall=3").splitlines()[0] == "What if link.fall = 3 (now 3)"


def test_a_decision_that_is_not_the_recorded_one_ends_with_4(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    with tampered(tmp_path / "connmon.db") as connection:
        connection.execute("DROP TRIGGER IF EXISTS event_update")
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute('UPDATE event SET step = replace(step, \'"dest":"OFFLINE"\', \'"dest":"ONLINE"\')')
    result = call(tmp_path, "--what-if")
    assert result.exit_code == 4
    assert "is decided otherwise with the settings that were recorded" in result.stderr


def test_an_answer_names_every_outage(folder: Path) -> None:
    told = ask(folder, "--what-if", "link.fall=2", "--what-if", "recovery.when=unhealthy")
    assert told.startswith("What if link.fall = 2 (now 3), recovery.when = unhealthy (now always)\n")
    assert "new outage" in told
    assert "Model as-recorded" in told
    found = ask_json(folder, "--what-if", "link.fall=2")
    assert [one["result"] for one in found["outages"]] == ["new", "changed", "changed"]
    assert [one["detection"] for one in found["outages"]] == ["exact"] * 3
    assert found["recorded"]["outages"] == 2
    assert found["what_if"]["outages"] == 3
    assert found["first_differing_restart"]["recorded"] is False


def test_the_model_decides_what_becomes_of_restarts_that_were_not_recorded(folder: Path) -> None:
    words = ("--what-if", "link.hold=11s", "--what-if", "recovery.ready_timeout=5s")
    gave_up = {
        model: ask_json(folder, *words, "--model", model)["what_if"]["gave_up"]
        for model in ("as-recorded", "ready-after-median", "never")
    }
    assert gave_up["as-recorded"] == gave_up["ready-after-median"] == 0
    assert gave_up["never"] > 0


def test_a_sweep_compares_and_suggests_and_changes_nothing(tmp_path: Path) -> None:
    record_months(tmp_path, days=2, interval=10.0)
    before = digest(tmp_path)
    words = ("--sweep", "link.fall=2..4,recovery.when=always|unhealthy")
    told = ask(tmp_path, *words)
    assert told.startswith("6 combinations of link.fall, recovery.when\n")
    assert "To try (fewest needless restarts" in told
    assert "  recovery: {when: unhealthy}" in told
    found = ask_json(tmp_path, *words)
    assert sum(one["current"] for one in found["combinations"]) == 1
    (suggested,) = [one for one in found["combinations"] if one["suggested"]]
    assert suggested["settings"]["recovery.when"] == "unhealthy"
    assert suggested["needless_restarts"] == 0
    assert digest(tmp_path) == before


@pytest.mark.skipif(on_wine(), reason="processes of Python's own have not been tried in Wine")
def test_a_sweep_in_two_processes_finds_the_same(folder: Path) -> None:
    words = ("--sweep", "link.fall=1..5,link.hold=0s..60s:10s")
    assert ask_json(folder, *words, "--processes", "2") == ask_json(folder, *words, "--processes", "1")


def test_a_rehearsal_tells_every_decision_and_writes_nothing(folder: Path) -> None:
    before = digest(folder)
    told = ask(folder, "--inject", "now+40s black-hole", "--inject", "restart web fails")
    assert told.startswith("Rehearsal: none of this has happened")
    for words in (
        "ONLINE -> DEGRADED",
        "DEGRADED -> OFFLINE",
        "OFFLINE -> RECOVERING",
        "db is restarting",
        "gave up: ",
    ):
        assert words in told
    assert digest(folder) == before
    found = ask_json(folder, "--inject", "now+40s no-carrier")
    assert found["note"].startswith("Rehearsal")
    assert {"link"} <= {one["instance"] for event in found["events"] for one in event["transitions"]}


def test_a_rehearsal_takes_other_settings(folder: Path) -> None:
    told = ask(folder, "--inject", "now+5s black-hole", "--what-if", "link.fall=100")
    assert "OFFLINE" not in told
    assert "OFFLINE" in ask(folder, "--inject", "now+5s black-hole")


@pytest.mark.parametrize("fault", ["no-carrier", "no-route", "gateway"])
def test_every_fault_that_takes_the_link_ends_in_an_outage(folder: Path, fault: str) -> None:
    told = ask(folder, "--inject", f"now+30s {fault}")
    assert "-> OFFLINE" in told
    assert "RECOVERING -> ONLINE" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--what-if", "link.fal=5"], "--what-if: link.fal: unknown key; did you mean link.fall?"),
        (["--what-if", "link.fall=x"], "--what-if: link.fall: must be a whole number (got x)"),
        (["--what-if", "link.fall"], "--what-if: link.fall: has no value; write link.fall=VALUE"),
        (["--what-if", "link.targets=1"], "link.targets: cannot be asked about"),
        (["--what-if", "link.quorum=9"], "link.quorum: must be at most 3, the number of targets with a vote"),
        (["--what-if", "link.fall=2", "--what-if", "link.fall=3"], "link.fall: is given more than once"),
        (["--sweep", "link.fall=6..2"], "link.fall: ends before it begins (got 6..2)"),
        (["--sweep", "link.hold=0s..60s"], "link.hold: has no step that can be used"),
        (["--sweep", "link.fall=1..9999"], "link.fall: is out of range"),
        (["--inject", "10:00 black-hole"], "is not TIME+DURATION FAULT"),
        (["--inject", "now+5m flood"], "is not TIME+DURATION FAULT"),
        (["--inject", "now+99d black-hole"], "99d is out of range: write 1s to 24h"),
        (["1", "--what-if", "link.fall=2"], "without OUTAGE"),
        (["--verify", "--what-if"], "without OUTAGE"),
        (["--sweep", "link.fall=2..3", "--what-if", "link.rise=2"], "Use --sweep without"),
        (["--what-if", "--format", "csv"], "no format but text and json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_question_is_told_as_one(folder: Path, words: list[str], told: str) -> None:
    result = call(folder, *words)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--inject", "2001-01-01T00:00:00Z+5m black-hole"], "is before the end of what is recorded"),
        (["--inject", "tomorrow+5m black-hole"], "'tomorrow' is no time"),
        (["--inject", "restart nope fails"], "there is no service nope"),
    ],
)
def test_a_rehearsal_that_cannot_be(folder: Path, words: list[str], told: str) -> None:
    result = call(folder, *words)
    assert result.exit_code == 1
    assert told in result.stderr


def test_without_a_record_there_is_no_answer(tmp_path: Path) -> None:
    for words in (["--what-if"], ["--sweep", "link.fall=2..3"], ["--inject", "now+5m black-hole"]):
        result = call(tmp_path, *words)
        assert result.exit_code == 1
        assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "words",
    [["--what-if", "link.fall=2"], ["--what-if"], ["--sweep", "link.fall=2..4"]],
    ids=" ".join,
)
def test_json_follows_its_schema(folder: Path, words: list[str]) -> None:
    jsonschema = pytest.importorskip("jsonschema") if sys.platform != "win32" else pytest.skip("Wine lacks a DLL")
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(ask_json(folder, *words))
