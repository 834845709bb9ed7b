"""Texts that others wrote and we quote: a server, a plugin or a file may write megabytes, credentials, and characters
that command a terminal. ``make_safe`` is the one door that such a text goes through.
"""

from __future__ import annotations

from .redaction import redact

LONGEST_REASON = 500  # characters of one reason: of an event, of an error
LONGEST_MESSAGE = 2000  # characters of a sentence made of several reasons: of a transition, a verdict, a message
LONGEST_RECORD = 8000  # characters of one record of the log, which may hold a traceback
LONGEST_READ = 100_000  # characters that are looked through for credentials; of what is longer the middle is not kept


def shorten(text: str, most: int = LONGEST_REASON, *, length: int | None = None) -> str:
    """``text`` in at most ``most`` characters, which must be 60 or more.

    What is cut out is the middle, marked with the whole's ``length`` (None: that of ``text``): reasons begin with what
    failed, and often end with why.
    """
    if len(text) <= most:
        return text
    mark = f" … ({length or len(text)} characters in all) … "
    room = most - len(mark)
    tail = room // 4
    return text[: room - tail] + mark + text[len(text) - tail :]


def make_printable(text: str, *, lines: bool = False) -> str:
    """``text`` with nothing in it that commands a terminal or turns what is written around it.

    Blanks of every kind become a plain one, line feeds too unless ``lines``; other control and format characters, lone
    surrogates and what Unicode has not assigned are written as Python escapes: ``\\x1b``.
    """
    if text.isprintable():
        return text
    if lines:
        return "\n".join(make_printable(line) for line in text.splitlines())
    return "".join(map(_make_visible, text))


def make_encodable(text: str) -> str:
    """``text`` with what UTF-8 cannot hold (half a surrogate pair, from a broken answer) made visible: ``\\udc80``."""
    if text.isascii():
        return text
    encodable = text.encode("utf-8", "backslashreplace").decode()
    return text if encodable == text else encodable


def end_sentence(text: str) -> str:
    """``text`` with a period at its end, unless it ends with a mark of its own."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def make_safe(text: str, most: int = LONGEST_REASON, *, lines: bool = False) -> str:
    """``text`` without credentials, printable, and in at most ``most`` characters; itself where it is so already.

    ``lines``: it may have several.
    """
    read = text if len(text) <= LONGEST_READ else f"{text[: LONGEST_READ // 2]} {text[-LONGEST_READ // 2 :]}"
    safe = shorten(make_printable(redact(read), lines=lines), most, length=len(text))
    return text if safe == text else safe


def _make_visible(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else character.encode("unicode_escape", "surrogatepass").decode()
