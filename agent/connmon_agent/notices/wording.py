"""Words that several texts of notices share: times, durations, the commands to type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo
from pathlib import Path

from ..core.timestamps import Timestamp
from ..core.wording import in_words
from ..loading.places import MACHINE_STATE_DIRS
from ..platform_terms import quote_argument
from ..store import DATABASE_FILE
from ..texts import make_safe
from ..wall_times import in_utc, in_zone

LONGEST_REASON = 200  # characters of one reason: more does not fit on a phone
MOST_NAMED = 8


def say_duration(seconds: float) -> str:
    """A duration in whole seconds at the finest: ``12 s``, ``3 min 12 s``, ``3 h 5 min``. Never negative."""
    return in_words(max(0, round(seconds)))


def say_time(at: Timestamp, zone: tzinfo | None) -> str:
    """The time of day, local: ``10:01:40``."""
    return in_zone(at.wall, zone).strftime("%H:%M:%S")


def say_span(start: Timestamp, end: Timestamp | None, zone: tzinfo | None) -> str:
    """``2026-11-23 10:01:40 to 10:04:02 (09:01:40 to 09:04:02 UTC)``. ``end`` None: it has none yet, ``since ...``."""
    local = in_zone(start.wall, zone)
    is_utc = not local.utcoffset()
    if end is None:
        utc = in_utc(start.wall).strftime("%H:%M:%S")
        return f"since {local:%Y-%m-%d %H:%M:%S}{' UTC' if is_utc else f' ({utc} UTC)'}"
    there = in_zone(end.wall, zone)
    same_day = local.date() == there.date()
    text = f"{local:%Y-%m-%d %H:%M:%S} to {there.strftime('%H:%M:%S' if same_day else '%Y-%m-%d %H:%M:%S')}"
    if is_utc:
        return f"{text} UTC"
    first, last = in_utc(start.wall), in_utc(end.wall)
    form = "%H:%M:%S" if first.date() == local.date() and last.date() == first.date() else "%Y-%m-%d %H:%M:%S"
    return f"{text} ({first.strftime(form)} to {last.strftime(form)} UTC)"


def name_all(names: Iterable[str], most: int = MOST_NAMED) -> str:
    """``a, b, c and 5 more``."""
    listed = list(names)
    if len(listed) <= most:
        return ", ".join(listed)
    return f"{', '.join(listed[:most])} and {len(listed) - most} more"


def say_reason(text: str) -> str:
    """A recorded reason on one line: it may quote what a server sent."""
    return make_safe(" ".join(text.split()), LONGEST_REASON)


def compose_command(state_file: str, words: Sequence[str]) -> str:
    """The line that an administrator types: with ``--state-dir`` where the command would not find the state itself."""
    folder = Path(state_file).parent
    usual = folder in MACHINE_STATE_DIRS and Path(state_file).name == DATABASE_FILE
    options = [] if usual else ["--state-dir", str(folder)]
    return " ".join(map(quote_argument, ["connmon-agent", *options, *words]))
