from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.loading.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("5s", 5),
        ("10m", 600),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1m30s500ms", 90.5),
        ("2d4h", 187200),
        ("1.5s", 1.5),
        ("0s", 0),
        ("7", 7),
        ("0.25", 0.25),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "s", "5 s", "-5s", "5S", "5min", "1s1m", "5s5s", "1:30", "1e3", ".5s", "5,5s", "٥s", "inf"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0004, "0s"),
        (0.35, "350ms"),
        (0.9996, "1s"),
        (2.5, "2.5s"),
        (2.04, "2s"),
        (59.96, "1m"),
        (90, "1m30s"),
        (3725, "1h2m5s"),
        (5400, "1h30m"),
        (273600, "3d4h"),
        (-5, "-5s"),
    ],
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(min_value=0, max_value=1e7))
def test_what_is_written_can_be_read_and_is_near_enough(seconds: float) -> None:
    error = abs(parse_duration(format_duration(seconds)) - seconds)
    assert error <= (0.0005001 if seconds < 0.9995 else 0.0500001 if seconds < 59.95 else 0.5)
