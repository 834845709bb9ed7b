"""The launcher's log: a line a step, bounded, and never in the way of a start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from connmon_agent.runtime.logs import LAUNCHER_LOG, LauncherLog, dated_name, log_folder
from connmon_agent.settings import LoggingSettings


def launcher(folder: Path, *, largest: int = 64 * 1024) -> LauncherLog:
    return LauncherLog(folder, pid=17, now=lambda: 1_795_000_000.25, largest=largest)


def test_each_step_is_a_line_with_time_and_process(tmp_path: Path) -> None:
    log = launcher(tmp_path / "logs")
    log("start --mode background: the agent has pid 4711")
    log("two\nlines, password=hunter2")
    first, second = (tmp_path / "logs" / LAUNCHER_LOG).read_text().splitlines()
    assert first.endswith(" launcher[17]: start --mode background: the agent has pid 4711")
    assert second.endswith(" launcher[17]: two lines, password=***")


def test_two_files_of_the_size_are_kept_at_most(tmp_path: Path) -> None:
    log = launcher(tmp_path, largest=1000)
    for number in range(200):
        log(f"step {number}")
    assert sorted(file.name for file in tmp_path.iterdir()) == [LAUNCHER_LOG, f"{LAUNCHER_LOG}.1"]
    assert all(file.stat().st_size <= 1000 for file in tmp_path.iterdir())
    assert "step 199" in (tmp_path / LAUNCHER_LOG).read_text()


def test_a_launcher_goes_on_without_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    launcher(tmp_path / "file" / "logs")("a step")
    (tmp_path / "taken" / LAUNCHER_LOG).mkdir(parents=True)
    launcher(tmp_path / "taken")("a step")


@pytest.mark.linux_alone(reason="pipes in a folder")
def test_a_launcher_is_not_held_up_by_a_pipe_in_the_place_of_its_log(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / LAUNCHER_LOG)
    launcher(tmp_path)("a step")  # a pipe without a reader would hold it up for ever


LOGS = {"LOGS_DIRECTORY": "/var/log/c"}
INHERITED = {"JOURNAL_STREAM": "8:1"}  # as a terminal of a desktop has it


@pytest.mark.parametrize(
    ("directory", "mode", "environment", "journaled", "expected"),
    [
        (Path("/logs"), "foreground", {}, False, Path("/logs")),
        (Path("/logs"), "service", LOGS, True, Path("/logs")),
        (None, "foreground", {}, False, None),
        (None, "Background", {}, False, Path("/state/logs")),
        (None, "background", INHERITED, True, Path("/state/logs")),
        (None, "task", {}, False, Path("/state/logs")),
        (None, "service", {}, False, Path("/state/logs")),
        (None, "service", INHERITED, None, Path("/state/logs")),
        (None, "service", {}, True, None),
        (None, "service", LOGS, True, Path("/var/log/c")),
    ],
)
def test_the_folder_follows_from_the_configuration_and_the_mode(
    directory: Path | None, mode: str, environment: dict[str, str], journaled: bool | None, expected: Path | None
) -> None:
    settings = LoggingSettings(dir=directory)
    found = log_folder(settings, Path("/state"), mode=mode, environment=environment, journaled=journaled)
    assert found == expected


def test_the_log_of_a_run_has_its_beginning_in_its_name() -> None:
    name = dated_name(1_795_000_000.25)
    assert name.startswith("connection_monitor_20261118_") and name.endswith("640.log")
