"""The sums: of each month in local time, at the edges of the period, and recomputed from the CSV by a stranger."""

from __future__ import annotations

import csv
import io
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.fakes.hard_days import live_through_a_hard_day
from tests.fakes.memories import live_through_an_outage
from tests.fakes.mornings import at
from tests.fakes.reports import outages_in_a_row, report_of, report_on

from connmon_agent.core.timestamps import Timestamp
from connmon_agent.reports.accounting import Part, Period, Report, Sums, find_offset_changes, split_by_month
from connmon_agent.reports.documents import json_document, write_csv
from connmon_agent.reports.texts import ENGLISH, GERMAN
from connmon_agent.reports.timeline import Kind, Span, Why
from connmon_agent.store.records import OutageRow

BERLIN = ZoneInfo("Europe/Berlin")


def wall(*date: int) -> float:
    return datetime(*date, tzinfo=BERLIN).timestamp()


def recompute(text: str) -> dict[str, int]:
    """The sums in milliseconds from nothing but the CSV."""
    lines = list(csv.DictReader(io.StringIO(text)))

    def total(record: str) -> int:
        return sum(round(float(line["seconds"]) * 1000) for line in lines if line["record"] == record)

    return {
        "down": total("outage"),
        "gap": total("gap"),
        "up": total("period") - total("outage") - total("gap"),
        "outages": len({line["outage"] for line in lines if line["record"] == "outage"}),
    }


def sums_of(report: Report) -> dict[str, int]:
    return {
        "down": report.sums.down,
        "gap": report.sums.gap,
        "up": report.sums.up,
        "outages": len(report.outages),
    }


@pytest.mark.parametrize(("since", "until"), [(0, 20_000), (-500, 9120), (150, 9000), (204, 230), (5000, 6000)])
def test_the_sums_can_be_recomputed_from_the_csv(tmp_path: Path, since: float, until: float) -> None:
    live_through_a_hard_day(tmp_path)
    report = report_on(tmp_path, at(since).wall, at(until).wall)
    assert recompute(write_csv(ENGLISH, report)) == sums_of(report)
    assert report.sums.total == round((until - since) * 1000)
    document = json_document(GERMAN, report)
    assert sum(outage["downtime"] for outage in document["outages"]) == pytest.approx(document["summary"]["downtime"])
    assert sum(gap["seconds"] for gap in document["gaps"]) == pytest.approx(document["summary"]["gaps"])


def test_odd_fractions_of_a_second_add_up_too() -> None:
    rng = random.Random(7)
    spans, rows, now = [], [], Timestamp(1000.0, wall(2026, 3, 1))
    for number in range(1, 300):
        for kind in rng.sample((Kind.UP, Kind.DEGRADED, Kind.DOWN, Kind.GAP), 4):
            after = now.plus(rng.random() * 9000)
            why, outage = (Why.SUSPENDED if kind is Kind.GAP else None), (number if kind is Kind.DOWN else None)
            spans.append(Span(kind, now, after, outage, why))
            now = after
        rows.append(OutageRow(number, now, now, now, "dns", False, 0, 0, "recovered"))
    report = report_of(spans, rows, Period(wall(2026, 3, 1) + 77.7, now.wall - 33.3, BERLIN, "Europe/Berlin"))
    assert recompute(write_csv(ENGLISH, report)) == sums_of(report)
    assert len(report.months) == 2
    together = [sum(column) for column in zip(*report.months.values(), strict=True)]
    assert Sums(*together) == report.sums
    assert sum(ms for _, _, ms in report.causes()) == report.sums.down


def test_a_month_begins_at_midnight_of_its_own_local_time() -> None:
    start = datetime(2026, 2, 28, 22, 30, tzinfo=UTC).timestamp()
    parts = list(split_by_month(Part(start, start + 3600, 3_600_000), BERLIN))
    assert parts == [((2026, 2), 1_800_000), ((2026, 3), 1_800_000)]
    assert list(split_by_month(Part(start, start + 3600, 3_600_000), UTC)) == [((2026, 2), 3_600_000)]


