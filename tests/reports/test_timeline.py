"""The recorded history as intervals: nothing missing, nothing twice, and what counts as what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.fakes.charts import real_charts
from tests.fakes.hard_days import DOWN, UP, live_through_a_hard_day
from tests.fakes.memories import HEALTHY, PLAN, SERVICES, remember, rounds, start
from tests.fakes.mornings import at

from connmon_agent.cli.decisions import refold_journal
from connmon_agent.core.events import (
    AgentStarted,
    AgentStopped,
    Configured,
    Event,
    Inspected,
    MonitoringGapEnded,
    TimerDue,
)
from connmon_agent.core.observations import Failure, ProbeResult
from connmon_agent.core.plan import AfterGap
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.reports.timeline import Kind, Span, Timeline, Why, _Builder, read_timeline
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.report_reading import ReportReader

BROKEN = tuple(ProbeResult(one.name, one.kind, ok=False, failure=Failure.BROKEN) for one in UP)


def timeline_of(folder: Path, *, until: float = 20_000) -> Timeline:
    with ReportReader(folder / DATABASE_FILE) as reader:
        rows = {row.id: row for row in reader.outages()}
        return read_timeline(reader, rows, until=at(until).wall)


def lived(folder: Path, *events: Event | Iterable[Event], until: float = 20_000) -> list[tuple[str, float, float]]:
    """What the intervals are, each with its beginning and end in seconds after ten o'clock."""
    told = list(_flat([*start(0), *events]))
    shown = []
    for sparing in (False, True):
        (folder / str(sparing)).mkdir()
        remember(folder / str(sparing), told, sparing=sparing)
        shown.append([tell(span) for span in timeline_of(folder / str(sparing), until=until).spans])
    assert shown[0] == shown[1], "with and without an event for each round that only counts"
    return shown[1]


def _flat(events: Iterable[Event | Iterable[Event]]) -> Iterator[Event]:
    for one in events:
        if isinstance(one, Iterable):
            yield from one
        else:
            yield one


def tell(span: Span) -> tuple[str, float, float]:
    begun, ended = (round(one.steady - at(0).steady, 3) for one in (span.start, span.end))
    return str(span.why or span.kind), begun, ended


def again(seconds: float, *, heartbeat: float | None, pid: int = 4800, boot: str = "boot-1") -> Event:
    charts = {name: chart.sha256 for name, chart in real_charts().items()}
    since = None if heartbeat is None else at(heartbeat)
    return AgentStarted(at(seconds), pid, "0.1.0", boot, charts, since)


def test_an_outage_begins_with_its_first_bad_round_and_ends_with_the_verdict_that_the_link_is_back(
    tmp_path: Path,
) -> None:
    shown = lived(tmp_path, rounds(UP, 1, 2, 3), rounds(DOWN, 12, 13, 14), rounds(UP, 192, 193, 194), until=196)
    assert shown == [("no-verdict", 0, 3), ("up", 3, 12), ("down", 12, 194), ("up", 194, 196)]


def test_a_relapse_is_the_same_outage_and_the_time_in_between_is_uptime(tmp_path: Path) -> None:
    live = (
        rounds(UP, 1, 2, 3),
        rounds(DOWN, 12, 13, 14),
        rounds(UP, 20, 21, 22),
        rounds(DOWN, 25),
        rounds(UP, 30, 31, 32),
    )
    assert lived(tmp_path, *live, until=33)[1:] == [
        ("up", 3, 12), ("down", 12, 22), ("up", 22, 25), ("down", 25, 32), ("up", 32, 33),
    ]  # fmt: skip
    assert {span.outage for span in timeline_of(tmp_path / "True").spans if span.kind is Kind.DOWN} == {1}


def test_a_relapse_after_the_hold_begins_with_its_first_bad_round(tmp_path: Path) -> None:
    begun = (rounds(UP, 1, 2, 3), (Inspected(at(4), name, HEALTHY) for name in SERVICES), rounds(DOWN, 12, 13, 14))
    live = (*begun, rounds(UP, 20, 21, 22), TimerDue(at(33), "hold"), rounds(DOWN, 40, 41, 42), rounds(UP, 50, 51, 52))
    remember(tmp_path, _flat([*start(0), *live]), sparing=True)
    down = [tell(span) for span in timeline_of(tmp_path).spans if span.kind is Kind.DOWN]
    assert down == [("down", 12, 22), ("down", 40, 52)]


def test_a_monitoring_gap_in_an_outage_is_no_downtime(tmp_path: Path) -> None:
    live = (
        rounds(UP, 1, 2, 3),
        rounds(DOWN, 12, 13, 14),
        MonitoringGapEnded(at(60), at(20), "the machine slept for 40 s"),
    )
    assert lived(tmp_path, *live, rounds(UP, 61, 62, 63), until=64)[2:] == [
        ("down", 12, 20), ("suspended", 20, 60), ("down", 60, 63), ("up", 63, 64),
    ]  # fmt: skip


def test_a_killed_agent_is_a_gap_from_its_last_sign_of_life(tmp_path: Path) -> None:
    shown = lived(tmp_path, rounds(UP, 1, 2, 3), again(60, heartbeat=20), rounds(UP, 61, 62, 63), until=64)
    assert shown == [("no-verdict", 0, 3), ("up", 3, 20), ("not-running", 20, 60), ("degraded", 60, 63), ("up", 63, 64)]


