"""Unix seconds as dates and back, also where the C library knows no time zone for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.wall_times import in_utc, in_zone, seconds_of

MUMBAI = timezone(timedelta(hours=5, minutes=30))
EARLY, LATE = -86_400.0, 40_000_000_000.0  # 1969 and the year 3237: Windows has a local time for neither


class Nowhere(tzinfo):
    """A zone of a C library that knows none for this time, as Windows' before 1970."""

    def utcoffset(self, timestamp: datetime | None) -> timedelta | None:
        raise OSError(22, "Invalid argument")

    def fromutc(self, timestamp: datetime) -> datetime:
        raise OSError(22, "Invalid argument")


@given(st.floats(-1e300, 1e300))
def test_every_number_is_a_date(wall: float) -> None:
    assert in_utc(wall).tzinfo is UTC
    assert in_zone(wall, MUMBAI).tzinfo is not None
    assert in_zone(wall).tzinfo is not None


@given(st.floats(-6e10, 2e11))
def test_there_and_back_it_is_the_same_instant(wall: float) -> None:
    assert seconds_of(in_utc(wall)) == pytest.approx(wall, abs=1e-4)
    assert seconds_of(in_zone(wall, MUMBAI)) == pytest.approx(wall, abs=1e-4)


@given(st.floats(0, 4e9))
def test_it_is_what_the_standard_library_says_where_that_knows(wall: float) -> None:
    assert in_utc(wall) == datetime.fromtimestamp(wall, UTC)


@pytest.mark.parametrize("wall", [EARLY, 0.0, LATE])
def test_a_time_without_a_zone_is_in_utc(wall: float) -> None:
    assert in_zone(wall, Nowhere()) == in_utc(wall)
    typed = in_utc(wall).replace(tzinfo=None)
    assert seconds_of(typed, Nowhere()) == wall
    assert abs(seconds_of(typed) - wall) <= 86_400  # in the machine's zone, or in UTC
