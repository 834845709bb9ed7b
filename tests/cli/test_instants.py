"""Points in time as people type them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connmon_agent.cli.instants import read_instant, round_down, round_up

NOW = datetime(2026, 11, 23, 10, 0, 30, tzinfo=UTC)
MUMBAI = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-22T08:15:00Z", "2026-11-22T08:15:00+00:00"),
        ("2026-11-22T08:15:00.5+05:30", "2026-11-22T02:45:00.500000+00:00"),
        ("2026-11-22 08:15", "2026-11-22T02:45:00+00:00"),
        ("2026-11-22", "2026-11-21T18:30:00+00:00"),
        ("15:30", "2026-11-23T10:00:00+00:00"),
        ("15:30:30", "2026-11-23T10:00:30+00:00"),
        ("15:31", "2026-11-22T10:01:00+00:00"),
        ("90s", "2026-11-23T09:59:00+00:00"),
        ("15 min ago", "2026-11-23T09:45:30+00:00"),
        ("1.5h", "2026-11-23T08:30:30+00:00"),
        (" 2d ", "2026-11-21T10:00:30+00:00"),
    ],
)
def test_times_are_read_as_meant_in_mumbai(text: str, meant: str) -> None:
    instant = read_instant(text, now=NOW, zone=MUMBAI)
    assert datetime.fromtimestamp(instant, UTC) == datetime.fromisoformat(meant)


@pytest.mark.parametrize("text", ["", "yesterday", "25:00", "10:60", "2h30", "-2h", "٣h"])
def test_anything_else_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an RFC 3339 time \(2026-11-23T10:00:00Z\), a time of day"):
        read_instant(text, now=NOW, zone=MUMBAI)


@given(st.floats(0.0, 4e9))
@example(1796086203.9002259)  # floor(x * 1e6) / 1e6 is after it
@example(1796086175.3368511)  # ceil(x * 1e6) / 1e6 is before it
def test_a_whole_microsecond_is_never_on_the_wrong_side(seconds: float) -> None:
    down, up = round_down(seconds), round_up(seconds)
    assert seconds - 2e-6 < down <= seconds <= up < seconds + 2e-6


@given(st.integers(0, 4 * 10**15))
def test_a_whole_microsecond_is_left_as_it_is(count: int) -> None:
    seconds = count / 1e6
    assert round_down(seconds) == round_up(seconds) == seconds