def test_a_restart_that_takes_no_longer_than_rounds_are_apart_is_no_gap(tmp_path: Path) -> None:
    shown = lived(tmp_path, rounds(UP, 1, 2, 3), AgentStopped(at(9), "SIGTERM"), again(12, heartbeat=9), rounds(UP, 13))
    assert shown[1][:2] == ("up", 3)
    assert shown[1][2] >= 12


def test_after_a_reboot_there_is_a_gap_however_short_the_clock_says_it_was(tmp_path: Path) -> None:
    live = (rounds(UP, 1, 2, 3), again(12, heartbeat=9, boot="boot-2"), rounds(UP, 13, 14, 15))
    assert ("machine-restarted", 9, 12) in lived(tmp_path, *live)


def test_an_older_agent_that_did_not_tell_its_last_sign_of_life_was_there_up_to_its_last_event(tmp_path: Path) -> None:
    live = (rounds(UP, 1, 2, 3), AgentStopped(at(30), "SIGTERM"), again(90, heartbeat=None), rounds(UP, 91))
    assert ("not-running", 30, 90) in lived(tmp_path, *live)


def test_where_the_record_ends_a_gap_begins(tmp_path: Path) -> None:
    assert lived(tmp_path, rounds(UP, 1, 2, 3), until=500)[-1] == ("not-running", 3, 500)
    stopped = AgentStopped(at(4), "SIGTERM")
    (tmp_path / "stopped").mkdir()
    assert lived(tmp_path / "stopped", rounds(UP, 1, 2, 3), stopped, until=6)[-1] == ("not-running", 4, 6)


def test_where_no_target_can_be_probed_there_is_no_verdict(tmp_path: Path) -> None:
    live = (rounds(UP, 1, 2, 3), rounds(BROKEN, 10, 11, 12), rounds(UP, 20, 21, 22))
    assert lived(tmp_path, *live, until=23)[1:] == [("up", 3, 12), ("no-verdict", 12, 22), ("up", 22, 23)]


@pytest.mark.parametrize("down", [True, False])
def test_an_outage_that_a_gap_is_taken_for_is_down_only_from_its_first_bad_round(tmp_path: Path, down: bool) -> None:
    plan = replace(PLAN, link=replace(PLAN.link, after_gap=AfterGap.RESTART))
    monitoring_gap = MonitoringGapEnded(at(60), at(20), "the machine slept for 40 s")
    after = rounds(DOWN, 61, 62) if down else rounds(UP, 61, 62)
    live = (
        Configured(at(0), plan, start(0)[0].charts),
        rounds(UP, 1, 2, 3),
        monitoring_gap,
        after,
        rounds(UP, 70, 71, 72),
    )
    shown = lived(tmp_path, *live, until=75)
    assert ("suspended", 20, 60) in shown
    assert [one for one in shown if one[0] == "down"] == ([("down", 61, 72)] if down else [])


def test_a_clock_that_was_set_makes_no_interval_longer(tmp_path: Path) -> None:
    now = Timestamp(at(100).steady, at(100 + 3600).wall)
    live = (rounds(UP, 1, 2, 3), MonitoringGapEnded(now, at(100), "the clock was set forward by 1 h"))
    remember(tmp_path, _flat([*start(0), *live]))
    found = timeline_of(tmp_path, until=3705)
    assert [step.seconds for step in found.steps] == [3600]
    assert sum(span.seconds for span in found.spans) == pytest.approx(105)
    assert [span.end.wall - span.start.wall for span in found.spans] == pytest.approx([s.seconds for s in found.spans])


def test_over_a_hard_day_nothing_is_missing_or_twice_and_the_gaps_are_those_of_the_counters(tmp_path: Path) -> None:
    live_through_a_hard_day(tmp_path)
    spans = timeline_of(tmp_path).spans
    assert all(before.end.steady == after.start.steady for before, after in pairwise(spans))
    assert all(span.seconds > 0 for span in spans)
    assert (spans[0].start, spans[-1].end) == (at(0), at(20_000))
    recorded = {Why.NOT_RUNNING, Why.SUSPENDED, Why.REBOOTED}
    gaps = sum(span.seconds for span in spans[:-1] if span.why in recorded)
    with ReportReader(tmp_path / DATABASE_FILE) as reader:
        assert gaps == pytest.approx(reader.counters()[0].monitoring_gap)
        (outage, _) = reader.outages()
        assert outage.back is not None
    down = [span for span in spans if span.kind is Kind.DOWN]
    assert (down[0].start, down[-1].end) == (outage.started, outage.back)


def test_a_journal_that_begins_in_the_middle_tells_the_same_of_the_rest(tmp_path: Path) -> None:
    """As after a checkpoint, whatever the event at which the oldest part was cut off."""
    live_through_a_hard_day(tmp_path)
    whole = timeline_of(tmp_path)
    with ReportReader(tmp_path / DATABASE_FILE) as reader:
        outages = {row.id: row for row in reader.outages()}
        steps = list(refold_journal(reader, reader.recorded()))
        for row, world in steps:
            rest = _Builder(outages, reader.instant_before)
            rest.begin(row.at, world, None)
            for decisive in reader.decisive():
                if decisive.seq > row.seq:
                    rest.add(decisive)
            rest.finish(reader.agent(), reader.world(), at(20_000).wall)
            assert _after(row.at, rest.timeline) == _after(row.at, whole), row.seq


def _after(at: Timestamp, timeline: Timeline) -> list[tuple[Kind, Timestamp, Timestamp, int | None]]:
    """The intervals from then on. Why there is a gap is not known where it began before."""
    spans = [span for span in timeline.spans if span.end.steady > at.steady]
    return [(span.kind, max(span.start, at), span.end, span.outage) for span in spans]
