"""The length of texts that others wrote: a server, a plugin or a file may say megabytes, and we quote them."""

from __future__ import annotations

LONGEST_REASON = 500  # characters of one reason: of an event, of an error
LONGEST_SENTENCE = 2000  # characters of a sentence made of several reasons: of a transition, a verdict, a message
LONGEST_RECORD = 8000  # characters of one record of the log, which may hold a traceback


def shorten(text: str, most: int = LONGEST_REASON) -> str:
    """``text`` in at most ``most`` characters, which must be 60 or more.

    What is cut out is the middle, marked with its length: reasons begin with what failed, and often end with why.
    """
    if len(text) <= most:
        return text
    mark = f" … ({len(text)} characters in all) … "
    room = most - len(mark)
    tail = room // 4
    return text[: room - tail] + mark + text[len(text) - tail :]
