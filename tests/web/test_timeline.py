"""The timeline of what the real engine decided: nothing at an edge is lost, and no gap is anything else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.bench.long_years import write_long_year
from tests.fakes.memories import DOWN, UP, live_through_an_outage, remember, rounds, start, stop
from tests.fakes.mornings import at

from connmon_agent.core.events import AgentStarted, Event
from connmon_agent.http_server import Refusal
from connmon_agent.presence import AgentLock
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader
from connmon_agent.web import timeline
from connmon_agent.web.answers import encode
from connmon_agent.web.timeline import TimelineView

Json = dict[str, Any]
START = at(0).wall


def draw(folder: Path, since: float, until: float, *, now: float, buckets: int | None = None) -> Json:
    """The timeline between two times in seconds after the morning's start, as a browser decodes it."""
    view = TimelineView(folder / DATABASE_FILE)
    wish = view.wish(START + since, START + until, buckets)
    found: Json = msgspec.json.decode(encode(view.make(wish, START + now)))
    return found


def track(document: Json, kind: str, name: str) -> Json:
    (found,) = [one for one in document["tracks"] if (one["kind"], one["name"]) == (kind, name)]
    return dict(found)


def link(document: Json) -> list[tuple[float, float, str]]:
    return spans(track(document, "link", "link"))


def spans(found: Json) -> list[tuple[float, float, str]]:
    return [(span[0], span[1], found["states"][span[2]]) for span in found["spans"]]


