"""A state file that an agent from before December 2026 wrote opens, and all of it is decided again as it was.

``memory-of-schema-5.sql`` is ``sqlite3 connmon.db .dump`` of days with two outages, cut off in the second, by the agent
whose JSON was ASCII. One uid in it holds half a surrogate pair, which that agent wrote as it came: ``\\udc80``.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from tests.fakes.statefiles import load_dump, opened

from connmon_agent.cli import connmon_agent
from connmon_agent.core.events import Inspected, Ordered, TimerDue
from connmon_agent.core.observations import (
    Failure,
    LineUsage,
    MeasuredQuality,
    Observation,
    ProbeResult,
    Quality,
    Traffic,
)
from connmon_agent.core.steps import Step
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.store.layout import EVENTS, WORLDS
from connmon_agent.store.reading import Reader

DUMP = Path(__file__).parents[1] / "store/memory-of-schema-5.sql"


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    path = tmp_path / "connmon.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        load_dump(connection, DUMP)
    return path


def run(memory: Path, *arguments: str) -> str:
    result = CliRunner().invoke(connmon_agent, ["--state-dir", str(memory.parent), *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_every_event_is_decided_again_as_it_was(memory: Path) -> None:
    assert run(memory, "replay", "--verify") == "62 events decided again: all as recorded.\n"


def test_everything_that_it_says_of_the_present_is_read(memory: Path) -> None:
    with Reader(memory) as reader:
        latest = reader.latest_round()
        assert latest is not None
        good = ProbeResult("tcp 192.0.2.1:443", "tcp", True, 1e-7)
        assert latest.results == (good, ProbeResult("dns größe", "dns", False, None, "no answer", None, Failure.SILENT))
        assert latest.results[0].bytes == 120
        assert latest.measured_quality == MeasuredQuality(Quality.LOSSY, 0.5, 1.0, 54.0)
        assert latest.usage == LineUsage(9_000_000, 86_400.0)
        assert reader.latest_traffic() == (Traffic("frontend", 1, 2, 0, 10**12, 5),)
    shown = CliRunner().invoke(connmon_agent, ["--state-dir", str(memory.parent), "status", "--json"])
    assert json.loads(shown.output)["schema"] == 1


def test_what_utf_8_cannot_hold_and_what_ascii_cannot(memory: Path) -> None:
    with Reader(memory) as reader:
        events = [recorded.event for recorded in reader.recorded()]
    [seen] = [event.seen for event in events if isinstance(event, Inspected) and event.seen.trouble]
    assert isinstance(seen, Observation)
    assert seen.uid == "half \\udc80 a pair"
    assert next(event.by for event in events if isinstance(event, Ordered)) == "root größe 😀 (pid 9)"


def test_the_writer_goes_on_with_it(memory: Path) -> None:
    with Reader(memory) as reader:
        before, events = reader.world(), list(reader.recorded())
        assert before is not None
    with opened(memory) as journal:
        assert journal.set_aside is None
        assert journal.load() == before
        event = TimerDue(events[-1].at.plus(1.0), "größe")
        journal.commit(event, Step(replace(before, timers={**before.timers, "größe": Timestamp(1, 2)})))
    with Reader(memory) as reader:
        assert reader.verify_chain() is None
        assert [recorded.event for recorded in reader.recorded()] == [recorded.event for recorded in events] + [event]


def test_only_what_is_not_ascii_and_how_a_number_is_written_differ(memory: Path) -> None:
    """The forms are the same: what is written today, an agent of then reads."""
    with closing(sqlite3.connect(memory)) as connection:
        bodies = [body for (body,) in connection.execute("SELECT body FROM event")]
        [world] = [text.rstrip(" ") for (text,) in connection.execute("SELECT world FROM snapshot")]
    plain = [body for body in bodies if "\\u" not in body]
    assert len(plain) > 40
    assert [EVENTS.to_text(EVENTS.from_text(body)) for body in plain] == plain
    assert json.loads(WORLDS.to_text(WORLDS.from_text(world))) == json.loads(world.replace("\\udc80", "\\\\udc80"))


def test_an_escape_that_was_changed_since_is_found(memory: Path) -> None:
    with closing(sqlite3.connect(memory, isolation_level=None)) as connection:
        connection.execute("UPDATE intent SET body = replace(body, '\\u00f6', '\\u00F6')")
        assert connection.execute("SELECT changes()").fetchone()[0] > 0
    result = CliRunner().invoke(connmon_agent, ["--state-dir", str(memory.parent), "replay", "--verify"])
    assert result.exit_code != 0
    assert "its row in intent" in result.output
