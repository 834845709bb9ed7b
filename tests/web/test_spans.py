"""Spans: nothing is lost when short stays become one, and a gap is never taken for what was before it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.web.marks import Marks
from connmon_agent.web.spans import GAP, NO_RECORD, Lane

STATES = ("ONLINE", "DEGRADED", "OFFLINE", GAP, NO_RECORD)
DAY = 1000.0


def lane(bucket: float, since: float = 0.0) -> Lane:
    return Lane(STATES, since, since + DAY, bucket)


def test_stays_that_can_be_seen_are_exact() -> None:
    one = lane(10.0)
    for state, at, seq in (("ONLINE", 0.0, 1), ("OFFLINE", 400.0, 7), ("ONLINE", 500.0, 9)):
        one.enter(state, at, seq)
    one.finish(2000.0, 2000.0, 9)
    assert list(one.write()) == [[0, 400, 0, 1], [400, 500, 2, 7], [500, 1000, 0, 9]]


def test_short_ones_become_one_that_tells_the_worst_and_for_how_long() -> None:
    one = lane(100.0)
    for state, at, seq in (("ONLINE", 0.0, 1), ("OFFLINE", 10.0, 2), ("ONLINE", 12.0, 3), ("OFFLINE", 90.0, 4)):
        one.enter(state, at, seq)
    one.enter("ONLINE", 95.0, 5)
    one.finish(2000.0, 2000.0, 5)
    assert list(one.write()) == [[0, 95, 2, 2, 4, 0.07, 0.0], [95, 1000, 0, 5]]


def test_a_gap_is_cut_out_and_counted() -> None:
    one = lane(10.0)
    one.enter("ONLINE", 0.0, 1)
    one.interrupt(300.0, 400.0, 5)
    one.finish(600.0, 800.0, 6)
    assert list(one.write()) == [
        [0, 300, 0, 1],
        [300, 400, 3, 5],
        [400, 600, 0, 1],
        [600, 800, 3, 6],
        [800, 1000, 4, 0],
    ]


def test_what_was_open_before_the_window_is_there_at_its_edge() -> None:
    one = lane(10.0, since=500.0)
    one.enter("OFFLINE", 100.0, 3)
    one.enter("ONLINE", 700.0, 4)
    one.finish(9000.0, 9000.0, 4)
    assert list(one.write()) == [[0, 200, 2, 3], [200, 1000, 0, 4]]


def test_a_clock_that_was_set_back_leaves_no_overlap() -> None:
    one = lane(10.0)
    one.enter("ONLINE", 0.0, 1)
    one.enter("OFFLINE", 600.0, 2)
    one.enter("ONLINE", 700.0, 3)
    one.cut_back(300.0)
    one.enter("OFFLINE", 300.0, 4)
    one.finish(9000.0, 9000.0, 4)
    assert list(one.write()) == [[0, 300, 0, 1], [300, 1000, 2, 4]]


def test_a_state_that_is_none_of_the_things_own_is_passed_over() -> None:
    one = lane(10.0)
    one.enter("ONLINE", 0.0, 1)
    one.enter("MELTED", 10.0, 2)
    one.finish(9000.0, 9000.0, 2)
    assert list(one.write()) == [[0, 1000, 0, 1]]


moves = st.lists(
    st.tuples(st.sampled_from(STATES[:3]), st.floats(0.01, 60), st.integers(1, 10**6), st.floats(0, 5)), max_size=80
)


@given(moves, st.floats(1.0, 300.0), st.floats(-200.0, 900.0))
def test_spans_cover_the_window_once_and_lose_no_second(
    moves: list[tuple[str, float, int, float]], bucket: float, began: float
) -> None:
    one, at = lane(bucket), began
    for state, length, seq, gap in moves:
        one.enter(state, at, seq)
        if gap > 4:
            one.interrupt(at, at + gap, seq)
            at += gap
        at += length
    one.finish(at, at + 50, 0)
    before = [sum(span.stays[place] for span in one.spans) for place in range(len(STATES))]
    assert sum(before) == pytest.approx(DAY)
    for width in (bucket, 3 * bucket):
        one.coarsen(width)
        assert one.spans[0].start == 0.0 and one.spans[-1].end == DAY
        assert all(span.end == after.start for span, after in pairwise(one.spans))
        assert all(span.count == 1 or span.end - span.start <= width for span in one.spans)
        assert len(one.spans) <= 2 * DAY / width + 2 + sum(span.end - span.start > width for span in one.spans) * 2
        assert [sum(span.stays[place] for span in one.spans) for place in range(len(STATES))] == pytest.approx(before)


def test_restarts_near_each_other_are_one_mark_with_those_that_failed() -> None:
    marks = Marks(0.0, DAY, 10.0)
    marks.add(-5.0, 1, "web", "before the window")
    for at, service, token in ((100.0, "web", "a"), (104.0, "db", "b"), (300.0, "db", "c"), (700.0, "db", "d")):
        marks.add(at, int(at), service, token)
    for token, outcome in (("a", "applied"), ("b", "refused"), ("c", "abandoned"), ("unknown", "refused")):
        marks.resolve(token, outcome)
    assert marks.write()["marks"] == [
        [100.0, 104.0, 2, 1, 100, None],
        [300.0, 300.0, 1, 1, 300, "db"],
        [700.0, 700.0, 1, 0, 700, "db"],
    ]
    marks.coarsen(500.0)
    assert marks.write()["marks"] == [[100.0, 300.0, 3, 2, 100, None], [700.0, 700.0, 1, 0, 700, "db"]]
