"""Credentials of 65 kinds in what servers, clusters, libraries and operators say: none is shown, logged or kept."""

from __future__ import annotations

import asyncio
import errno
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.fakes.charts import real_charts
from tests.fakes.direct_journals import DirectJournal
from tests.fakes.disks import FaultyDisk
from tests.fakes.journal_sockets import parse
from tests.fakes.secrets import Planted, plant
from tests.fakes.sites import Site, Workload, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.cli import connmon_agent
from connmon_agent.core.events import Order
from connmon_agent.core.observations import Failure, ProbeResult
from connmon_agent.runtime.log_records import LogRecord
from connmon_agent.runtime.logs import LauncherLog, Log
from connmon_agent.runtime.logs.journald import encode, fields_of
from connmon_agent.runtime.logs.keeping import LogKeeper
from connmon_agent.runtime.logs.lines import clean
from connmon_agent.settings import LoggingSettings
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.journal import SqliteJournal

PLACES = 9  # texts of others in one life of the agent


EVERYTHING = (
    *("status", "status --json", "replay", "replay --json", "history", "explain", "explain web", "ports"),
    *("metrics", "status --check"),
    *(f"explain {seq}" for seq in range(1, 40, 7)),
)
MOST_OF_IT = ("status", "replay --json")  # what the other commands show is in the state file, too


@cache
def planted() -> list[Planted]:
    return plant(random.Random(11))


def batches() -> Iterator[list[Planted]]:
    """Every kind in one of the places at least."""
    kinds = planted()
    for start in range(0, len(kinds), PLACES):
        yield [*kinds[start : start + PLACES], *kinds][:PLACES]


def live(folder: Path, texts: list[str]) -> list[LogRecord]:
    """An outage and a recovery in which everything that others say is one of ``texts``; returns what was said."""
    probes, (unseen, refusal, trouble, operator, error, cause) = texts[:3], texts[3:]

    async def story() -> list[LogRecord]:
        journal = SqliteJournal.open(folder / DATABASE_FILE, boottime=lambda: 50.0, boot_id="boot-1")
        for name, chart in real_charts().items():
            journal.save_chart(name, chart.sha256, chart.text)
        site = Site(plan_of("web", "db"), web=Workload(failures=1, stalls=trouble))
        site.journal = direct = DirectJournal(journal)
        await site.start()
        assert site.agent is not None
        await site.until_link("ONLINE")
        site.link.shows = tuple(
            ProbeResult(f"tcp 192.0.2.{number}:443", "tcp", False, None, reason, failure=Failure.WRONG)
            for number, reason in enumerate(probes)
        )
        await site.until_link("OFFLINE")
        site.cluster.unseen = ("forbidden", unseen)
        site.link.shows = None
        await site.until_link("RECOVERING")
        await site.wait(15.0)
        site.cluster.unseen = None
        site.cluster.refusals = [("invalid", refusal)]
        await site.wait(60.0)
        await site.agent.obey(Order.PAUSE, (), operator)
        report_to_loop(error)
        await site.wait(5.0)
        disk = FaultyDisk()
        disk.faults["open"] = lambda *_: OSError(errno.EIO, cause)
        log = Log(LoggingSettings(dir=folder / "lost", console=False), disk=disk)
        log(LogRecord(site.clock.now(), "info", "agent", "dropped"))
        keeping = asyncio.ensure_future(LogKeeper(log, clock=site.clock, note=direct.note_log_loss).run())
        await site.wait(1.0)
        keeping.cancel()
        await site.stop()
        journal.close()
        return site.said

    return run_virtually(story())


def report_to_loop(text: str) -> None:
    """As a background task that fails unforeseen is reported."""
    from connmon_agent.supervision import report

    try:
        raise ValueError(text)
    except ValueError as error:
        report("look at the services", error)


def find_shown(
    folder: Path, said: list[LogRecord], capsys: pytest.CaptureFixture[str], commands: Sequence[str]
) -> dict[str, str]:
    """Everything that a person, another program or the disk gets."""
    for form in ("text", "json"):
        with closing(Log(LoggingSettings(dir=folder / form, format=form))) as log:
            for record in said:
                log(record)
    launcher = LauncherLog(folder / "text")
    for record in said:
        launcher(record.text)
    shown = {"stderr": capsys.readouterr().err}
    entries = [parse(encode(fields_of(clean(record)))) for record in said]
    shown["journal"] = "\n".join(value for entry in entries for values in entry.values() for value in values)
    for command in commands:
        result = CliRunner().invoke(connmon_agent, ["--state-dir", str(folder), *command.split()])
        shown[command] = result.output
        assert "Traceback" not in result.output
    for path in folder.rglob("*"):
        if path.is_file():
            shown[path.name] = path.read_bytes().decode(errors="replace")
    return shown


@pytest.mark.skipif(sys.platform == "win32", reason="commands of the state file need Unix sockets")
def test_what_others_say_shows_and_keeps_no_credential(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, batch in enumerate(batches()):
        folder = tmp_path / str(number)
        folder.mkdir()
        # A word beside each shows that the text itself got there.
        said = live(folder, [f"q{index} {one.text}" for index, one in enumerate(batch)])
        shown = find_shown(folder, said, capsys, EVERYTHING if number == 0 else MOST_OF_IT)
        for index, word in enumerate(f"q{index}" for index in range(PLACES)):
            assert any(word in text for text in shown.values()), f"the text in place {index} got nowhere"
        for place, text in shown.items():
            for one in batch:
                assert not one.is_in(text), f"{one.kind} in {place}"


def test_a_wrong_configuration_and_a_wrong_call_show_none(tmp_path: Path) -> None:
    others = (("doctor",), ("start",), ("log", "level"), ("replay",))
    for number, one in enumerate(planted()):
        text = one.text.replace("\n", " ")
        path = tmp_path / "connmon.yaml"
        written = "'" + text.replace("'", "''") + "'"
        path.write_text(
            f"link: {{check_interval: {written}, targets: [{{kind: http, url: {written}}}]}}\n"
            f"kubernetes: {{namespace: {written}, context: 3}}\n"
            f"services: {{web: {{deployment: {written}, depends_on: [{written}]}}}}\n"
            f"logging: {{level: {written}}}\n{written}: 1\n"
        )
        for command in (("config", "check"), others[number % len(others)]):
            typed = [text] if command[0] in ("log", "replay") else []
            result = CliRunner().invoke(connmon_agent, ["--config", str(path), *command, *typed])
            assert result.exit_code != 0
            assert not one.is_in(result.output), f"{one.kind} in {' '.join(command[:2])}: {result.output}"


def test_there_are_more_than_thirty_kinds() -> None:
    assert len({one.kind for one in planted()}) >= 60
