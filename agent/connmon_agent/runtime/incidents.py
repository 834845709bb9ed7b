"""What fails unforeseen in the agent: counted, logged with its traceback in the log file, and shown by ``status``."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core.observations import InternalErrors
from ..core.timestamps import Timestamp
from ..supervision import PAUSE, TASK
from ..texts import make_encodable, make_safe
from .log_records import LogRecord

REPEAT = 60.0  # seconds in which the same failure is counted and not logged once more
LONGEST_TEXT = 300  # characters of an error that are told; the log file has all of it
PACKAGE = Path(__file__).parents[1]


class Incidents:
    """The event loop's exception handler while the agent runs.

    ``note`` is given the count after each failure; ``say`` gets a sentence whose traceback only the log file shows.
    """

    def __init__(
        self, *, now: Callable[[], Timestamp], say: Callable[[LogRecord], None], note: Callable[[InternalErrors], None]
    ) -> None:
        self._now = now
        self._say = say
        self._note = note
        self._count = 0
        self._logged: dict[tuple[str, str], float] = {}  # when which failure was logged last, in steady seconds

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Note what the loop reports. Never raises."""
        error = context.get("exception")
        task = str(context.get(TASK) or context["message"])
        at, what = self._now(), describe_error(error, task)
        self._count += 1
        if self._is_news(task, what, at.steady):
            pause = context.get(PAUSE)
            then = "" if pause is None else f"; restarting it in {pause:.1f} s"
            text = f"internal error in the task {task}: {what}{then}. Report it with the log file"
            self._say(LogRecord(at, "error", "agent", text, detail=_trace(error)))
        self._note(InternalErrors(self._count, make_encodable(task), what, at))

    def _is_news(self, task: str, what: str, now: float) -> bool:
        self._logged = {known: at for known, at in self._logged.items() if now - at < REPEAT}
        news = (task, what) not in self._logged
        self._logged.setdefault((task, what), now)
        return news


def describe_error(error: BaseException | None, otherwise: str) -> str:
    """The error in one line with the innermost place of our own code: ``KeyError: 'web' (kube/pods.py:41)``."""
    if error is None:
        return otherwise
    text = make_safe(" ".join(f"{type(error).__name__}: {error}".split()), LONGEST_TEXT)
    frames = [(Path(frame.f_code.co_filename), line) for frame, line in traceback.walk_tb(error.__traceback__)]
    ours = [(path.relative_to(PACKAGE), line) for path, line in frames if path.is_relative_to(PACKAGE)]
    place = f" ({ours[-1][0].as_posix()}:{ours[-1][1]})" if ours else ""
    return make_encodable(f"{text}{place}")


def _trace(error: BaseException | None) -> str:
    return "" if error is None else "".join(traceback.format_exception(error)).rstrip()
