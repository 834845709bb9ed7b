"""What goes into Windows' event log, by a log that is a fake; and by Windows' own where there is one."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import pytest

from connmon_agent.core.timestamps import Timestamp
from connmon_agent.runtime.log_records import LogRecord, Mark
from connmon_agent.runtime.logs import Log
from connmon_agent.runtime.logs.event_log import LONGEST, EventLogSink, make_sink
from connmon_agent.settings import LoggingSettings

AT = Timestamp(0.0, 1_800_000_000.0)
OFFLINE = LogRecord(AT, "warning", "link", "ONLINE -> OFFLINE: no carrier", mark=Mark("link-offline", 7))


@dataclass
class FakeEntries:
    entries: list[tuple[int, int, str]] = field(default_factory=list)
    failing: bool = False
    opened: int = 0
    closed: int = 0

    def open(self) -> FakeEntries:
        self.opened += 1
        if self.failing:
            raise OSError(5, "the service is not running")
        return self

    def write(self, kind: int, number: int, text: str) -> None:
        if self.failing:
            raise OSError(5, "the log is full")
        self.entries.append((kind, number, text))

    def close(self) -> None:
        self.closed += 1


def test_decisions_warnings_and_errors_are_entries_and_nothing_else() -> None:
    log = FakeEntries()
    sink = EventLogSink(log.open)
    sink.write(LogRecord(AT, "info", "probes", "tcp 192.0.2.1:443: 4 ms"))
    sink.write(OFFLINE)
    sink.write(LogRecord(AT, "info", "link", "RECOVERING -> ONLINE", mark=Mark("link-online", 9)))
    sink.write(LogRecord(AT, "error", "agent", "internal error", detail="Traceback\n  here"))
    sink.close()
    assert log.entries == [
        (2, 103, "link: ONLINE -> OFFLINE: no carrier\r\nconnmon-agent explain 7"),
        (4, 101, "link: RECOVERING -> ONLINE\r\nconnmon-agent explain 9"),
        (1, 1, "agent: internal error\r\nTraceback\r\n  here"),
    ]
    assert (log.opened, log.closed) == (1, 1)


def test_a_log_that_takes_nothing_ends_nothing_and_is_tried_again() -> None:
    log = FakeEntries(failing=True)
    sink = EventLogSink(log.open)
    sink.write(OFFLINE)
    log.failing = False
    sink.write(OFFLINE)
    log.failing = True
    sink.write(OFFLINE)
    assert (log.opened, len(log.entries)) == (2, 1)


def test_an_entry_is_as_long_as_windows_takes_at_most() -> None:
    log = FakeEntries()
    EventLogSink(log.open).write(LogRecord(AT, "error", "agent", "x" * 100_000))
    assert len(log.entries[0][2]) == LONGEST


@pytest.mark.parametrize("wanted", [False, True])
def test_the_log_writes_there_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch, wanted: bool) -> None:
    entries = FakeEntries()
    monkeypatch.setattr("connmon_agent.runtime.logs.log.make_sink", lambda: EventLogSink(entries.open))
    log = Log(LoggingSettings(console=False, event_log=wanted), environment={})
    log(OFFLINE)
    log.close()
    assert len(entries.entries) == wanted


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has one")
def test_other_systems_have_none() -> None:
    assert make_sink() is None


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows has one")
def test_windows_takes_an_entry() -> None:
    sink = make_sink()
    assert sink is not None
    sink.write(OFFLINE)
    sink.close()
