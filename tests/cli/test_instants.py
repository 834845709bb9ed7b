"""Points in time as people type them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from connmon_agent.cli.instants import read_instant

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
