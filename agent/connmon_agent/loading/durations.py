"""Durations as people write them: ``500ms``, ``5s``, ``10m``, ``1h30m``, ``2d``, or a number of seconds."""

from __future__ import annotations

import re

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_FORM = re.compile(
    r"(?=.)(?:(?P<d>\d+(?:\.\d+)?)d)?(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m(?!s))?"
    r"(?:(?P<s>\d+(?:\.\d+)?)s)?(?:(?P<ms>\d+(?:\.\d+)?)ms)?",
    re.ASCII,
)
# The same as an ECMA-262 regular expression, for a JSON Schema.
DURATION_PATTERN = r"^(?=.)" + "".join(rf"([0-9]+(\.[0-9]+)?{unit})?" for unit in ("d", "h", "m", "s", "ms")) + "$"
_SECONDS = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


def parse_duration(text: str) -> float:
    """The seconds that ``text`` means. Units in falling order, each at most once. Raises ValueError."""
    if _SECONDS.fullmatch(text):
        return float(text)
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"not a duration: {text!r}")
    seconds = sum(float(match[unit] or 0) * size for unit, size in _UNITS.items())
    return seconds + float(match["ms"] or 0) / 1000


def format_duration(seconds: float) -> str:
    """``seconds`` for people, in the form that ``parse_duration`` reads: ``350ms``, ``2.5s``, ``1h30m``, ``3d4h``.

    Below a second in whole milliseconds, below a minute in tenths of seconds, from there on in whole seconds.
    """
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    if seconds < 0.9995:
        return f"{round(seconds * 1000)}ms" if seconds >= 0.0005 else "0s"
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    rest, parts = round(seconds), []
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
