"""The counters in the state file: they survive the agent, and tell of no more than is written."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.fakes.memories import live_through_an_outage
from tests.fakes.mornings import DNS, TCP, at
from tests.fakes.statefiles import BOOT_ID, deciding, in_child, opened, tampered, tick, timestamp, with_outage

from connmon_agent.core.counters import Counters, LineCounters
from connmon_agent.core.events import AgentStopped
from connmon_agent.core.observations import Traffic
from connmon_agent.core.steps import Step
from connmon_agent.errors import StoreError
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.journal import SqliteJournal
from connmon_agent.store.reading import Reader

ROUND = (TCP, DNS)


def read(folder: Path) -> tuple[Counters, LineCounters]:
    with Reader(folder / DATABASE_FILE) as reader:
        return reader.counters()


def test_an_outage_and_its_restarts_are_counted_as_the_history_has_them(tmp_path: Path) -> None:
    world = live_through_an_outage(tmp_path)
    counters, _ = read(tmp_path)
    assert world.outage is not None
    assert counters.outages == {world.outage.cause: 1}
    assert counters.restarts == {"frontend": {"applied": 1}, "grafana": {"applied": 1}}
    with Reader(tmp_path / DATABASE_FILE) as reader:
        assert sum(row.restarts for row in reader.outages()) == 2
        assert reader.born() == at(0).wall
    assert counters.seconds == {"STARTING": 3.0, "ONLINE": 9.0, "DEGRADED": 2.0, "OFFLINE": 180.0, "RECOVERING": 29.0}
    assert sum(counters.seconds.values()) == 223.0


def note(journal: SqliteJournal, second: float) -> None:
    journal.note_round(timestamp(second), ROUND, probed=ROUND)
    journal.note_traffic(timestamp(second), [Traffic("web", received=int(second), open=1)])


def live_and_die(path: Path, how: Callable[[SqliteJournal], object]) -> Callable[[], None]:
    def life() -> None:
        journal = SqliteJournal.open(path, boottime=lambda: 1.0, boot_id=BOOT_ID)
        journal.commit(tick(1), Step(with_outage(journal.load())))
        note(journal, 2)
        note(journal, 5)
        how(journal)
        os.kill(os.getpid(), signal.SIGKILL)

    return life


@pytest.mark.linux_alone(reason="children that are forked")
def test_a_killed_agents_counters_go_on_where_they_were(tmp_path: Path) -> None:
    path = tmp_path / DATABASE_FILE
    assert in_child(live_and_die(path, lambda journal: None)) == -signal.SIGKILL
    with opened(path) as journal:
        counters, lines = journal.counted
        assert counters.outages == {"other": 1}
        assert counters.seconds == {"STARTING": 4.0}
        assert {name: counters.probes for name, counters in lines.probes.items()} == {one.name: 2 for one in ROUND}
        assert (lines.flows["web"].received, lines.flows["web"].open) == (5, 0)
        journal.note_traffic(timestamp(9), [Traffic("web", received=3)])
        assert journal.counted[1].flows["web"].received == 8


@pytest.mark.parametrize(("stopped", "kept"), [(False, False), (True, True)])
def test_after_a_power_cut_what_rounds_count_begins_anew_and_after_a_reboot_in_order_it_goes_on(
    tmp_path: Path, stopped: bool, kept: bool
) -> None:
    """A counter that lost its last minutes would count as one that began at zero, with all of its past at once."""
    live_through_an_outage(tmp_path)
    path = tmp_path / DATABASE_FILE
    with closing(SqliteJournal.open(path, boottime=lambda: 1.0, boot_id="boot-1")) as journal:
        note(journal, 300)
        if stopped:
            journal.commit(AgentStopped(timestamp(301), "SIGTERM"), Step(journal.load()))
    before, lines_before = read(tmp_path)
    with closing(SqliteJournal.open(path, boottime=lambda: 1.0, boot_id="boot-2", wall=lambda: 77.0)) as journal:
        counters, lines = journal.counted
    assert (counters.outages, counters.restarts, counters.monitoring_gap) == (
        before.outages,
        before.restarts,
        before.monitoring_gap,
    )
    assert (counters.seconds == before.seconds) is kept
    assert (lines.probes == lines_before.probes) is kept
    assert (counters.since == 77.0) is not kept


def test_what_could_not_be_written_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / DATABASE_FILE) as journal:
        note(journal, 2)
        before = journal.counted
        monkeypatch.setattr(journal, "_in_order", False)
        with pytest.raises(StoreError):
            note(journal, 5)
        assert journal.counted == before
        journal.reopen()
        assert journal.counted[0].seconds == before[0].seconds
        assert journal.counted[1].probes == before[1].probes


def test_a_commit_that_changes_no_counter_writes_none(tmp_path: Path) -> None:
    statements: list[str] = []
    with opened(tmp_path / DATABASE_FILE, trace=statements.append) as journal:
        world = with_outage(journal.load())
        journal.commit(tick(1), Step(world))
        statements.clear()
        journal.commit(tick(2), deciding(world, 1))
    assert not [statement for statement in statements if "INTO meta" in statement]


def test_the_file_of_an_older_agent_begins_with_what_its_history_tells(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    before, _ = read(tmp_path)
    with tampered(tmp_path / DATABASE_FILE) as connection:
        connection.execute("DELETE FROM meta WHERE key IN ('tallies', 'line_tallies')")
        connection.execute("UPDATE outage SET cause = 'no answer from 192.0.2.1'")
    counters, lines = read(tmp_path)
    assert (counters.outages, counters.restarts) == ({"other": 1}, before.restarts)
    assert (counters.seconds, lines) == ({}, LineCounters())


def test_counters_that_cannot_be_decoded_cost_no_memory(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    with tampered(tmp_path / DATABASE_FILE) as connection:
        connection.execute("UPDATE meta SET value = '{' WHERE key IN ('tallies', 'line_tallies')")
    with opened(tmp_path / DATABASE_FILE) as journal:
        assert (journal.damage, journal.counted[0].restarts["grafana"]) == (None, {"applied": 1})
