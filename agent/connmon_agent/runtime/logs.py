"""The log: sentences on stderr and, where a folder is set, in a file."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from typing import TextIO

from ..errors import ConnmonError
from ..settings import LoggingSettings
from .sentences import Sentence

FILE_NAME = "connmon-agent.log"
FILE_BYTES = 10 * 1024 * 1024  # the ERP's own MaxFileSize and MaxFiles
FILES = 5


def _about(record: logging.LogRecord) -> str:
    return str(getattr(record, "about", "agent"))


class TextFormatter(logging.Formatter):
    """``2026-11-23 19:04:05 warning  link: ONLINE -> DEGRADED: ...``, in local time."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created).astimezone()
        text = " ".join(record.getMessage().splitlines())  # an answer of the API may have many
        return f"{moment:%Y-%m-%d %H:%M:%S} {record.levelname.lower():<8} {_about(record)}: {text}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, about, text."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        return json.dumps(
            {
                "time": moment,
                "level": record.levelname.lower(),
                "about": _about(record),
                "text": record.getMessage(),
            },
            ensure_ascii=False,
        )


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to stderr; what cannot be written there cannot be told anywhere."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Pass the line over: a closed terminal must not end the agent."""


class FileHandler(RotatingFileHandler):
    """Writes to the log file, and says once on stderr when it cannot."""

    failed = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Go on without this line. The next one is tried again: a full disk gets room."""
        if not self.failed and sys.stderr is not None:
            self.failed = True
            with suppress(OSError, ValueError):
                sys.stderr.write(f"the log cannot be written to {self.baseFilename}: {sys.exc_info()[1]}\n")


def open_log(settings: LoggingSettings) -> Callable[[Sentence], None]:
    """A function that writes one sentence. Raises ConnmonError when the log's folder cannot be written."""
    logger = logging.Logger("connmon-agent", settings.level.upper())
    handlers: list[logging.Handler] = [StderrHandler(sys.stderr)]
    if settings.dir is not None:
        handlers.append(_open_file(settings))
    for handler in handlers:
        handler.setFormatter(JsonFormatter() if settings.format == "json" else TextFormatter())
        logger.addHandler(handler)

    def say(sentence: Sentence) -> None:
        level = logging.getLevelNamesMapping()[sentence.level.upper()]
        if logger.isEnabledFor(level):
            record = logger.makeRecord("", level, "", 0, sentence.text, (), None, extra={"about": sentence.about})
            record.created = sentence.at.wall
            logger.handle(record)

    return say


def _open_file(settings: LoggingSettings) -> logging.Handler:
    assert settings.dir is not None
    try:
        settings.dir.mkdir(parents=True, exist_ok=True)
        return FileHandler(settings.dir / FILE_NAME, maxBytes=FILE_BYTES, backupCount=FILES - 1, encoding="utf-8")
    except OSError as error:
        raise ConnmonError(
            f"the log cannot be written to {settings.dir}: {error.strerror or error}",
            hint="Make the folder writable, or choose another one with logging.dir",
        ) from error
