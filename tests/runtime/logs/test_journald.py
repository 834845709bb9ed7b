"""The journal: entries with fields, each once, and by outage the decisions that `replay` shows."""

from __future__ import annotations

import io
import json
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.fakes.charts import real_charts
from tests.fakes.direct_journals import DirectJournal
from tests.fakes.journal_sockets import Entry, FakeJournal
from tests.fakes.sites import Site, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.cli import connmon_agent
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.message_catalog import message_id
from connmon_agent.runtime.log_records import LogRecord, Mark
from connmon_agent.runtime.logs.log import Log
from connmon_agent.settings import LoggingSettings
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.journal import SqliteJournal

pytestmark = pytest.mark.linux_alone(reason="the journal of systemd")

AT = Timestamp(1_000.0, 1_795_000_000.25)

if sys.platform != "linux":
    pytest.skip("systemd's journal is Linux' alone", allow_module_level=True)


class Service:
    """A process whose stderr is the journal, as systemd starts it."""

    def __init__(
        self, journal: FakeJournal, stderr: io.TextIOWrapper, stream: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.monkeypatch = monkeypatch
        self.logs: list[Log] = []
        self.journal = journal
        self.stderr = stderr
        self.stream = stream
        status = os.fstat(stderr.fileno())
        self.environment = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}

    def log(self, settings: LoggingSettings | None = None) -> Log:
        self.monkeypatch.setattr(sys, "stderr", self.stderr)  # here: pytest sets it anew for each phase of a test
        log = Log(settings or LoggingSettings(), environment=self.environment, journal=self.journal.path)
        self.logs.append(log)
        return log

    @property
    def lines(self) -> list[str]:
        """What came through stderr."""
        return self.stream.read_text().splitlines()


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with FakeJournal(tmp_path / "socket") as journal, (tmp_path / "stderr").open("w") as stderr:
        made = Service(journal, stderr, tmp_path / "stderr", monkeypatch)
        yield made
        for log in made.logs:
            log.close()


def test_an_entry_has_fields_by_which_it_is_found(service: Service) -> None:
    mark = Mark("service-gave-up", 118, (3,), "VERIFYING", "GAVE_UP", "failed")
    service.log()(LogRecord(AT, "warning", "web", "VERIFYING -> GAVE_UP: größe", mark=mark))
    (entry,) = service.journal.read()
    assert {name: values[0] for name, values in entry.items()} == {
        "MESSAGE": "web: VERIFYING -> GAVE_UP: größe",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "connmon-agent",
        "MESSAGE_ID": message_id("service-gave-up"),
        "CONNMON_KIND": "service-gave-up",
        "CONNMON_SEQ": "118",
        "CONNMON_OUTAGE": "3",
        "CONNMON_AREA": "services",
        "CONNMON_SERVICE": "web",
        "CONNMON_SOURCE": "VERIFYING",
        "CONNMON_DEST": "GAVE_UP",
        "CONNMON_TRIGGER": "failed",
        "CONNMON_WALL": "1795000000.250000",
    }


def test_it_is_written_once(service: Service) -> None:
    service.log()(LogRecord(AT, "info", "link", "so it is"))
    assert len(service.journal.read()) == 1
    assert service.lines == []


@pytest.mark.parametrize("console", [True, False])
def test_the_journal_gets_it_whatever_the_console_is_to_get(service: Service, console: bool) -> None:
    service.log(LoggingSettings(console=console))(LogRecord(AT, "info", "link", "so it is"))
    assert len(service.journal.read()) == 1


def test_where_the_journal_is_not_to_get_fields_stderr_does_with_the_priority(service: Service) -> None:
    service.log(LoggingSettings(journal=False))(LogRecord(AT, "warning", "link", "so it is"))
    assert service.journal.read() == []
    assert service.lines[0].startswith("<4>") and service.lines[0].endswith("link: so it is")


@pytest.mark.parametrize("stream", ["", "1:2"], ids=["none", "another one"])
def test_where_stderr_is_not_the_journal_the_lines_go_there(service: Service, stream: str) -> None:
    service.environment = {"JOURNAL_STREAM": stream} if stream else {}
    service.log()(LogRecord(AT, "info", "link", "so it is"))
    assert service.journal.read() == []
    assert service.lines[0].endswith("info     link: so it is")


def test_a_journal_that_is_gone_gets_its_lines_from_stderr_and_later_entries_again(service: Service) -> None:
    log = service.log()
    path = service.journal.path
    path.rename(path.with_name("away"))
    log(LogRecord(AT, "error", "link", "while it is away"))
    path.with_name("away").rename(path)
    log(LogRecord(AT, "error", "link", "when it is back"))
    assert [line[:3] for line in service.lines] == ["<3>"]
    assert [entry["MESSAGE"] for entry in service.journal.read()] == [["link: when it is back"]]


