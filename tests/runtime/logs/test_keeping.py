"""What the log needs while the agent runs: what was dropped gets into the state file, and from there into `status`."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.fakes.disks import FaultyDisk
from tests.fakes.memories import live_through_an_outage
from tests.fakes.virtual_time import SimulatedClock, run_virtually

from connmon_agent.cli import connmon_agent
from connmon_agent.core.observations import LogLoss
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.errors import StoreError
from connmon_agent.runtime.log_records import LogRecord
from connmon_agent.runtime.logs.keeping import INTERVAL, LogKeeper
from connmon_agent.runtime.logs.log import Log
from connmon_agent.settings import LoggingSettings
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.journal import SqliteJournal
from connmon_agent.store.reading import Reader


def test_dropped_lines_are_noted_once_they_can_be_and_repeats_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk, noted, refused = FaultyDisk(), list[LogLoss](), [True]

    async def note(loss: LogLoss) -> None:
        if refused[0]:
            raise StoreError("the disk is full")
        noted.append(loss)

    async def story() -> None:
        clock = SimulatedClock()
        log = Log(LoggingSettings(dir=tmp_path), disk=disk)
        keeping = asyncio.ensure_future(LogKeeper(log, clock=clock, note=note).run())
        for _ in range(20):
            log(LogRecord(clock.now(), "info", "agent", "the same"))
        await asyncio.sleep(2 * INTERVAL)
        assert noted == []
        disk.room = 0
        log(LogRecord(clock.now(), "info", "agent", "dropped"))
        await asyncio.sleep(2 * INTERVAL)
        assert noted == []
        refused[0] = False
        await asyncio.sleep(2 * INTERVAL)
        assert [(loss.count, "No space left" in loss.reason) for loss in noted] == [(1, True)]
        disk.room = None
        await asyncio.sleep(60.0)
        assert len(noted) == 1
        keeping.cancel()
        log.close()

    run_virtually(story())
    assert "the same (repeated 17 times in " in capsys.readouterr().err


def test_status_shows_how_many_lines_were_dropped(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    with Reader(tmp_path / DATABASE_FILE) as reader:
        assert reader.log_loss() is None
        agent = reader.agent()
    assert agent is not None
    journal = SqliteJournal.open(tmp_path / DATABASE_FILE, boottime=lambda: 50.0, boot_id="boot-1")
    journal.note_log_loss(LogLoss(12, "/var/log/a.log: No space left on device", agent.started.plus(5)))
    journal.close()

    def status(*arguments: str) -> str:
        return CliRunner().invoke(connmon_agent, ["--state-dir", str(tmp_path), "status", *arguments]).stdout

    assert "Log: 12 lines dropped since start" in status()
    log = json.loads(status("--json"))["agent"]["log"]
    assert (log["dropped"], log["reason"]) == (12, "/var/log/a.log: No space left on device")


def test_what_an_earlier_agent_dropped_is_not_told_of_this_one(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    journal = SqliteJournal.open(tmp_path / DATABASE_FILE, boottime=lambda: 50.0, boot_id="boot-1")
    journal.note_log_loss(LogLoss(12, "full", Timestamp(-1e9, time.time())))
    journal.close()
    result = CliRunner().invoke(connmon_agent, ["--state-dir", str(tmp_path), "status", "--json"])
    assert json.loads(result.stdout)["agent"]["log"] == {"dropped": 0, "reason": None, "at": None}
