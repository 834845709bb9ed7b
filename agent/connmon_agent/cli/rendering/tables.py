"""Columns of text that fit a width: the last column takes what is left and is cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..wording import clean, cut, pad, width_of

INDENT = "  "
GAP = "  "


def lay_out(rows: Sequence[Sequence[str]], *, width: int, limits: Mapping[int, int] | None = None) -> Iterator[str]:
    """One line a row, indented. ``limits`` bounds columns, by number; else each but the last is as wide as needed."""
    cleaned = [[clean(cell) for cell in row] for row in rows]
    columns = [max(map(width_of, column)) for column in zip(*cleaned, strict=True)][:-1]
    columns = [min(found, (limits or {}).get(number, found)) for number, found in enumerate(columns)]
    for row in cleaned:
        line = INDENT
        for cell, columns_wide in zip(row[:-1], columns, strict=True):
            line += pad(cut(cell, columns_wide), columns_wide) + GAP
        yield cut(line + cut(row[-1], max(0, width - width_of(line))), width).rstrip()
