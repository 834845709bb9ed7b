"""A report on a time that is kept is the same, whether the events before it were removed or not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.bench.journals import simulate_days, write_journal
from tests.fakes.hard_days import live_through_a_hard_day
from tests.fakes.reports import report_on
from tests.fakes.statefiles import tampered

from connmon_agent.reports.accounting import Report
from connmon_agent.reports.collecting import find_beginning
from connmon_agent.store import DATABASE_FILE, checkpoints
from connmon_agent.store.reading import Reader
from connmon_agent.store.report_reading import ReportReader


def live_some_hours(folder: Path) -> None:
    write_journal(folder / DATABASE_FILE, simulate_days(events=200))


def sums_of(report: Report) -> tuple[object, ...]:
    return report.sums, [(one.id, one.parts) for one in report.outages], report.plan, report.ends


@pytest.mark.parametrize("live", [live_some_hours, live_through_a_hard_day], ids=["some hours", "a hard day"])
def test_a_report_that_begins_where_the_journal_does_is_as_that_of_the_whole_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, live: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(checkpoints, "EVERY", 7)
    whole = tmp_path / "whole"
    whole.mkdir()
    live(whole)
    with Reader(whole / DATABASE_FILE) as reader:
        marks = reader.segments().marks[:-1]
        end = list(reader.recorded())[-1].at.wall
    assert len(marks) > 5
    for mark in marks:
        cut = tmp_path / str(mark.seq)
        shutil.copytree(whole, cut)
        with tampered(cut / DATABASE_FILE) as connection:
            connection.execute("INSERT INTO meta VALUES ('kept_after', ?)", (str(mark.seq),))
            connection.execute("DELETE FROM event WHERE seq < ?", (mark.seq,))
        with ReportReader(cut / DATABASE_FILE) as reader:
            assert find_beginning(reader) == mark.at.wall
        since = mark.at.wall + 0.001
        assert sums_of(report_on(cut, since, end)) == sums_of(report_on(whole, since, end)), mark
        shutil.rmtree(cut)
