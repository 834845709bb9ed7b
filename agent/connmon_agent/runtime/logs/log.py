"""The log: every sentence that the agent says, written in a thread to all places that the settings name."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import time

from ...core.timestamps import Timestamp
from ...errors import ConnmonError
from ...files import refuse_special
from ...private_files import PUBLIC_FOLDER, make_folder
from ...settings import MEGABYTE, LoggingSettings
from ...threads import DaemonExecutor
from ..log_records import LogRecord
from .disk import Disk, LocalDisk
from .event_log import make_sink
from .files import LogFile, StartLog
from .journald import SOCKET, JournalSocket, is_journal
from .levels import Levels
from .lines import FORMS, clean
from .losses import Loss, Losses
from .places import DATED_PATTERN, EARLIER_MAIN_LOG, LAUNCHER_ROOM, MAIN_LOG, dated_name
from .sinks import FileSink, JournalSink, Sink, StreamSink, append
from .throttle import Throttle

MOST_WAITING = 10_000  # lines that wait to be written; what comes then is dropped, and counted
FAREWELL = 2.0  # seconds for them at the end
MOST_STARTS = 20  # logs of single runs


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where lines go under one configuration."""

    level: str
    sinks: tuple[Sink, ...]


def _configured_folder(settings: LoggingSettings) -> Path | None:
    return settings.dir


class Log:
    """Called with a sentence, writes it, cut at ``LONGEST_RECORD``.

    Raises ConnmonError when it is made and its folder cannot be written. Later on nothing does: see ``loss``.
    """

    def __init__(
        self,
        settings: LoggingSettings,
        *,
        beside: bool = False,
        folder: Callable[[LoggingSettings], Path | None] = _configured_folder,
        environment: Mapping[str, str] = os.environ,
        started: float | None = None,
        disk: Disk | None = None,
        journal: Path = SOCKET,
    ) -> None:
        """``beside``: write in a thread, so that a terminal, a pipe or a disk that takes nothing blocks no caller.

        ``folder`` chooses the folder of the log files, see ``places.log_folder``. ``started`` (Unix seconds; None:
        now) names the log of this run. ``journal`` is the journal's socket.
        """
        self._folder = folder
        self._environment = environment
        self._started = time() if started is None else started
        self._disk = disk or LocalDisk()
        self._journal = journal
        self._losses = Losses()
        self._throttle = Throttle()
        self._outlet = self.prepare(settings)
        self.levels = Levels(settings.level)
        self._thread = DaemonExecutor(1, "log") if beside else None
        self._waiting: deque[Future[None]] = deque()
        self._dropped = 0

    def __call__(self, record: LogRecord) -> None:
        if self.levels.wants(record.part, record.level, record.at.steady):
            self._write_all(self._throttle.admit(record))

    @property
    def loss(self) -> Loss:
        """The lines that were dropped since the start."""
        return self._losses.read()

    def settle(self, now: Timestamp) -> None:
        """Write what was held back to be counted, where its time is over. Call it every few seconds."""
        self._write_all(self._throttle.settle(now))

    def _write_all(self, records: Iterable[LogRecord]) -> None:
        for record in records:
            self._write(clean(record))

    def _write(self, record: LogRecord) -> None:
        if self._thread is None:
            _write(self._outlet, record)
            return
        while self._waiting and self._waiting[0].done():
            error = self._waiting.popleft().exception()
            if error is not None:  # a mistake of ours, which cannot be reported where the report would be written
                self._losses.add(f"internal error: {error!r}")
        if len(self._waiting) >= MOST_WAITING:
            self._dropped += 1
            self._losses.add("the terminal, the journal or the disk accepts no writes")
            return
        if self._dropped:
            record = append(record, f"{self._dropped} earlier lines were dropped because the log could not be written")
            self._dropped = 0
        self._waiting.append(self._thread.submit(_write, self._outlet, record))

    def prepare(self, settings: LoggingSettings) -> Outlet:
        """Open what ``settings`` name, for ``turning_to``. Raises ConnmonError when the folder cannot be written."""
        form = FORMS[settings.format]
        sinks: list[Sink] = []
        folder = self._folder(settings)
        if folder is not None:
            _check_folder(folder)
            sinks.append(self._open_files(folder, settings))
        if sys.stderr is not None:
            journaled = is_journal(sys.stderr, self._environment)
            if journaled and settings.journal and self._journal.exists():
                sinks.append(JournalSink(JournalSocket(self._journal), sys.stderr))
            elif settings.console or (journaled and settings.journal):
                sinks.append(StreamSink(sys.stderr, form, leveled=journaled))
        if settings.event_log and (entries := make_sink()) is not None:
            sinks.append(entries)
        return Outlet(settings.level, tuple(sinks))

    def _open_files(self, folder: Path, settings: LoggingSettings) -> FileSink:
        _take_over_earlier_files(folder)
        largest = settings.max_file_size * MEGABYTE
        keep = min(settings.max_files, MOST_STARTS)
        main = LogFile(folder / MAIN_LOG, self._disk, self._losses, largest=largest, count=settings.max_files)
        start = StartLog(
            folder / dated_name(self._started),
            DATED_PATTERN,
            self._disk,
            Losses(),  # the main log has the same lines and counts its own
            share=(largest - LAUNCHER_ROOM) // keep,
            keep=keep,
        )
        return FileSink(main, start, FORMS[settings.format])

    @contextmanager
    def turning_to(self, prepared: Outlet) -> Iterator[None]:
        """Write to what was ``prepared`` from the end of the block on; as before, where the block raises."""
        unused = prepared
        try:
            yield
            unused, self._outlet = self._outlet, unused
            self.levels.configured = prepared.level
        finally:
            self._close(unused)

    def close(self) -> None:
        """Let go of the file. What is still to be written is given a moment."""
        self._close(self._outlet)
        if self._thread is not None:
            wait(self._waiting, FAREWELL)

    def _close(self, outlet: Outlet) -> None:
        if self._thread is None:
            _close(outlet)
        else:
            self._waiting.append(self._thread.submit(_close, outlet))


def _write(outlet: Outlet, record: LogRecord) -> None:
    for sink in outlet.sinks:
        sink.write(record)


def _close(outlet: Outlet) -> None:
    for sink in outlet.sinks:
        sink.close()


def _check_folder(folder: Path) -> None:
    """Raise ConnmonError where log files cannot be made. None is: another agent may turn out to run."""
    try:
        make_folder(folder, PUBLIC_FOLDER)
        main = folder / MAIN_LOG
        refuse_special(main)
        if not os.access(main if main.exists() else folder, os.W_OK):
            raise PermissionError(0, "permission denied")
    except OSError as error:
        raise ConnmonError(
            f"the log cannot be written to {folder}: {error.strerror or error}",
            hint="Make the directory writable, or choose another one with logging.dir",
        ) from error


def _take_over_earlier_files(folder: Path) -> None:
    """Rename what an earlier version wrote, where this one has not written yet."""
    if (folder / MAIN_LOG).exists():
        return
    for earlier in folder.glob(f"{EARLIER_MAIN_LOG}*"):
        number = earlier.name.removeprefix(EARLIER_MAIN_LOG)
        if number == "" or number[1:].isdecimal():
            with suppress(OSError):
                earlier.rename(folder / f"{MAIN_LOG}{number}")
