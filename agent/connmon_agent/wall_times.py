"""Unix seconds as dates and back, for every number and on every platform.

Python asks the C library for the machine's time zone, and Windows' knows none before 1970 and after the year 3000: a
clock that a dead battery has set back, or a date that was typed, ends there in an OSError.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def in_utc(wall: float) -> datetime:
    """The instant in UTC, to the microsecond; the first or the last of Python's calendar for what lies beyond it."""
    try:
        return _EPOCH + timedelta(seconds=wall)
    except OverflowError:
        return _FIRST if wall < 0 else _LAST


def in_zone(wall: float, zone: tzinfo | None = None) -> datetime:
    """The instant in ``zone`` (None: the machine's), in UTC where the machine has no zone for it."""
    timestamp = in_utc(wall)
    try:
        return timestamp.astimezone(zone)
    except (OSError, OverflowError, ValueError):
        return timestamp


def seconds_of(timestamp: datetime, zone: tzinfo | None = None) -> float:
    """Unix seconds of ``timestamp``. One without an offset is meant in ``zone`` (None: the machine's), in UTC where the
    machine has no zone for it.
    """
    if timestamp.tzinfo is None and zone is not None:
        timestamp = timestamp.replace(tzinfo=zone)
    try:
        return timestamp.timestamp()
    except (OSError, OverflowError, ValueError):
        return timestamp.replace(tzinfo=UTC).timestamp()
