"""Standard output and error in the encoding of whoever reads them: no character ends a command or turns into ``?``.

Python encodes for a pipe and a file strictly, and on Windows a pipe in the ANSI code page although PowerShell and
``for /f`` read it in the console's. A console itself takes every character.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import os
import stat
import sys
import unicodedata
from collections.abc import Mapping
from typing import Any

import click

_ERRORS = "connmon-readable"  # the name of the error handler
# What we and others write with, and the ASCII that says the same; accents are taken off letters by their decomposition.
_ASCII = {
    "…": "...",
    "–": "-",
    "—": "-",
    "−": "-",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "„": '"',
    "→": "->",
    "←": "<-",
    "•": "*",
    "×": "x",
    "≤": "<=",
    "≥": ">=",
    "ß": "ss",
    "€": "EUR",
    "µ": "u",
}
_RAW_FIRST, _RAW_LAST = 0xDC80, 0xDCFF  # a byte that was no text, as Python keeps it in a file's name (PEP 383)


def prepare_outputs() -> None:
    """Make stdout and stderr of this process write every text, in the encoding that their reader expects."""
    codecs.register_error(_ERRORS, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None without a console, another kind in tests
            stream.reconfigure(encoding=choose_encoding(stream, os.environ), errors=_ERRORS)


def choose_encoding(stream: io.TextIOWrapper, environment: Mapping[str, str]) -> str | None:
    """The encoding of the console in which a pipe is read, on Windows; None: Python's choice is good."""
    if sys.platform == "win32" and not sys.flags.utf8_mode and not environment.get("PYTHONIOENCODING"):
        from ..windows_api.consoles import output_code_page  # Windows alone has it

        with contextlib.suppress(OSError, ValueError, LookupError):  # no descriptor, no console
            if stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode):
                return codecs.lookup(f"cp{output_code_page()}").name
    return None


def echo_json(document: Any, *, indent: int | None = 2) -> None:
    """Print a JSON document, in ASCII where stdout is not UTF-8: its reader may take it for another code page."""
    click.echo(json.dumps(document, indent=indent, ensure_ascii=not is_utf_8(sys.stdout.encoding)))


def echo_data(text: str) -> None:
    """Print what a program reads, in UTF-8 and with the line ends that it has, on every platform."""
    click.echo(text.encode("utf-8", "surrogateescape"), nl=False)


def is_utf_8(encoding: str | None) -> bool:
    """Whether this name of an encoding, None too, is one of UTF-8."""
    try:
        return codecs.lookup(encoding or "").name == "utf-8"
    except LookupError:
        return False


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    """The error handler: one character at a time, as those behind it may be encodable."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    char, after = error.object[error.start], error.start + 1
    if _RAW_FIRST <= ord(char) <= _RAW_LAST and os.name == "posix":
        return bytes([ord(char) - 0xDC00]), after
    return _write_in_ascii(char), after


def _write_in_ascii(char: str) -> str:
    plain = _ASCII.get(char) or unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
    return plain or char.encode("ascii", "backslashreplace").decode()
