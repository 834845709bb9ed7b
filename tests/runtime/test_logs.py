"""The log: one line a sentence, on stderr and in a file."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from connmon_agent.core.moments import Moment
from connmon_agent.errors import ConnmonError
from connmon_agent.runtime.logs import FILE_NAME, open_log
from connmon_agent.runtime.sentences import Sentence
from connmon_agent.settings import LoggingSettings

AT = Moment(1_000.0, 1_795_000_000.25)


@pytest.mark.parametrize(
    ("level", "told"),
    [("debug", ["debug", "info", "warning", "error"]), ("warning", ["warning", "error"]), ("error", ["error"])],
)
def test_what_is_below_the_level_is_not_told(level: str, told: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    say = open_log(LoggingSettings(level=level))
    for each in ("debug", "info", "warning", "error"):
        say(Sentence(AT, each, "link", "so it is"))
    assert [line.split()[2] for line in capsys.readouterr().err.splitlines()] == told


@pytest.mark.parametrize("text", ["100% of it, {braces} and %s", "two\nlines\r\nof an answer", "größe"])
def test_a_sentence_is_one_line_whatever_it_says(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    open_log(LoggingSettings())(Sentence(AT, "info", "web", text))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].endswith(f"info     web: {' '.join(text.splitlines())}")


def test_a_line_of_json_tells_time_level_subject_and_text(capsys: pytest.CaptureFixture[str]) -> None:
    open_log(LoggingSettings(format="json"))(Sentence(AT, "warning", "link", "größe\n"))
    assert json.loads(capsys.readouterr().err) == {
        "time": "2026-11-18T11:06:40.250000+00:00",
        "level": "warning",
        "about": "link",
        "text": "größe\n",
    }


def test_a_folder_is_made_and_holds_the_same_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say = open_log(LoggingSettings(dir=tmp_path / "logs"))
    say(Sentence(AT, "info", "link", "so it is"))
    logging.shutdown()  # as at the end of the process
    assert (tmp_path / "logs" / FILE_NAME).read_text(encoding="utf-8") == capsys.readouterr().err


def test_a_folder_that_cannot_be_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(ConnmonError, match="cannot be written") as caught:
        open_log(LoggingSettings(dir=tmp_path / "logs"))
    assert "logging.dir" in (caught.value.hint or "")
