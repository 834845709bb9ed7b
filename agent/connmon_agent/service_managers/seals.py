"""Whose text it is: what `service install` writes has one line with the hash of the others.

So a file of somebody else's is never overwritten, and neither is what somebody has changed in one of ours.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum

_SEAL = re.compile(r"written by `connmon-agent service install`, sha256 ([0-9a-f]{64})(?: -->)?$")
_LOOKED_AT = 5  # lines at the beginning, one of which is the seal


class Ownership(StrEnum):
    """What is found where ours would be."""

    ABSENT = "absent"
    OURS = "ours"
    EDITED = "edited"  # ours, and changed since
    FOREIGN = "foreign"


def seal(body: str, *, before: str = "# ", after: str = "", line: int = 0) -> str:
    """``body`` with the seal as its line number ``line``, as a comment between ``before`` and ``after``."""
    lines = body.split("\n")
    words = f"written by `connmon-agent service install`, sha256 {_hash(lines)}"
    return "\n".join([*lines[:line], f"{before}{words}{after}", *lines[line:]])


def judge(text: str | None) -> Ownership:
    """Whose ``text`` is; None: there is none."""
    if text is None:
        return Ownership.ABSENT
    lines = text.split("\n")
    for number, line in enumerate(lines[:_LOOKED_AT]):
        if found := _SEAL.search(line):
            intact = _hash(lines[:number] + lines[number + 1 :]) == found[1]
            return Ownership.OURS if intact else Ownership.EDITED
    return Ownership.FOREIGN


def _hash(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
