"""Words for people: times, durations, and text that fits a number of columns. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import datetime, tzinfo

from ..core.timestamps import Timestamp
from ..core.wording import in_words
from ..texts import shorten
from ..wall_times import in_utc, in_zone

LONGEST_SHOWN = 4000  # characters
ELLIPSIS = "…"


def say_duration(seconds: float) -> str:
    """A duration in whole seconds at the finest: ``12 s``, ``3 min 12 s``, ``3 h 5 min``. Never negative."""
    return in_words(max(0, round(seconds)))


def say_time(wall: float, *, zone: tzinfo | None) -> str:
    """The time of day, to the second. ``zone`` None: the machine's."""
    return _local(wall, zone).strftime("%H:%M:%S")


def say_date(wall: float, *, zone: tzinfo | None) -> str:
    """The day: ``Monday 2026-11-23``. ``zone`` None: the machine's."""
    return _local(wall, zone).strftime("%A %Y-%m-%d")


def say_date_and_time(wall: float, *, zone: tzinfo | None) -> str:
    """Day and time of day: ``2026-11-23 10:00:12``. ``zone`` None: the machine's."""
    return _local(wall, zone).strftime("%Y-%m-%d %H:%M:%S")


def write_instant(timestamp: Timestamp | None) -> str | None:
    """RFC 3339 in UTC with microseconds, for programs. None for no moment, and for one that never was (zero)."""
    if timestamp is None or timestamp.wall == 0:
        return None
    return in_utc(timestamp.wall).isoformat(timespec="microseconds")


def say_bytes(number: int) -> str:
    """``0``, ``812 B``, ``1.2 MB``: three digits at most, units of 1000."""
    if number < 1000:
        return f"{number} B" if number else "0"
    amount, units = float(number), iter(("kB", "MB", "GB", "TB", "PB"))
    unit = "B"
    while amount >= 999.5 and (following := next(units, None)) is not None:
        amount, unit = amount / 1000, following
    return f"{amount:.3g} {unit}"


def count_of(number: int, noun: str) -> str:
    """``1 restart``, ``3 restarts``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def clean(text: str) -> str:
    """``text`` on one line, without characters that command a terminal: reasons may quote what a server sent.

    Cut where it is longer than a terminal can use: older agents recorded reasons of any length.
    """
    kept = (" " if unicodedata.category(char) in _COMMANDING else char for char in shorten(text, LONGEST_SHOWN))
    return " ".join("".join(kept).split())


def width_of(text: str) -> int:
    """The columns that ``text`` takes on a terminal (Unicode's East Asian Width, UAX #11)."""
    return len(text) if text.isascii() else sum(_columns(char) for char in text)


def cut(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns, its lost end shown by an ellipsis."""
    if width_of(text) <= width:
        return text
    return _take(text, width - 1).rstrip() + ELLIPSIS if width > 0 else ""


def pad(text: str, width: int) -> str:
    """``text`` with blanks up to ``width`` columns."""
    return text + " " * (width - width_of(text))


def wrap(text: str, *, width: int, indent: str = "", first: str | None = None) -> list[str]:
    """``text`` in lines of at most ``width`` columns, broken between words, or inside one that fits no line.

    ``indent`` precedes every line, ``first`` (None: the same) the first one.
    """
    lines: list[str] = []
    line, empty = (indent if first is None else first), True
    for word in _breakable(clean(text), width - max(width_of(indent), width_of(first or ""))):
        joined = line + word if empty else f"{line} {word}"
        if empty or width_of(joined) <= width:
            line, empty = joined, False
        else:
            lines.append(line)
            line = indent + word
    return [*lines, line.rstrip()]


_COMMANDING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _local(wall: float, zone: tzinfo | None) -> datetime:
    return in_zone(wall, zone)


def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _take(text: str, width: int) -> str:
    used = 0
    for index, char in enumerate(text):
        used += _columns(char)
        if used > width:
            return text[:index]
    return text


def _breakable(text: str, width: int) -> Iterator[str]:
    for word in text.split():
        piece, used = "", 0
        for char in word:
            columns = _columns(char)
            if piece and used + columns > width:  # one character stands even in a column too narrow for it
                yield piece
                piece, used = "", 0
            piece, used = piece + char, used + columns
        yield piece
