"""The table that a run ends with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.bench.figures import SUMMARY, Figure, say_number

HEAD = ("", "unit", "n", *SUMMARY, "hold", "")
LEFT = (0, 1, len(HEAD) - 1)  # the columns of text


def render_table(figures: Iterable[Figure]) -> str:
    """One line a figure, peers indented under what they are held against, notes below."""
    figures = list(figures)
    notes = list(dict.fromkeys(figure.note for figure in figures if figure.note))
    rows = [HEAD, *(_cells(figure, notes) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [_join(row, widths) for row in rows]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join([*lines, "", *(f"[{number}] {note}" for number, note in enumerate(notes, 1))]).rstrip()


def _cells(figure: Figure, notes: list[str]) -> tuple[str, ...]:
    mark = f" [{notes.index(figure.note) + 1}]" if figure.note else ""
    numbers = [say_number(measure(figure.values)) if figure.values else "-" for measure in SUMMARY.values()]
    verdict = {None: "", True: "held", False: "NOT HELD"}[figure.held]
    return (
        f"{'  peer: ' if figure.peer else ''}{figure.what}{mark}",
        figure.unit,
        str(len(figure.values)),
        *numbers,
        "" if figure.limit is None else str(figure.limit),
        verdict,
    )


def _join(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.ljust(width) if column in LEFT else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
