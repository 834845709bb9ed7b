"""The terminal: how wide it is, whether it shows colours, and drawing on it again and again."""

from __future__ import annotations

import os
import sys

import click

from .rendering.tones import Paint, Tone, paint_nothing

UNLIMITED = 1_000_000  # columns of a pipe or a file: what reads it breaks lines as it likes, or searches in them
NARROWEST = 40

_CLEAR = "\x1b[H\x1b[J"  # home, and everything below; what scrolled out of the screen stays


def width_of_output() -> int:
    """Columns to fill: the terminal's, NARROWEST at least; UNLIMITED where it is none."""
    try:
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError, AttributeError):  # a pipe, a file, or no descriptor at all
        return UNLIMITED
    return max(NARROWEST, columns or UNLIMITED)


def can_redraw() -> bool:
    """Whether the output is a terminal that understands more than text."""
    return sys.stdout is not None and sys.stdout.isatty() and takes_commands(os.environ.get("TERM"), sys.platform)


def takes_commands(terminal: str | None, platform: str) -> bool:
    """Whether a terminal that calls itself ``terminal`` (TERM; None: not set) moves its cursor and has colours.

    The consoles of Windows set no TERM; click has their commands translated (colorama) where they are too old for them.
    """
    return terminal != "dumb" if platform == "win32" else terminal not in (None, "", "dumb")


def painter() -> Paint:
    """Colours where a terminal shows them and nobody said no (https://no-color.org)."""
    return _paint if can_redraw() and not os.environ.get("NO_COLOR") else paint_nothing


def clear() -> None:
    """Begin at the top of an empty screen."""
    click.echo(_CLEAR, nl=False)


def _paint(text: str, tone: Tone) -> str:
    return text if tone is Tone.PLAIN else click.style(text, fg=tone.value)
