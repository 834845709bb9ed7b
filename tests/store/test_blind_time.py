"""A monitoring gap on the disk: seconds of an outage, the last sign of life, and a journal that is decided alike
again.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.memories import DOWN, UP, remember, rounds, start, stop
from tests.fakes.mornings import at
from tests.fakes.statefiles import opened

from connmon_agent.cli.decisions import verify_journal
from connmon_agent.core.events import AgentStarted, Event, MonitoringGapEnded
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader

SLEEP = MonitoringGapEnded(at(7230), at(30), "the machine slept for 2 h")


def absence(since: float, until: float) -> list[Event]:
    """Another agent, after one whose last sign of life was ``since``."""
    begun, configured = start(until)
    assert isinstance(begun, AgentStarted)
    return [AgentStarted(begun.at, 4712, begun.version, "boot-1", begun.charts, at(since)), configured]


def an_outage_with_blind_time() -> list[Event]:
    return [*start(0), *rounds(UP, 1, 2, 3), *rounds(DOWN, 10, 11, 12), SLEEP, *rounds(UP, 7231, 7232, 7233)]


def test_the_blind_seconds_of_an_outage_are_kept_and_no_part_of_its_duration(tmp_path: Path) -> None:
    remember(tmp_path, an_outage_with_blind_time())
    with Reader(tmp_path / DATABASE_FILE) as reader:
        (outage,) = reader.outages()
    assert (outage.started, outage.back, outage.monitoring_gap, outage.duration) == (at(10), at(7233), 7200.0, 23.0)


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(an_outage_with_blind_time(), id="asleep in an outage"),
        pytest.param([*start(0), *rounds(UP, 1, 2, 3), SLEEP, *rounds(UP, 7231, 7232, 7233)], id="asleep while online"),
        pytest.param([*start(0), *rounds(UP, 1, 2, 3), *absence(3, 99), *rounds(DOWN, 100, 101, 102)], id="no agent"),
        pytest.param(
            [*start(0), MonitoringGapEnded(at(5), Timestamp(at(5).steady, 0.0), "the clock was set forward by 56 y")],
            id="clock",
        ),
    ],
)
def test_blind_events_are_decided_alike_again(tmp_path: Path, events: list[Event]) -> None:
    remember(tmp_path, events)
    with Reader(tmp_path / DATABASE_FILE) as reader:
        verification = verify_journal(reader)
    assert verification.difference is None
    verification.raise_if_failed()


@pytest.mark.parametrize(
    ("events", "seconds"),
    [
        pytest.param(start(0), 0, id="no round yet"),
        pytest.param([*start(0), *rounds(UP, 1, 2, 3)], 3, id="killed after a round"),
        pytest.param([*start(0), *rounds(UP, 1, 2, 3), stop(9)], 9, id="stopped in order"),
        pytest.param([*start(0), stop(9), *start(20)], 20, id="started again"),
    ],
)
def test_the_last_sign_of_life(tmp_path: Path, events: list[Event], seconds: float) -> None:
    remember(tmp_path, events)
    with opened(tmp_path / DATABASE_FILE) as journal:
        assert journal.last_sign_of_life() == at(seconds)


def test_where_no_agent_ever_ran_there_is_no_sign_of_life(tmp_path: Path) -> None:
    with opened(tmp_path / DATABASE_FILE) as journal:
        assert journal.last_sign_of_life() is None
