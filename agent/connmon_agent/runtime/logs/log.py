"""The log: sentences on stderr and, where a folder is set, in a file."""

from __future__ import annotations

import json
import logging
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from textwrap import indent
from typing import TextIO

from ...errors import ConnmonError
from ...files import refuse_special
from ...private_files import PUBLIC_FOLDER, forbid_writing, make_folder
from ...settings import LoggingSettings
from ...texts import LONGEST_RECORD, make_safe
from ...threads import DaemonExecutor
from ..sentences import Sentence
from .places import MAIN_LOG

MOST_WAITING = 10_000  # lines that wait to be written; what comes then is dropped, and counted
FAREWELL = 2.0  # seconds for them at the end
MEGABYTE = 1024 * 1024  # bytes


def _about(record: logging.LogRecord) -> str:
    return str(getattr(record, "about", "agent"))


def _detail(record: logging.LogRecord) -> str:
    return str(getattr(record, "detail", ""))


class TextFormatter(logging.Formatter):
    """``2026-11-23 19:04:05 warning  link: ONLINE -> DEGRADED: ...``, in local time.

    ``detailed``: the traceback of an internal error follows below its line, indented.
    """

    def __init__(self, *, detailed: bool = False) -> None:
        super().__init__()
        self._detailed = detailed

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created).astimezone()
        text = " ".join(record.getMessage().splitlines())  # an answer of the API may have many
        line = f"{moment:%Y-%m-%d %H:%M:%S} {record.levelname.lower():<8} {_about(record)}: {text}"
        return f"{line}\n{indent(detail, '    ')}" if (detail := self._detailed and _detail(record)) else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, about, text; ``detailed``: and the traceback, if any."""

    def __init__(self, *, detailed: bool = False) -> None:
        super().__init__()
        self._detailed = detailed

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        entry = {
            "time": moment,
            "level": record.levelname.lower(),
            "about": _about(record),
            "text": record.getMessage(),
        }
        if detail := self._detailed and _detail(record):
            entry["traceback"] = detail
        return json.dumps(entry, ensure_ascii=False)


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to stderr; what cannot be written there cannot be told anywhere."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Pass the line over: a closed terminal must not end the agent."""


class FileHandler(RotatingFileHandler):
    """Writes to the log file, and says once on stderr when it cannot."""

    failed = False

    def _open(self) -> TextIOWrapper:
        """Also after the file was exchanged: what would wait for a reader is refused."""
        refuse_special(Path(self.baseFilename))
        stream = super()._open()
        forbid_writing(Path(self.baseFilename))
        return stream

    def doRollover(self) -> None:
        """Begin another file; where only one is kept, begin that one anew."""
        if self.backupCount or self.stream is None:
            super().doRollover()
        else:
            self.stream.truncate(0)

    def handleError(self, record: logging.LogRecord) -> None:
        """Go on without this line. The next one is tried again: a full disk gets room."""
        if not self.failed and sys.stderr is not None:
            self.failed = True
            with suppress(OSError, ValueError):
                sys.stderr.write(f"the log cannot be written to {self.baseFilename}: {sys.exc_info()[1]}\n")


class Log:
    """Called with a sentence, writes it, cut at ``LONGEST_RECORD``.

    Raises ConnmonError when it is made and its folder cannot be written.
    """

    def __init__(self, settings: LoggingSettings, *, beside: bool = False) -> None:
        """``beside``: write in a thread, so that a terminal, a pipe or a disk that takes nothing holds up nobody."""
        self._logger = _open_logger(settings)
        self._thread = DaemonExecutor(1, "log") if beside else None
        self._waiting: deque[Future[None]] = deque()
        self._dropped = 0

    def __call__(self, sentence: Sentence) -> None:
        level = logging.getLevelNamesMapping()[sentence.level.upper()]
        if self._logger.isEnabledFor(level):
            text = make_safe(sentence.text, LONGEST_RECORD, lines=True)
            extra = {"about": sentence.about, "detail": make_safe(sentence.detail, LONGEST_RECORD, lines=True)}
            record = self._logger.makeRecord("", level, "", 0, text, (), None, extra=extra)
            record.created = sentence.at.wall
            self._write(record)

    def _write(self, record: logging.LogRecord) -> None:
        if self._thread is None:
            self._logger.handle(record)
            return
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        if len(self._waiting) >= MOST_WAITING:
            self._dropped += 1
            return
        if self._dropped:
            record.msg += f" ({self._dropped} lines before this one were dropped: the log took nothing)"
            self._dropped = 0
        self._waiting.append(self._thread.submit(_handle, self._logger, record))

    def prepare(self, settings: LoggingSettings) -> logging.Logger:
        """Open what ``settings`` name, for ``turning_to``. Raises ConnmonError when the folder cannot be written."""
        return _open_logger(settings)

    @contextmanager
    def turning_to(self, prepared: logging.Logger) -> Iterator[None]:
        """Write to what was ``prepared`` from the end of the block on; as before, where the block raises."""
        unused = prepared
        try:
            yield
            unused, self._logger = self._logger, unused
        finally:
            self._close(unused)

    def close(self) -> None:
        """Let go of the file. What is still to be written is given a moment."""
        self._close(self._logger)
        if self._thread is not None:
            wait(self._waiting, FAREWELL)

    def _close(self, logger: logging.Logger) -> None:
        if self._thread is None:
            _close(logger)
        else:
            self._waiting.append(self._thread.submit(_close, logger))


def _handle(logger: logging.Logger, record: logging.LogRecord) -> None:
    logger.handle(record)


def _close(logger: logging.Logger) -> None:
    for handler in logger.handlers:
        handler.close()


def _open_logger(settings: LoggingSettings) -> logging.Logger:
    logger = logging.Logger("connmon-agent", settings.level.upper())
    if settings.console:
        logger.addHandler(StderrHandler(sys.stderr))
    if settings.dir is not None:
        logger.addHandler(_open_file(settings.dir, settings))
    for handler in logger.handlers:
        formatter = JsonFormatter if settings.format == "json" else TextFormatter
        handler.setFormatter(formatter(detailed=isinstance(handler, FileHandler)))  # no traceback on a terminal
    return logger


def _open_file(folder: Path, settings: LoggingSettings) -> logging.Handler:
    try:
        make_folder(folder, PUBLIC_FOLDER)
        refuse_special(folder / MAIN_LOG)
        return FileHandler(
            folder / MAIN_LOG,
            maxBytes=settings.max_file_size * MEGABYTE,
            backupCount=settings.max_files - 1,
            encoding="utf-8",
        )
    except OSError as error:
        raise ConnmonError(
            f"the log cannot be written to {folder}: {error.strerror or error}",
            hint="Make the folder writable, or choose another one with logging.dir",
        ) from error
