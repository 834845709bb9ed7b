"""`history --rounds`: what the probes found, over a state file of the real engine and the real journal."""

from __future__ import annotations

import csv
import json
from datetime import UTC
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.fakes.memories import live_through_an_outage
from tests.fakes.mornings import at

from connmon_agent.cli import connmon_agent
from connmon_agent.cli.rendering import round_tables
from connmon_agent.core.observations import Failure, ProbeResult
from connmon_agent.store.round_blocks import RecordedRound

MORNING = ("--since", "2026-11-23T10:00:00Z", "--until", "2026-11-23T10:10:00Z")


def history(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(connmon_agent, ["--state-dir", str(folder), "history", *arguments])


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("morning")
    live_through_an_outage(folder)
    return folder


def test_a_line_says_how_many_answered_and_who_did_not(morning: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connmon_agent.cli.screens.width_of_output", lambda: 100)
    result = history(morning, "--rounds", *MORNING)
    assert result.exit_code == 0
    head, *lines = result.output.splitlines()
    assert head.split() == ["TIME", "ANSWERED", "MEDIAN", "NO", "ANSWER"]
    assert len(lines) == 9
    assert lines[0].split()[2:] == ["2/2", "10", "ms", "-"]
    assert lines[3].split()[2:] == ["0/2", "-", "tcp", "192.0.2.1:443,", "dns", "192.0.2.2"]
    assert max(map(len, result.output.splitlines())) <= 100


@pytest.mark.parametrize("at_once", [1, 2, 9, 10, 500])
def test_nothing_is_lost_where_columns_begin_anew(morning: Path, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(round_tables, "AT_ONCE", at_once)
    lines = history(morning, "--rounds", *MORNING).output.splitlines()
    assert [line.split()[2].partition("/")[0] for line in lines[1:]] == ["2", "2", "2", "0", "0", "0", "2", "2", "2"]


def test_the_document_names_every_probe(morning: Path) -> None:
    document = json.loads(history(morning, "--rounds", "--json", *MORNING).output)
    assert document["schema"] == 1
    assert len(document["rounds"]) == 9
    assert document["rounds"][0]["at"] == "2026-11-23T10:00:01.000000+00:00"
    assert document["rounds"][0]["probes"][0].keys() >= {"target", "kind", "ok", "latency_ms", "failure", "attempts"}
    assert [probe["ok"] for probe in document["rounds"][3]["probes"]] == [False, False]


def test_csv_has_a_line_a_probe(morning: Path) -> None:
    lines = list(csv.DictReader(history(morning, "--rounds", "--csv", *MORNING).output.splitlines()))
    assert len(lines) == 18
    assert lines[0]["target"] == "tcp 192.0.2.1:443"
    assert [line["ok"] for line in lines[4:8]] == ["True", "True", "False", "False"]


def test_how_a_target_failed_stands_behind_its_name() -> None:
    results = (ProbeResult("dns 192.0.2.2", "dns", False, failure=Failure.SERVFAIL), ProbeResult("x", "tcp", True))
    (_, line) = round_tables.render_rounds([RecordedRound(at(0), results)], width=100, zone=UTC)
    assert line.split() == ["2026-11-23", "10:00:00", "1/2", "-", "dns", "192.0.2.2", "(servfail)"]


def test_without_a_time_the_last_hour_is_listed(morning: Path) -> None:
    assert history(morning, "--rounds").output == "No rounds recorded in this period.\n"
    until = history(morning, "--rounds", "--until", "2026-11-23T10:59:00Z").output.splitlines()
    assert len(until) == 10
    assert history(morning, "--rounds", "--until", "2026-11-23T11:59:00Z").output.startswith("No round")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "1h"), "--since and --until need --rounds. For events: connmon-agent replay --since T"),
        (("--rounds", "--json", "--csv"), "Use either --json or --csv"),
        (("--rounds", "--since", "yesterday"), "is not an RFC 3339 time"),
    ],
)
def test_what_cannot_be_meant_is_refused(morning: Path, arguments: tuple[str, ...], words: str) -> None:
    result = history(morning, *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())
