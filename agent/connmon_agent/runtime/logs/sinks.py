"""Where lines go: a terminal, files, the system's journal; Windows' event log is in ``event_log``."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol, TextIO

from ..log_records import LogRecord
from .files import LogFile, StartLog
from .journald import PRIORITIES, JournalSocket, fields_of
from .lines import Form, to_text


class Sink(Protocol):
    """Takes sentences that are clean and above the level. Called by one thread; never raises."""

    def write(self, record: LogRecord) -> None: ...

    def close(self) -> None:
        """Let go of what is open; a later ``write`` opens it again."""


class StreamSink:
    """Lines on stderr. ``leveled``: each begins with ``<N>``, from which the journal reads its priority."""

    def __init__(self, stream: TextIO, form: Form, *, leveled: bool = False) -> None:
        self._stream = stream
        self._form = form
        self._leveled = leveled

    def write(self, record: LogRecord) -> None:
        """Write a line; a closed terminal must not end the agent, and there is no other place to report it."""
        line = self._form(_without_detail(record))  # no traceback on a terminal
        prefix = f"<{PRIORITIES[record.level]}>" if self._leveled else ""
        with suppress(OSError, ValueError):
            self._stream.write(f"{prefix}{line}\n")
            self._stream.flush()

    def close(self) -> None:
        """Nothing: the stream belongs to the process."""


class FileSink:
    """The main log file and the one of this run."""

    def __init__(self, main: LogFile, start: StartLog, form: Form) -> None:
        self._main = main
        self._start = start
        self._form = form
        self._missing = 0  # lines dropped since the last one that was written

    def write(self, record: LogRecord) -> None:
        """Write a line into both. After some were dropped it says how many."""
        line = self._encode(record, missing=self._missing)
        self._missing = 0 if self._main.write(line) else self._missing + 1
        self._start.write(line, self._farewell(record))

    def close(self) -> None:
        """Close both files."""
        self._main.close()
        self._start.close()

    def _farewell(self, record: LogRecord) -> bytes:
        text = f"this file has reached its maximum size; the log continues in {self._main.path.name}"
        return self._encode(LogRecord(record.at, "info", "agent", text))

    def _encode(self, record: LogRecord, missing: int = 0) -> bytes:
        if missing:
            record = append(record, f"{missing} earlier lines could not be written")
        return f"{self._form(record)}\n".encode("utf-8", "backslashreplace")


class JournalSink:
    """Entries with fields in systemd's journal; plain lines on stderr, which is the journal too, where that fails."""

    def __init__(self, journal: JournalSocket, stream: TextIO) -> None:
        self._journal = journal
        self._otherwise = StreamSink(stream, to_text, leveled=True)

    def write(self, record: LogRecord) -> None:
        """Send an entry, after those that led to the outage that it begins."""
        for one in (*(record.mark.led_by if record.mark else ()), record):
            try:
                self._journal.send(fields_of(one))
            except OSError:
                self._otherwise.write(one)

    def close(self) -> None:
        """Close the socket."""
        self._journal.close()


def append(record: LogRecord, remark: str) -> LogRecord:
    """``record`` with a remark in brackets behind its text."""
    text = f"{record.text} ({remark})"
    return LogRecord(record.at, record.level, record.about, text, record.detail, record.area, record.mark)


def _without_detail(record: LogRecord) -> LogRecord:
    if not record.detail:
        return record
    return LogRecord(record.at, record.level, record.about, record.text, "", record.area, record.mark)
