"""`metrics`: the same metrics as the running agent serves, from the state file alone."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from tests.fakes.memories import live_through_an_outage

from connmon_agent import generated_files
from connmon_agent.cli import connmon_agent
from connmon_agent.replacing import replace_file

READABLE = 0o666 if sys.platform == "win32" else 0o644  # there a mode says only that it is not read-only


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(connmon_agent, ["--state-dir", str(folder), "metrics", *arguments])


def test_a_past_outage_is_shown_with_no_agent_running(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    result = run(tmp_path)
    assert result.exit_code == 0
    samples = {
        (one.name, *one.labels.values()): one.value for family in parse_text(result.stdout) for one in family.samples
    }
    assert samples["connmon_agent_running",] == 0
    assert samples["connmon_link_state", "UNKNOWN"] == 1
    assert samples["connmon_outages_total", "unreachable"] == 1
    assert samples["connmon_restarts_total", "grafana", "applied"] == 1
    assert samples["connmon_link_state_seconds_total", "OFFLINE"] == 180
    assert samples["connmon_probes_total", "tcp 192.0.2.1:443"] == 9  # one a round
    assert list(parse_open_metrics(run(tmp_path, "--openmetrics").stdout))


def test_where_no_agent_ever_ran_that_is_what_it_says(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 0
    assert "connmon_agent_running 0\n" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_collectors_file_is_exchanged_whole_and_everybody_may_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (state := tmp_path / "state").mkdir()
    (folder := tmp_path / "collector").mkdir()
    live_through_an_outage(state)
    seen: list[list[str]] = []

    def look(source: Path, target: Path) -> None:
        seen.append([file.name for file in folder.glob("*.prom")])
        assert source.read_text(encoding="utf-8").endswith("\n")
        replace_file(source, target)

    monkeypatch.setattr(generated_files, "replace_file", look)
    for _ in range(2):
        assert run(state, "--textfile", str(folder)).exit_code == 0
    (file,) = folder.iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("connmon.prom", READABLE)
    assert list(parse_text(file.read_text(encoding="utf-8")))
    assert seen == [[], ["connmon.prom"]]  # what is being written is nothing that the collector reads
    assert run(state, "--textfile", str(folder / "second.prom")).exit_code == 0
    assert {one.name for one in folder.iterdir()} == {"connmon.prom", "second.prom"}


def test_a_directory_that_is_not_there_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    result = run(tmp_path, "--textfile", str(tmp_path / "none"))
    assert result.exit_code == 1
    assert f"Error: cannot write {tmp_path / 'none' / 'connmon.prom'}: {os.strerror(errno.ENOENT)}\n" in result.stderr
    (tmp_path / "folder.prom").mkdir()
    assert run(tmp_path, "--textfile", str(tmp_path / "folder.prom")).exit_code == 1
    assert [one.name for one in tmp_path.iterdir()] == ["folder.prom"]
