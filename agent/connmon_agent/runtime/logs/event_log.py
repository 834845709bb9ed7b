"""Entries in Windows' event log: the decisions, and what went wrong. The other lines are in the log files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from ...message_catalog import event_number
from ..log_records import LogRecord

SOURCE = "connmon-agent"
LONGEST = 30_000  # characters of an entry; Windows takes 31,839
TYPES = {"debug": 4, "info": 4, "warning": 2, "error": 1}  # wType of ReportEvent
SERIOUS = ("warning", "error")


class Entries(Protocol):
    """The event log, see ``windows_api.event_log.EventSource``. Raises OSError."""

    def write(self, kind: int, number: int, text: str) -> None: ...

    def close(self) -> None: ...


class EventLogSink:
    """``Sink``: an entry for each decision and each warning or error. ``open_log`` raises OSError."""

    def __init__(self, open_log: Callable[[], Entries]) -> None:
        self._open = open_log
        self._log: Entries | None = None

    def write(self, record: LogRecord) -> None:
        """Write an entry. A log that takes none must not end the agent, and the log files have the line, too."""
        if record.mark is None and record.level not in SERIOUS:
            return
        with suppress(OSError):
            if self._log is None:
                self._log = self._open()
            number = event_number(None if record.mark is None else record.mark.kind)
            self._log.write(TYPES[record.level], number, text_of(record))

    def close(self) -> None:
        """Let go of the log; a later ``write`` opens it again."""
        if self._log is not None:
            self._log.close()
            self._log = None


def text_of(record: LogRecord) -> str:
    """What the entry says: the line, the traceback of an internal error, and the event for `connmon-agent explain`."""
    lines = [f"{record.about}: {record.text}", record.detail]
    if record.mark is not None and record.mark.seq is not None:
        lines.append(f"connmon-agent explain {record.mark.seq}")
    return "\r\n".join(filter(None, "\n".join(lines).split("\n")))[:LONGEST]


def make_sink() -> EventLogSink | None:
    """The sink of this machine; None: it has no such log."""
    if sys.platform == "win32":
        from ...windows_api.event_log import EventSource, let_be_shown  # Windows alone has it

        def open_source() -> EventSource:
            let_be_shown(SOURCE)
            return EventSource(SOURCE)

        return EventLogSink(open_source)
    return None
