"""Columns of text that fit a width: the last column takes what is left, and goes on below itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from ..wording import clean, cut, pad, width_of, wrap

INDENT = "  "
GAP = "  "
LEAST = 20  # columns; where fewer are left for the last cell, it goes on under the first one


def lay_out(
    rows: Sequence[Sequence[str]],
    *,
    width: int,
    limits: Mapping[int, int] | None = None,
    brief: Collection[int] = (),
) -> Iterator[str]:
    """One text a row, indented; a row that does not fit has several lines in it, and nothing of it is lost.

    ``limits`` bounds the width of columns, by number; else each but the last is as wide as needed. ``brief`` are the
    numbers of the rows of which one line is enough: what does not fit is cut, with an ellipsis.
    """
    cleaned = [[clean(cell) for cell in row] for row in rows]
    columns = [max(map(width_of, column)) for column in zip(*cleaned, strict=True)][:-1]
    columns = [min(found, (limits or {}).get(number, found)) for number, found in enumerate(columns)]
    for number, row in enumerate(cleaned):
        yield (_cut_row if number in brief else _wrap_row)(row, columns, width)


def _cut_row(row: Sequence[str], columns: Sequence[int], width: int) -> str:
    start = "".join(pad(cut(cell, wide), wide) + GAP for cell, wide in zip(row[:-1], columns, strict=True))
    return cut(INDENT + start + row[-1], width).rstrip()


def _wrap_row(row: Sequence[str], columns: Sequence[int], width: int) -> str:
    start = INDENT + "".join(pad(cell, wide) + GAP for cell, wide in zip(row[:-1], columns, strict=True))
    aligned = width_of(INDENT) + sum(wide + width_of(GAP) for wide in columns)
    indent = " " * aligned if width - aligned >= LEAST else INDENT + INDENT
    if width_of(start) + min(LEAST, width_of(row[-1])) <= width:
        return "\n".join(line.rstrip() for line in wrap(row[-1], width=width, indent=indent, first=start))
    # The cells before it leave no room: the last one begins on a line of its own.
    fits = width_of(start.rstrip()) <= width
    lines = [start.rstrip()] if fits else wrap(start, width=width, indent=INDENT + INDENT, first=INDENT)
    return "\n".join([*lines, *wrap(row[-1], width=width, indent=indent)])