def test_the_month_in_which_clocks_change_has_an_hour_more_or_less() -> None:
    start, end = wall(2026, 3, 1), wall(2026, 11, 1)
    hours = dict(split_by_month(Part(start, end, round((end - start) * 1000)), BERLIN))
    assert hours[2026, 3] == (31 * 24 - 1) * 3_600_000
    assert hours[2026, 10] == (31 * 24 + 1) * 3_600_000


def test_each_change_of_the_offset_is_found_to_the_second() -> None:
    changes = find_offset_changes(Period(wall(2026, 1, 1), wall(2027, 1, 1), BERLIN, "Europe/Berlin"))
    assert changes == [
        (datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp(), 3600, 7200),
        (datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp(), 7200, 3600),
    ]
    assert find_offset_changes(Period(wall(2026, 1, 1), wall(2027, 1, 1), UTC, "UTC")) == []


def test_an_outage_that_is_open_at_both_edges_is_reported_with_what_lies_in_the_period(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)  # from second 12 to 194
    report = report_on(tmp_path, at(20).wall, at(100).wall)
    (outage,) = report.outages
    assert (outage.began_before, outage.ongoing, outage.down_ms) == (True, False, 80_000)
    assert (outage.started, outage.ended) == (at(12), at(194))
    assert report.sums.availability == 0.0
    assert [month.outages for month in report.months.values()] == [0], "it began before"


def test_an_outage_that_goes_on_has_no_end(tmp_path: Path) -> None:
    spans = [Span(Kind.UP, at(0), at(10)), Span(Kind.DOWN, at(10), at(30), outage=1)]
    row = OutageRow(1, at(10), None, None, "unreachable", False, 0, 0, "offline")
    (outage,) = report_of(spans, [row], Period(at(0).wall, at(30).wall, UTC, "UTC")).outages
    assert (outage.ended, outage.ongoing, outage.down_ms) == (None, True, 20_000)
    spans.append(Span(Kind.GAP, at(30), at(90), why=Why.NOT_RUNNING))
    (outage,) = report_of(spans, [row], Period(at(0).wall, at(90).wall, UTC, "UTC")).outages
    assert (outage.ended, outage.ongoing, outage.down_ms) == (None, False, 20_000)


def test_before_the_first_record_nothing_was_monitored(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    report = report_on(tmp_path, at(-1000).wall, at(0).wall + 200)
    assert report.gaps[0] == (Part(at(-1000).wall, at(0).wall, 1_000_000), Why.NO_RECORD)
    nothing = report_on(tmp_path, at(-1000).wall, at(-500).wall)
    assert (nothing.sums.availability, nothing.sums.gap, nothing.ends) == (None, 500_000, None)


def test_the_state_of_the_line_before_an_outage_is_from_the_round_log(tmp_path: Path) -> None:
    live_through_a_hard_day(tmp_path)
    report = report_on(tmp_path, at(0).wall, at(20_000).wall)
    before = report.before[1]
    assert before.rounds == 8, "those before the first bad round"
    assert before.loss == pytest.approx(2 / 8)
    assert before.median_ms == pytest.approx(11.0, rel=0.05)


def test_without_a_round_log_it_is_not_recorded() -> None:
    spans, rows = outages_in_a_row(3, start=wall(2026, 5, 1), every=600, long=60)
    until = wall(2026, 5, 1) + timedelta(hours=1).total_seconds()
    document = json_document(ENGLISH, report_of(spans, rows, Period(wall(2026, 5, 1), until, UTC, "UTC")))
    assert [outage["before"] for outage in document["outages"]] == [None] * 3


def test_availability_is_never_rounded_up_to_all_of_the_time() -> None:
    document = Sums(up=10**12, down=1)
    assert document.availability is not None
    assert document.availability < 1