def test_a_morning_is_told_track_by_track(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    document = draw(tmp_path, -10, 300, now=224, buckets=310)
    assert link(document) == [
        (0, 10, "NO_RECORD"),
        (10, 13, "STARTING"),
        (13, 22, "ONLINE"),
        (22, 24, "DEGRADED"),
        (24, 204, "OFFLINE"),
        (204, 233, "RECOVERING"),
        (233, 234, "GAP"),  # no agent runs any more
        (234, 310, "NO_RECORD"),
    ]
    assert spans(track(document, "service", "frontend"))[-1] == (234, 310, "NO_RECORD")  # that is still to come
    assert {state for _, _, state in spans(track(document, "service", "frontend"))} >= {"READY", "WAITING", "VERIFYING"}
    marks = track(document, "attempts", "attempts")["marks"]
    assert [(mark[0], mark[2], mark[3]) for mark in marks] == [(215.0, 2, 0)]
    assert document["outages"]["count"] == 1
    with Reader(tmp_path / DATABASE_FILE) as reader:
        names = {row.seq: type(row.event).__name__ for row in reader.recorded()}
    assert names[track(document, "link", "link")["spans"][4][3]] == "RoundFinished"


@pytest.mark.parametrize(
    ("since", "until", "wanted"),
    [
        (50, 150, [(0, 100, "OFFLINE")]),
        (
            -100,
            50,
            [
                (0, 100, "NO_RECORD"),
                (100, 103, "STARTING"),
                (103, 112, "ONLINE"),
                (112, 114, "DEGRADED"),
                (114, 150, "OFFLINE"),
            ],
        ),
        (150, 200, [(0, 44, "OFFLINE"), (44, 50, "RECOVERING")]),
    ],
)
def test_an_outage_that_is_open_at_an_edge_is_there(
    tmp_path: Path, since: float, until: float, wanted: list[tuple[float, float, str]]
) -> None:
    live_through_an_outage(tmp_path)
    document = draw(tmp_path, since, until, now=224, buckets=1000)
    assert link(document) == wanted
    (outage,) = document["outages"]["spans"]
    assert outage[0] == 1 and outage[1] == pytest.approx(12 - since, abs=2.1)


def a_day_with_gaps() -> Iterable[Event]:
    yield from start(0)
    yield from rounds(UP, 1, 2, 3)
    yield stop(100)
    charts = next(event.charts for event in start(0) if isinstance(event, AgentStarted))
    yield AgentStarted(at(400), 4712, "0.1.0", "boot-1", charts, at(100))
    yield from rounds(UP, 401, 402, 403)
    yield from rounds(DOWN, 500, 501, 502)


def test_a_time_without_an_agent_is_a_gap_and_never_online(tmp_path: Path) -> None:
    remember(tmp_path, a_day_with_gaps())
    document = draw(tmp_path, 0, 1000, now=2000, buckets=1000)
    assert (100, 400, "GAP") in link(document)
    assert link(document)[-1] == (502, 1000, "GAP")  # it is dead since
    assert [state for start, end, state in link(document) if start < 400 and end > 100] == ["GAP"]


def test_beside_a_live_agent_the_newest_state_goes_on(tmp_path: Path) -> None:
    remember(tmp_path, [*start(0), *rounds(UP, 1, 2, 3)])
    with AgentLock(tmp_path):
        document = draw(tmp_path, 0, 20, now=5, buckets=1000)
        later = draw(tmp_path, 0, 1000, now=900, buckets=1000)
    assert link(document)[-2:] == [(3, 5, "ONLINE"), (5, 20, "NO_RECORD")]
    assert link(later)[-2:] == [(3, 900, "GAP"), (900, 1000, "NO_RECORD")]  # it has been silent for too long


def test_before_any_agent_nothing_is_recorded(tmp_path: Path) -> None:
    document = draw(tmp_path, 0, 100, now=100)
    assert link(document) == [(0, 100, "NO_RECORD")]
    assert (document["seq"], document["kept_since"], document["outages"]) == (0, None, {"count": 0, "spans": []})


@pytest.fixture(scope="module")
def long_ago(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 outages in ten days, with checkpoints."""
    folder = tmp_path_factory.mktemp("long")
    write_long_year(folder / DATABASE_FILE, outages=300, seconds=10 * 86_400.0)
    return folder


def bounds(folder: Path) -> tuple[float, float]:
    with Reader(folder / DATABASE_FILE) as reader:
        rows = list(reader.recorded())
        return rows[0].at.wall - START, rows[-1].at.wall - START


@pytest.mark.parametrize("buckets", [20, 400, 1000])
def test_however_much_happened_the_answer_is_small(
    long_ago: Path, monkeypatch: pytest.MonkeyPatch, buckets: int
) -> None:
    first, last = bounds(long_ago)
    full = draw(long_ago, first - 100, last, now=last, buckets=buckets)
    monkeypatch.setattr(timeline, "LONGEST_ANSWER", 40_000)
    small = draw(long_ago, first - 100, last, now=last, buckets=buckets)
    assert len(encode(small)) <= 40_000
    assert small["bucket"] >= full["bucket"]
    for document in (full, small):
        for one in document["tracks"][:8]:
            assert one["spans"][0][0] == 0 and one["spans"][-1][1] == pytest.approx(last - first + 100, abs=1)
            assert all(span[1] == after[0] for span, after in zip(one["spans"], one["spans"][1:], strict=False))
        assert sum(mark[2] for mark in track(document, "attempts", "attempts")["marks"]) == 300 * 7
        assert document["outages"] == {"count": 300, "spans": document["outages"]["spans"]}


def test_a_window_begins_with_what_the_whole_says_of_it(long_ago: Path) -> None:
    """It is made from the nearest checkpoint on, and not from the first event."""
    first, last = bounds(long_ago)
    middle = (first + last) / 2
    whole = draw(long_ago, first, last, now=last, buckets=1000)
    part = draw(long_ago, middle, middle + 3 * 3600, now=last, buckets=1000)
    states = track(part, "link", "link")["states"]
    offline = sum(span[1] - span[0] for span in track(part, "link", "link")["spans"] if states[span[2]] == "OFFLINE")
    assert offline > 0 and whole["tracks"][0]["states"] == states
    assert {state for _, _, state in link(part)} == {"ONLINE", "DEGRADED", "OFFLINE", "RECOVERING"}
    assert link(part)[0][0] == 0 and link(part)[-1][1] == 3 * 3600


def test_a_long_one_is_kept_for_a_moment(long_ago: Path) -> None:
    first, last = bounds(long_ago)
    view = TimelineView(long_ago / DATABASE_FILE)
    wish = view.wish(START + first, START + last, None)
    made = view.make(wish, START + last)
    assert view.make(view.wish(START + first + 0.1, START + last + 0.1, None), START + last + 1) is made
    assert view.make(wish, START + last + timeline.KEPT + 1) is not made


@pytest.mark.parametrize(("since", "until"), [(10.0, 10.0), (10.0, 9.0), (0.0, 1e10), (float("nan"), 1.0)])
def test_a_window_that_is_none_is_refused(tmp_path: Path, since: float, until: float) -> None:
    with pytest.raises(Refusal):
        TimelineView(tmp_path / DATABASE_FILE).wish(since, until, None)


def test_the_quality_is_told_by_bucket(tmp_path: Path) -> None:
    remember(tmp_path, [*start(0), *rounds(UP, 1, 2, 3), *rounds(DOWN, 60, 61, 62)])
    found = track(draw(tmp_path, 0, 100, now=100, buckets=20), "quality", "quality")
    assert found["sampled"] is False
    assert [point[1] for point in found["points"]] == [0.0, 1.0]
    assert found["points"][0][2] == pytest.approx(10.0, rel=0.3) and found["points"][1][2] is None
