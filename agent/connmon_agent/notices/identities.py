"""Names of a notice that every attempt to send it has, so that a receiver recognises a second copy.

A process that is killed between the receiver's acceptance and the record of it sends once more: exactly once is not to
be had, at least once with the same name is.
"""

from __future__ import annotations

from .jobs import Notice


def identify(notice: Notice, store: str) -> str:
    """``k7k7k7k7-7-digest-office``: the state file, the outage, the kind and the channel; which part where there are
    several. A test is none of a state file: its number names it.
    """
    if notice.kind == "test":
        return f"test-{notice.channel}-{notice.number}"
    part = "" if notice.part == 1 else f"-{notice.part}"
    return f"{store}-{notice.outage or 0}-{notice.kind}-{notice.channel}{part}"