def test_a_traceback_of_many_lines_is_one_field(service: Service) -> None:
    trace = "Traceback\n  File ...\nKeyError: 'web'"
    service.log()(LogRecord(AT, "error", "agent", "internal error", trace))
    (entry,) = service.journal.read()
    assert entry["CONNMON_TRACEBACK"] == [trace]


def test_what_is_too_long_for_a_datagram_is_passed_as_sealed_memory(service: Service) -> None:
    from connmon_agent.runtime.logs.journald import JournalSocket

    text = "x" * 3_000_000 + "\n" + "y" * 100
    sender = JournalSocket(service.journal.path)
    sender.send([("MESSAGE", text), ("PRIORITY", "3")])
    sender.close()
    (entry,) = service.journal.read()
    assert entry == {"MESSAGE": [text], "PRIORITY": ["3"]}
    assert service.journal.passed == 1


def test_a_journal_that_takes_nothing_holds_up_nothing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from connmon_agent.runtime.logs import journald

    monkeypatch.setattr(journald, "PATIENCE", 0.01)
    log = service.log()
    for number in range(3000):  # nobody reads; the kernel's queue is full after some of them
        log(LogRecord(AT, "info", "link", f"line {number}", mark=Mark("link-note", number + 1)))
        if service.lines:
            break
    assert service.lines, "the line that the journal did not take goes to stderr"


# By outage.


def live(folder: Path) -> list[LogRecord]:
    """Three outages, one of them cut short by the next, with the agent started again between; returns what was said."""

    async def story() -> list[LogRecord]:
        journal = SqliteJournal.open(folder / DATABASE_FILE, boottime=lambda: 50.0, boot_id="boot-1")
        for name, chart in real_charts().items():
            journal.save_chart(name, chart.sha256, chart.text)
        site = Site(plan_of("web", "db"))
        site.journal = DirectJournal(journal)
        await site.start()
        await site.live_through_outage()
        await site.wait(30.0)
        site.link.answering = 1  # failing rounds that do not become an outage
        await site.until_link("DEGRADED")
        site.link.answering = 3
        await site.until_link("ONLINE")
        await site.lose_link()
        await site.wait(20.0)
        await site.stop()
        await site.start()
        site.link.up = True
        await site.until_link("RECOVERING")
        site.link.up = False
        await site.until_link("OFFLINE")
        site.link.up = True
        await site.until_link("ONLINE")
        await site.lose_link()
        site.link.up = True
        await site.until_link("ONLINE")
        await site.stop()
        journal.close()
        return site.said

    return run_virtually(story())


@dataclass(frozen=True)
class Lived:
    folder: Path
    said: list[LogRecord]

    def replay(self, *arguments: str) -> dict[str, list[dict[str, Any]]]:
        result = CliRunner().invoke(connmon_agent, ["--state-dir", str(self.folder), "replay", "--json", *arguments])
        document: dict[str, list[dict[str, Any]]] = json.loads(result.stdout)
        return document


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    folder = tmp_path_factory.mktemp("lived")
    return Lived(folder, live(folder))


def entries_of(service: Service, lived: Lived) -> list[Entry]:
    log = service.log()
    for record in lived.said:
        log(record)
        service.journal.read()
    return service.journal.entries


def test_by_outage_it_lists_the_decisions_that_replay_shows(service: Service, lived: Lived) -> None:
    entries = entries_of(service, lived)

    outages = sorted({int(number) for entry in entries for number in entry.get("CONNMON_OUTAGE", [])})
    assert outages[0] == 1 and len(outages) >= 3
    for outage in outages:
        shown = {event["seq"] for event in lived.replay(str(outage))["events"] if event["sentences"]}
        listed = [entry for entry in entries if str(outage) in entry.get("CONNMON_OUTAGE", [])]
        assert {int(entry["CONNMON_SEQ"][0]) for entry in listed} == shown, f"outage {outage}"
        said = [(entry["CONNMON_SEQ"][0], entry["MESSAGE"][0]) for entry in listed]
        assert len(said) == len(set(said)), "no decision is listed twice"
        assert any("ONLINE -> DEGRADED" in entry["MESSAGE"][0] for entry in listed), "from the first bad round on"


def test_each_entry_of_a_decision_has_the_texts_of_replay(service: Service, lived: Lived) -> None:
    entries = entries_of(service, lived)
    for event in lived.replay("1")["events"]:
        said = {entry["MESSAGE"][0] for entry in entries if entry.get("CONNMON_SEQ") == [str(event["seq"])]}
        for one in event["transitions"]:
            moved = one["dest"] if one["source"] == one["dest"] else f"{one['source']} -> {one['dest']}"
            assert f"{one['instance']}: {moved}: {one['reason']}" in said


def test_the_queue_of_the_fake_is_the_kernels(service: Service) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"MESSAGE=a\nPRIORITY=6\n", str(service.journal.path))
    assert service.journal.read() == [{"MESSAGE": ["a"], "PRIORITY": ["6"]}]
