"""Points in time as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

import click

from ..wall_times import seconds_of

FORMS = "an RFC 3339 time (2026-11-23T10:00:00Z), a time of day (10:00) or a time ago (90s, 15m, 2h, 3d)"

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)(?:\s+ago)?", re.ASCII)
_TIME_OF_DAY = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def read_instant(text: str, *, now: datetime, zone: tzinfo | None = None) -> float:
    """Unix seconds of the instant that ``text`` means. A time of day is the last one before ``now``.

    ``zone`` is where times without an offset are meant; None: the machine's. Raises ValueError, with the forms.
    """
    text = text.strip()
    if match := _AGO.fullmatch(text):
        return now.timestamp() - float(match[1]) * _SECONDS[match[2]]
    if match := _TIME_OF_DAY.fullmatch(text):
        return seconds_of(_last(int(match[1]), int(match[2]), int(match[3] or 0), now=now, zone=zone))
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not {FORMS}") from None
    return seconds_of(instant, zone)


def round_down(seconds: float) -> float:
    """The last whole microsecond (in seconds) that is not after ``seconds``. What it returns it leaves as it is.

    floor(seconds * 1e6) / 1e6, rounded twice as floats are, is later than one of 170 of today's instants.
    """
    count = round(seconds * 1e6)
    return (count if count / 1e6 <= seconds else count - 1) / 1e6


def round_up(seconds: float) -> float:
    """The first whole microsecond (in seconds) that is not before ``seconds``; see ``round_down``."""
    count = round(seconds * 1e6)
    return (count if count / 1e6 >= seconds else count + 1) / 1e6


def read_option(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """The callback of an option that takes a point in time; None: it was not given."""
    try:
        return None if value is None else read_instant(value, now=datetime.now(UTC))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _last(hour: int, minute: int, second: int, *, now: datetime, zone: tzinfo | None) -> datetime:
    here = now.astimezone(zone)
    today = here.replace(hour=hour, minute=minute, second=second, microsecond=0)
    return today if today <= here else today - timedelta(days=1)
