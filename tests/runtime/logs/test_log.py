"""The log: one line a sentence, on stderr and in a file."""

from __future__ import annotations

import io
import json
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from tests.fakes.disks import FaultyDisk

from connmon_agent.core.timestamps import Timestamp
from connmon_agent.errors import ConnmonError
from connmon_agent.runtime.log_records import LogRecord, Mark
from connmon_agent.runtime.logs import log as logs
from connmon_agent.runtime.logs.log import MAIN_LOG, MEGABYTE, Log
from connmon_agent.runtime.logs.losses import Loss
from connmon_agent.runtime.logs.places import EARLIER_MAIN_LOG, LAUNCHER_ROOM, dated_name
from connmon_agent.settings import LoggingSettings
from connmon_agent.texts import LONGEST_RECORD

AT = Timestamp(1_000.0, 1_795_000_000.25)


@pytest.mark.parametrize(
    ("level", "told"),
    [("debug", ["debug", "info", "warning", "error"]), ("warning", ["warning", "error"]), ("error", ["error"])],
)
def test_what_is_below_the_level_is_not_told(level: str, told: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    say = Log(LoggingSettings(level=level))
    for each in ("debug", "info", "warning", "error"):
        say(LogRecord(AT, each, "link", "so it is"))
    assert [line.split()[2] for line in capsys.readouterr().err.splitlines()] == told


@pytest.mark.parametrize("text", ["100% of it, {braces} and %s", "two\nlines\r\nof an answer", "größe"])
def test_a_sentence_is_one_line_whatever_it_says(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Log(LoggingSettings())(LogRecord(AT, "info", "web", text))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].endswith(f"info     web: {' '.join(text.splitlines())}")


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_credential_and_no_command_for_the_terminal_is_logged(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = "Traceback\n  token=hunter2S3cr3t \x1b[2J\u202e\x00\nValueError: https://u:hunter2S3cr3t@h"
    Log(LoggingSettings(format=form))(LogRecord(AT, "error", "web", text))
    line = capsys.readouterr().err.rstrip("\n")
    assert line.isprintable()
    assert "hunter2S3cr3t" not in line and "https://***@h" in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_record_is_bounded(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    Log(LoggingSettings(format=form))(LogRecord(AT, "error", "agent", "x" * 3_000_000))
    line = capsys.readouterr().err
    assert len(line) < LONGEST_RECORD + 200
    assert "3000000 characters in all" in line


def test_a_line_of_json_tells_time_level_subject_and_text(capsys: pytest.CaptureFixture[str]) -> None:
    Log(LoggingSettings(format="json"))(LogRecord(AT, "warning", "link", "größe\n"))
    assert json.loads(capsys.readouterr().err) == {
        "time": "2026-11-18T11:06:40.250000+00:00",
        "level": "warning",
        "area": "link",
        "about": "link",
        "text": "größe",
        "kind": None,
        "event": None,
        "outage": None,
        "traceback": None,
    }


def test_a_folder_is_made_and_holds_the_same_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(Log(LoggingSettings(dir=tmp_path / "logs"), started=AT.wall)) as log:
        log(LogRecord(AT, "info", "link", "so it is"))
    assert (tmp_path / "logs" / dated_name(AT.wall)).read_bytes() == (tmp_path / "logs" / MAIN_LOG).read_bytes()
    assert (tmp_path / "logs" / MAIN_LOG).read_text(encoding="utf-8") == capsys.readouterr().err


def test_a_folder_that_cannot_be_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(ConnmonError, match="cannot be written") as caught:
        Log(LoggingSettings(dir=tmp_path / "logs"))
    assert "logging.dir" in (caught.value.hint or "")


def long_lines(log: Log, *, megabytes: int) -> None:
    """Decisions, which are neither counted instead of written nor limited."""
    for number in range(megabytes * 250):
        log(LogRecord(AT, "info", "link", "x" * 4000, mark=Mark("link-note", number)))


@pytest.mark.parametrize(
    ("files", "kept"), [(1, [MAIN_LOG]), (3, [MAIN_LOG, f"{MAIN_LOG}.1", f"{MAIN_LOG}.2"])], ids=["one", "three"]
)
def test_so_many_files_of_this_size_are_kept_at_most(tmp_path: Path, files: int, kept: list[str]) -> None:
    settings = LoggingSettings(dir=tmp_path, console=False, max_file_size=1, max_files=files)
    with closing(Log(settings, started=AT.wall)) as log:
        long_lines(log, megabytes=4)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([*kept, dated_name(AT.wall)])
    assert max(file.stat().st_size for file in tmp_path.iterdir()) <= MEGABYTE
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= MEGABYTE * (files + 1) - LAUNCHER_ROOM


def test_without_the_console_only_the_file_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(Log(LoggingSettings(dir=tmp_path, console=False))) as log:
        log(LogRecord(AT, "info", "link", "so it is"))
    assert "so it is" in (tmp_path / MAIN_LOG).read_text() and capsys.readouterr().err == ""


def test_other_settings_are_turned_to_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(LoggingSettings())
    with log.turning_to(log.prepare(LoggingSettings(dir=tmp_path, level="error", format="json", console=False))):
        log(LogRecord(AT, "info", "link", "as before"))
    log(LogRecord(AT, "info", "link", "not told"))
    log(LogRecord(AT, "error", "link", "as it is now"))
    log.close()
    assert capsys.readouterr().err.endswith("link: as before\n")
    assert json.loads((tmp_path / MAIN_LOG).read_text())["text"] == "as it is now"


def test_the_log_stays_as_it_is_where_the_rest_of_the_settings_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Log(LoggingSettings())
    with (
        pytest.raises(ConnmonError, match="state_dir"),
        log.turning_to(log.prepare(LoggingSettings(dir=tmp_path, console=False))),
    ):
        raise ConnmonError("state_dir cannot change")
    log(LogRecord(AT, "info", "link", "as before"))
    assert capsys.readouterr().err.endswith("link: as before\n")


def test_the_log_stays_as_it_is_where_the_new_folder_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("a file")
    log = Log(LoggingSettings())
    with (
        pytest.raises(ConnmonError, match="cannot be written"),
        log.turning_to(log.prepare(LoggingSettings(dir=tmp_path / "logs"))),
    ):
        raise AssertionError("it was entered")
    log(LogRecord(AT, "info", "link", "as before"))
    assert capsys.readouterr().err.endswith("link: as before\n")


class Blocked(io.StringIO):
    """A pipe that nobody reads, until ``reader`` does."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = threading.Event()
        self.asked = threading.Event()

    def write(self, text: str) -> int:
        self.asked.set()
        self.reader.wait()
        return super().write(text)


def test_a_log_that_nobody_reads_holds_up_neither_who_writes_nor_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Blocked()
    monkeypatch.setattr(sys, "stderr", pipe)
    monkeypatch.setattr(logs, "MOST_WAITING", 5)
    monkeypatch.setattr(logs, "FAREWELL", 0.01)
    log = Log(LoggingSettings(), beside=True)
    for number in range(20):
        log(LogRecord(AT, "info", "link", f"line {number}"))
    assert pipe.asked.wait(60.0)
    log.close()
    pipe.reader.set()


def test_lines_that_the_log_did_not_take_are_counted_and_the_others_keep_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipe = Blocked()
    monkeypatch.setattr(sys, "stderr", pipe)
    monkeypatch.setattr(logs, "MOST_WAITING", 5)
    monkeypatch.setattr(logs, "FAREWELL", 60.0)
    log = Log(LoggingSettings(), beside=True)
    for number in range(20):
        log(LogRecord(AT.plus(number), "info", "link", f"line {number}"))
    assert log.loss == Loss(15, "the terminal, the journal or the disk accepts no writes")
    pipe.reader.set()
    logs.wait(log._waiting)
    log(LogRecord(AT.plus(20), "info", "link", "the next one"))
    log.close()
    lines = pipe.getvalue().splitlines()
    assert [line.rpartition("link: ")[2] for line in lines] == [
        *(f"line {number}" for number in range(5)),
        "the next one (15 earlier lines were dropped because the log could not be written)",
    ]


# What an earlier version wrote.


def test_the_files_of_an_earlier_version_are_taken_over_once(tmp_path: Path) -> None:
    for number in ("", ".1", ".2"):
        (tmp_path / f"{EARLIER_MAIN_LOG}{number}").write_text(f"earlier{number}\n")
    (tmp_path / f"{EARLIER_MAIN_LOG}.old").write_text("somebody else's\n")
    with closing(Log(LoggingSettings(dir=tmp_path, console=False))) as log:
        log(LogRecord(AT, "info", "link", "so it is"))
    assert (tmp_path / MAIN_LOG).read_text().startswith("earlier\n")
    assert (tmp_path / f"{MAIN_LOG}.2").read_text() == "earlier.2\n"
    assert [path.name for path in tmp_path.glob(f"{EARLIER_MAIN_LOG}*")] == [f"{EARLIER_MAIN_LOG}.old"]


def test_what_has_not_said_anything_leaves_the_files_alone(tmp_path: Path) -> None:
    Log(LoggingSettings(dir=tmp_path, console=False)).close()  # as an agent that finds another one running
    assert list(tmp_path.iterdir()) == []


def test_after_dropped_lines_the_next_one_says_how_many(tmp_path: Path) -> None:
    disk = FaultyDisk()
    with closing(Log(LoggingSettings(dir=tmp_path, console=False), disk=disk)) as log:
        log(LogRecord(AT, "info", "link", "one"))
        disk.room = 0
        log(LogRecord(AT, "info", "link", "two"))
        log(LogRecord(AT, "info", "link", "three"))
        disk.room = None
        log(LogRecord(AT, "info", "link", "four"))
    lines = (tmp_path / MAIN_LOG).read_text().splitlines()
    assert [line.rpartition("link: ")[2] for line in lines] == [
        "one",
        "four (2 earlier lines could not be written)",
    ]
    assert log.loss.count == 2


# A level for a while.


def test_an_area_has_a_level_of_its_own_until_its_time_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(LoggingSettings())
    log.levels.set("probes", "debug", until=AT.steady + 600)
    log.levels.set("link", "error", until=AT.steady + 600)
    for second in (0, 599, 600):
        for about, area in (("link", "probes"), ("web", "cluster")):
            log(LogRecord(AT.plus(second), "debug", about, f"{area} {second}", area=area))
        log(LogRecord(AT.plus(second), "warning", "link", f"warning {second}"))
    told = [line.rpartition(": ")[2] for line in capsys.readouterr().err.splitlines()]
    assert told == ["probes 0", "probes 599", "warning 600"]
    assert [one for one in log.levels.show(AT.steady + 600) if one.left is not None] == []


def test_a_reload_sets_the_level_of_the_other_areas(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(LoggingSettings())
    log.levels.set("probes", "debug", until=AT.steady + 600)
    with log.turning_to(log.prepare(LoggingSettings(level="error"))):
        pass
    log(LogRecord(AT, "debug", "link", "of the probes", area="probes"))
    log(LogRecord(AT, "warning", "link", "of the link"))
    assert capsys.readouterr().err.splitlines()[0].endswith("of the probes")
    assert {one.area: one.level for one in log.levels.show(AT.steady)}["link"] == "error"
