"""What ``doctor`` finds: one line a check, with the remedy where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..texts import LONGEST_MESSAGE, make_safe


class Health(StrEnum):
    """How bad a finding is."""

    GOOD = "good"
    NOTE = "note"  # worth knowing, nothing to do
    WARNING = "warning"  # the agent works, less well than it could
    PROBLEM = "problem"  # the agent cannot do its job


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. ``remedy`` is what to do about it (None: nothing). The text is made safe:
    it may quote others.
    """

    about: str
    health: Health
    text: str
    remedy: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", make_safe(self.text, LONGEST_MESSAGE))


def good(about: str, text: str) -> Finding:
    return Finding(about, Health.GOOD, text)


def note(about: str, text: str) -> Finding:
    return Finding(about, Health.NOTE, text)


def warning(about: str, text: str, remedy: str) -> Finding:
    return Finding(about, Health.WARNING, text, remedy)


def problem(about: str, text: str, remedy: str) -> Finding:
    return Finding(about, Health.PROBLEM, text, remedy)
