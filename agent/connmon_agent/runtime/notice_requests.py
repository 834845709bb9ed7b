"""The request of ``notify drop``: notices that are not to be sent any more, through the control channel.

{"order": "notify-drop", "numbers": [4, 5]}     -> {"dropped": [{"number": 4, "sending": false}, ...]}
{"order": "notify-drop", "numbers": null}          all that are unsent
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from ..core.notices import Notice, NoticeState
from ..core.timestamps import Timestamp
from ..errors import ConnmonError
from .log_records import NOTICES, LogRecord

DROP = "notify-drop"  # the order's name


class Droppable(Protocol):
    """What is asked of the journal."""

    async def drop_notices(self, numbers: Collection[int] | None, why: str, at: Timestamp) -> list[Notice]:
        """See ``SqliteJournal.drop_notices``."""


class NoticeRequests:
    """Answers it; what was dropped is logged with who did it."""

    def __init__(
        self,
        journal: Droppable,
        *,
        now: Callable[[], Timestamp],
        say: Callable[[LogRecord], None],
        nudge: Callable[[], object],
    ) -> None:
        self._journal, self._now, self._say, self._nudge = journal, now, say, nudge

    async def drop(self, arguments: Mapping[str, object], by: str) -> Mapping[str, object]:
        """A ``control.Handler``. Raises ConnmonError: a number is none, or nothing can be recorded now."""
        numbers = _read_numbers(arguments.get("numbers"))
        dropped = await self._journal.drop_notices(numbers, describe_drop(by), self._now())
        for one in dropped:
            told = f"{one.channel}: {one.kind} of outage {one.outage} (notice {one.number}) dropped by {by}"
            self._say(LogRecord(self._now(), "info", NOTICES, told))
        self._nudge()
        return {"dropped": describe_dropped(dropped)}


def describe_drop(by: str) -> str:
    """How a notice ended that an operator dropped."""
    return f"dropped by {by}"


def describe_dropped(dropped: Sequence[Notice]) -> list[dict[str, object]]:
    """The notices as they were, for the answer. ``sending``: an attempt was under way, which may still succeed."""
    return [{"number": one.number, "sending": one.state == NoticeState.SENDING} for one in dropped]


def _read_numbers(given: object) -> frozenset[int] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(one, int) and not isinstance(one, bool) for one in given):
        raise ConnmonError("numbers must be a list of numbers of notices, or null for all")
    return frozenset(given)
