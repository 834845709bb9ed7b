"""Whose text it is: what a command writes for other programs has one line with the hash of the others.

So a file of somebody else's is never overwritten, and neither is what somebody has changed in one of ours.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum

SERVICE = "service install"  # the command whose units these are

# A comment of HTML and a text in quotes end with what belongs to their beginning; after any other seal the line ends.
_SEAL = re.compile(r'(?:(<!-- )|(")|)written by `connmon-agent ([a-z ]+)`, sha256 ([0-9a-f]{64})(?(1) -->|(?(2)",?|))$')
_LOOKED_AT = 5  # lines at the beginning, one of which is the seal


class Ownership(StrEnum):
    """What is found where ours would be."""

    ABSENT = "absent"
    OURS = "ours"
    EDITED = "edited"  # ours, and changed since
    FOREIGN = "foreign"


def seal(body: str, *, by: str = SERVICE, before: str = "# ", after: str = "", line: int = 0) -> str:
    """``body`` with the seal of the command ``by`` as its line number ``line``, a comment between ``before`` and
    ``after``.
    """
    lines = body.split("\n")
    words = f"written by `connmon-agent {by}`, sha256 {_hash(lines)}"
    return "\n".join([*lines[:line], f"{before}{words}{after}", *lines[line:]])


def judge(text: str | None, *, by: str = SERVICE) -> Ownership:
    """Whose ``text`` is, when the command ``by`` is asked; None: there is none."""
    if text is None:
        return Ownership.ABSENT
    lines = text.split("\n")
    for number, line in enumerate(lines[:_LOOKED_AT]):
        found = _SEAL.search(line)
        if found and found[3] == by:
            intact = _hash(lines[:number] + lines[number + 1 :]) == found[4]
            return Ownership.OURS if intact else Ownership.EDITED
    return Ownership.FOREIGN


def _hash(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
