"""One commit: what it writes, that it is one transaction, and what is refused."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from msgspec.structs import replace
from tests.fakes import values
from tests.fakes.statefiles import BOOT_ID, deciding, opened, resolved, restart, tampered, tick, timestamp, with_outage

from connmon_agent.core.events import AgentStarted, AgentStopped, Ordered, RoundFinished
from connmon_agent.core.observations import ProbeResult
from connmon_agent.core.steps import Step, Transition
from connmon_agent.core.world import Outage, ServiceState, World
from connmon_agent.errors import CommitError, InvariantError
from connmon_agent.store.journal import COPY_AFTER
from connmon_agent.store.layout import WORLDS
from connmon_agent.store.opening import LOG_KEPT, LONGEST_LOG
from connmon_agent.store.reading import Reader
from connmon_agent.store.records import AgentRow, OutageRow
from connmon_agent.store.snapshots import SnapshotWriter
from connmon_agent.store.writes import FILLED_UP

RESULTS = (
    ProbeResult("tcp 192.0.2.1:443", "tcp", True, 10.0),
    ProbeResult("dns 192.0.2.2", "dns", True, 20.0),
    ProbeResult("http", "http", False, None, "timed out"),
)
COPYING = "PRAGMA wal_checkpoint(PASSIVE)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "connmon.db"


# The world.


def test_a_fresh_memory_holds_a_fresh_world_with_a_name_of_its_own(tmp_path: Path) -> None:
    worlds = []
    for name in ("one.db", "two.db"):
        with opened(tmp_path / name) as journal:
            worlds.append(journal.load())
    assert worlds == [World(store=world.store) for world in worlds]
    assert worlds[0].store != worlds[1].store
    assert all(len(world.store) == 8 and world.store.isalnum() for world in worlds)


def test_the_name_is_made_once(path: Path) -> None:
    with opened(path) as journal:
        name = journal.load().store
    with opened(path) as journal:
        assert journal.load() == World(store=name)


@given(world=values.worlds, after=values.worlds)
@hypothesis_settings(max_examples=25, deadline=None)
def test_the_world_comes_back_as_it_was_committed(
    tmp_path_factory: pytest.TempPathFactory, world: World, after: World
) -> None:
    path = tmp_path_factory.mktemp("world") / "connmon.db"
    with opened(path) as journal:
        journal.commit(tick(1), Step(world))
        journal.commit(tick(2), Step(after))
        assert journal.load() == after
    with opened(path) as journal:
        assert journal.load() == after
    with tampered(path) as connection:
        timers = connection.execute("SELECT name, steady, wall FROM timer").fetchall()
    assert sorted(timers) == sorted((name, *due) for name, due in after.timers.items())


@given(world=values.worlds, after=values.worlds)
def test_what_is_encoded_in_pieces_is_the_text_of_the_whole(world: World, after: World) -> None:
    writer = SnapshotWriter()
    mixed = replace(after, plan=world.plan, link=world.link, services={**after.services, **world.services})
    assert [writer.to_text(each) for each in (world, mixed, after)] == [
        WORLDS.to_text(each) for each in (world, mixed, after)
    ]


# The transaction.


def test_the_world_is_filled_up_so_that_it_is_written_over_the_one_before(path: Path) -> None:
    lengths = set()
    with opened(path) as journal:
        world = journal.load()
        for words in ("", "short", "rather a longer reason"):
            world = replace(world, link=replace(world.link, reason=words))
            journal.commit(tick(len(words)), Step(world))
            with Reader(path) as reader:
                assert reader.world() == world
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
                lengths.add(connection.execute("SELECT length(world) FROM snapshot").fetchone()[0])
    assert len(lengths) == 1
    assert lengths.pop() % FILLED_UP == 0


def test_a_commit_is_one_transaction_that_waits_for_the_disk(path: Path) -> None:
    statements: list[str] = []
    with opened(path, trace=statements.append) as journal:
        world = with_outage(journal.load())
        statements.clear()
        journal.commit(tick(1), deciding(world, 1))
        words = [statement.split()[0] for statement in statements]
    assert (words[0], words[-1]) == ("BEGIN", "COMMIT")
    assert words.count("COMMIT") == 1
    assert "PRAGMA" not in words
    assert statements[0] == "BEGIN IMMEDIATE"


def test_the_settings_that_make_it_durable_are_in_force(path: Path) -> None:
    statements: list[str] = []
    with opened(path, trace=statements.append):
        pass
    log = ("wal_autocheckpoint = 2000", "journal_size_limit = 10000000")
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", *log):
        set_at = statements.index(f"PRAGMA {pragma}")
        assert statements[set_at + 1] == f"PRAGMA {pragma.split()[0]}", "set, and read back"


def test_events_are_numbered_without_gaps_and_dated_on_every_clock(path: Path) -> None:
    with opened(path) as journal:
        world = journal.load()
        assert [journal.commit(tick(second), Step(world)) for second in (1, 2, 3)] == [1, 2, 3]
    with opened(path) as journal:
        assert journal.commit(tick(4), Step(world)) == 4
    with Reader(path) as reader:
        last = list(reader.recorded())[-1]
    assert (last.seq, last.at, last.boottime, last.boot_id) == (4, timestamp(4), 77.5, BOOT_ID)


def test_a_step_is_recorded_as_it_was_taken(path: Path) -> None:
    taken = Transition("link", "link", "round_bad", "ONLINE", "DEGRADED", (("fallen", False),), ("note",), "no answer")
    with opened(path) as journal:
        world = replace(journal.load(), charts={"link": "a" * 64, "service": "b" * 64})
        step = Step(world, transitions=(taken,), notes=(("web", "postponed"),), refusal="it is paused already")
        event = Ordered(timestamp(1), "stop", (), "root (pid 9)")
        with pytest.raises(InvariantError, match=r"Invalid enum value 'stop' - at `\$\.order`"):
            journal.commit(event, step)
        journal.commit(tick(1), step)
    with Reader(path) as reader:
        (recorded,) = reader.recorded()
    assert (recorded.event, recorded.transitions, recorded.notes) == (tick(1), (taken,), (("web", "postponed"),))
    assert (recorded.refusal, recorded.charts) == ("it is paused already", {"link": "a" * 64})


# Intents.


def test_an_intent_is_open_until_it_is_settled(path: Path) -> None:
    with opened(path) as journal, Reader(path) as reader:
        step = deciding(with_outage(journal.load()), 1)
        journal.commit(tick(1), step)
        (row,) = reader.open_intents()
        assert (row.seq, row.outage, row.attempt, row.restart) == (1, 1, 1, step.effects[0])
        journal.commit(tick(2), Step(step.world, resolutions=(resolved(row.token),)))
        assert reader.open_intents() == []


def test_a_request_sent_again_is_the_same_intent(path: Path) -> None:
    with opened(path) as journal, Reader(path) as reader:
        step = deciding(with_outage(journal.load()), 1)
        journal.commit(tick(1), step)
        journal.commit(tick(2), Step(step.world, effects=(replace(step.effects[0], again=True),)))
        assert [row.seq for row in reader.open_intents()] == [1]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda world: Step(world, resolutions=(resolved("never-made"),)), "settles never-made of web"),
        (lambda world: Step(world, effects=(restart("a", "ghost"),)), "restarts ghost"),
        (
            lambda world: Step(replace(world, store="x" * 3, tokens=float("nan"))),
            "Expected `int`, got `null` - at `\\$.tokens`",
        ),
        (lambda world: Step(replace(world, timers={"\udc80": timestamp(1)})), "surrogates not allowed"),
        (lambda world: Step(with_outage(world, id=2**63)), "too large"),
    ],
    ids=["settling what is not open", "a service unknown", "a number that is none", "half a character", "too large"],
)
def test_a_step_that_contradicts_the_memory_leaves_no_trace(path: Path, step, words: str) -> None:
    with opened(path) as journal, Reader(path) as reader:
        world = with_outage(journal.load())
        journal.commit(tick(1), Step(world))
        with pytest.raises(InvariantError, match=words):
            journal.commit(tick(2), step(world))
        assert reader.counts()[0] == 1
        assert journal.load() == reader.world() == world
        assert journal.commit(tick(3), Step(world)) == 2


# Outages.


def test_the_history_of_an_outage_follows_the_world(path: Path) -> None:
    with opened(path) as journal, Reader(path) as reader:
        world = with_outage(journal.load())
        journal.commit(tick(10), Step(world))
        assert reader.outage(1) == OutageRow(
            1, timestamp(10), None, None, "no answer from 192.0.2.1", False, 0, 0, "offline"
        )
        world = with_outage(world, back=timestamp(40), relapses=2)
        step = deciding(world, 1)
        journal.commit(tick(40), step)
        journal.commit(tick(41), deciding(step.world, 2))
        row = reader.outage(1)
        assert (row.result, row.back, row.relapses, row.restarts, row.duration) == (
            "recovering",
            timestamp(40),
            2,
            1,
            30.0,
        )


@pytest.mark.parametrize(
    ("states", "recovered", "result"),
    [
        ({"web": ServiceState.READY, "db": ServiceState.READY}, None, "recovered"),
        ({"web": ServiceState.GAVE_UP, "db": ServiceState.READY}, None, "gave up: web"),
        ({"web": ServiceState.GAVE_UP, "db": ServiceState.GAVE_UP}, None, "gave up: web, db"),
        ({"web": ServiceState.UNKNOWN, "db": ServiceState.READY}, None, "skipped: web"),
        ({"web": ServiceState.UNKNOWN, "db": ServiceState.GAVE_UP}, None, "gave up: db; skipped: web"),
        ({"web": ServiceState.GAVE_UP, "db": ServiceState.READY}, ("db",), "recovered"),
        ({"web": ServiceState.READY}, ("web", "no longer configured"), "recovered"),
    ],
)
def test_the_result_of_an_outage_stands_once_it_has_ended(
    path: Path, states: dict[str, ServiceState], recovered: tuple[str, ...] | None, result: str
) -> None:
    with opened(path) as journal, Reader(path) as reader:
        journal.commit(tick(10), Step(with_outage(journal.load())))
        world = with_outage(
            journal.load(), back=timestamp(20), ended=timestamp(30), services=recovered, by_operator=True
        )
        services = {name: replace(world.services[name], state=state) for name, state in states.items()}
        journal.commit(tick(30), Step(replace(world, services=services)))
        rearmed = {name: replace(service, state=ServiceState.READY) for name, service in services.items()}
        journal.commit(tick(99), Step(replace(world, services=rearmed)))
        (row,) = reader.outages()
    assert (row.result, row.ended, row.by_operator, row.duration) == (result, timestamp(30), True, 20.0)


def test_a_recovery_that_an_outage_overtakes_has_ended(path: Path) -> None:
    with opened(path) as journal, Reader(path) as reader:
        ordered = with_outage(journal.load(), back=timestamp(10), by_operator=True)
        journal.commit(tick(10), Step(ordered))
        journal.commit(tick(20), Step(replace(ordered, outage=Outage(2, timestamp(18), "no-carrier"))))
        overtaken, running = reader.outages()
    assert (overtaken.result, overtaken.ended) == ("overtaken by outage 2", timestamp(20))
    assert (running.result, running.ended) == ("offline", None)


def test_a_recovery_that_was_overtaken_under_an_older_agent_has_ended_too(path: Path) -> None:
    """It left the row as it was: recovering, without an end."""
    with opened(path) as journal:
        ordered = with_outage(journal.load(), back=timestamp(10), by_operator=True)
        journal.commit(tick(10), Step(ordered))
        journal.commit(tick(20), Step(replace(ordered, outage=Outage(2, timestamp(18), "no-carrier"))))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE outage SET ended_steady = NULL, ended_wall = NULL, result = 'recovering'")
    with Reader(path) as reader:
        overtaken, running = reader.outages()
        assert (overtaken.result, overtaken.ended) == ("overtaken by outage 2", timestamp(18))
        assert (running.result, running.ended) == ("recovering", None)
        assert reader.outage(1) == overtaken


# The agent and the rounds.


def test_the_agents_row_tells_who_runs_and_whether_it_ended_in_order(path: Path) -> None:
    with opened(path) as journal, Reader(path) as reader:
        world = Step(journal.load())
        assert reader.agent() is None
        journal.commit(AgentStarted(timestamp(1), 4711, "0.1.0", BOOT_ID), world)
        journal.note_round(timestamp(5), RESULTS)
        assert reader.agent() == AgentRow(4711, "0.1.0", timestamp(1), timestamp(5), None)
        journal.commit(AgentStopped(timestamp(6), "SIGTERM"), world)
        assert reader.agent() == AgentRow(4711, "0.1.0", timestamp(1), timestamp(5), timestamp(6))
        journal.commit(AgentStarted(timestamp(9), 4712, "0.1.0", BOOT_ID), world)
        assert reader.agent() == AgentRow(4712, "0.1.0", timestamp(9), timestamp(9), None)


@pytest.mark.parametrize("decides", [True, False], ids=["committed", "noted"])
def test_the_newest_round_is_remembered(path: Path, decides: bool) -> None:
    with opened(path) as journal, Reader(path) as reader:
        assert reader.latest_round() is None
        if decides:
            journal.commit(RoundFinished(timestamp(3), RESULTS), Step(journal.load()))
        else:
            journal.note_round(timestamp(3), RESULTS)
        latest = reader.latest_round()
    assert (latest.at, latest.results, latest.loss, latest.latency_ms) == (timestamp(3), RESULTS, 1 / 3, 15.0)


def test_a_round_without_an_answer_has_no_latency(path: Path) -> None:
    with opened(path) as journal, Reader(path) as reader:
        journal.note_round(timestamp(3), RESULTS[2:])
        assert (reader.latest_round().loss, reader.latest_round().latency_ms) == (1.0, None)


def test_noting_a_round_does_not_wait_for_the_disk_and_the_next_commit_does(path: Path) -> None:
    statements: list[str] = []
    with opened(path, trace=statements.append) as journal:
        statements.clear()
        journal.note_round(timestamp(1), RESULTS)
        journal.commit(tick(2), Step(journal.load()))
    pragmas = [(index, text) for index, text in enumerate(statements) if "synchronous" in text]
    assert [text for _, text in pragmas[:3]] == [
        "PRAGMA synchronous = NORMAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA synchronous",
    ]
    noted, decided = (index for index, text in enumerate(statements) if text == "COMMIT")
    assert pragmas[0][0] < noted < pragmas[1][0] < pragmas[2][0] < decided


def test_a_round_that_cannot_be_written_leaves_the_journal_durable(path: Path) -> None:
    statements: list[str] = []
    with opened(path, trace=statements.append) as journal:
        with pytest.raises(InvariantError):
            journal.note_round(timestamp(1), [replace(RESULTS[0], latency_ms=float("nan"))])
        assert statements[-1] == "PRAGMA synchronous"
        assert journal.commit(tick(2), Step(journal.load())) == 1


def test_the_log_is_copied_by_rounds_and_not_by_decisions(path: Path) -> None:
    statements: list[str] = []
    with opened(path, trace=statements.append) as journal:
        world = journal.load()
        for number in range(COPY_AFTER):
            journal.commit(tick(number), Step(world))
        assert COPYING not in statements
        statements.clear()
        journal.note_round(timestamp(300), RESULTS)
        assert statements[:2] == [COPYING, "PRAGMA synchronous = NORMAL"], "first, so that no decision pays for it"
        journal.note_round(timestamp(301), RESULTS)
        assert statements.count(COPYING) == 1
        assert journal.commit(tick(302), Step(world)) == COPY_AFTER + 1
    with Reader(path) as reader:
        assert (reader.counts()[0], reader.verify_chain()) == (COPY_AFTER + 1, None)


def test_a_copied_log_is_written_again_from_its_beginning(path: Path) -> None:
    log = path.with_name("connmon.db-wal")
    with opened(path) as journal:
        lengths = []
        for _ in range(4):
            for second in range(COPY_AFTER):
                journal.note_round(timestamp(second), RESULTS)
            lengths.append(log.stat().st_size)
    assert lengths[0] > 0
    assert lengths[1:] == [lengths[1]] * 3


def test_a_log_that_a_reader_holds_is_copied_when_it_has_gone(path: Path) -> None:
    statements: list[str] = []
    with opened(path, trace=statements.append) as journal:
        journal.commit(tick(1), Step(journal.load()))
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM event").fetchone() == (1,)
            for second in range(COPY_AFTER + 2):
                journal.note_round(timestamp(second), RESULTS)
            assert statements.count(COPYING) >= 2, "tried again at every round"
            journal.commit(tick(2), Step(journal.load()))
            assert reader.execute("SELECT count(*) FROM event").fetchone() == (1,)
        statements.clear()
        journal.note_round(timestamp(900), RESULTS)
        journal.note_round(timestamp(901), RESULTS)
        assert statements.count(COPYING) == 1
    with Reader(path) as kept:
        assert (kept.counts()[0], kept.verify_chain()) == (2, None)


def test_decisions_without_a_quiet_moment_leave_the_copying_to_sqlite(path: Path) -> None:
    log = path.with_name("connmon.db-wal")
    with opened(path) as journal:
        world = journal.load()
        for second in range(60):
            world = replace(world, link=replace(world.link, reason=str(second % 10) * 200_000))
            journal.commit(tick(second), Step(world))
        assert LONGEST_LOG * 4096 < log.stat().st_size < LOG_KEPT
    with Reader(path) as reader:
        assert (reader.counts()[0], reader.verify_chain()) == (60, None)


def test_closing_leaves_one_file(path: Path) -> None:
    with opened(path) as journal:
        journal.commit(tick(1), Step(journal.load()))
    assert [file.name for file in path.parent.iterdir()] == ["connmon.db"]


def test_a_deadline_that_stands_is_not_written_again(path: Path) -> None:
    statements: list[str] = []
    with opened(path, trace=statements.append) as journal:
        world = replace(journal.load(), timers={"a": timestamp(1), "b": timestamp(2), "c": timestamp(3)})
        journal.commit(tick(1), Step(world))
        statements.clear()
        journal.commit(tick(2), Step(replace(world, timers={"a": timestamp(1), "b": timestamp(9)})))
    touched = [text for text in statements if "timer" in text.split("VALUES")[0] and "event" not in text]
    assert [text.split()[0] for text in touched] == ["DELETE", "INSERT"]
    assert "'c'" in touched[0]
    assert "'b'" in touched[1]


# Charts and anchors.


def test_a_chart_is_kept_under_its_hash(path: Path) -> None:
    with opened(path) as journal, Reader(path) as reader:
        assert journal.load_chart("a" * 64) is None
        journal.save_chart("link", "a" * 64, "name: link\n")
        journal.save_chart("link", "a" * 64, "something else")
        assert journal.load_chart("a" * 64) == reader.chart_text("a" * 64) == "name: link\n"
        assert reader.chart_text("b" * 64) is None


@pytest.mark.parametrize("durable", [True, False])
def test_anchors_outlive_the_agent(path: Path, durable: bool) -> None:
    statements: list[str] = []
    with opened(path, trace=statements.append) as journal:
        statements.clear()
        assert journal.meta_get("boot_id") is None
        journal.meta_set({"boot_id": BOOT_ID, "boot_offset": "12.5"}, durable=durable)
        assert ("PRAGMA synchronous = NORMAL" not in statements) == durable
        journal.meta_set({"boot_offset": "13.5"}, durable=durable)
    with opened(path) as journal:
        assert (journal.meta_get("boot_id"), journal.meta_get("boot_offset")) == (BOOT_ID, "13.5")


# After a failure.


def test_a_closed_journal_refuses_every_call(path: Path) -> None:
    with opened(path) as journal:
        world = journal.load()
    for call in (
        journal.load,
        lambda: journal.commit(tick(1), Step(world)),
        lambda: journal.note_round(timestamp(1), RESULTS),
        lambda: journal.meta_get("boot_id"),
    ):
        with pytest.raises(CommitError, match="must be opened again"):
            call()


def test_a_failed_commit_is_of_unknown_outcome_until_the_file_was_read_again(path: Path) -> None:
    with opened(path) as journal, tampered(path) as other:
        world = journal.load()
        other.execute("DROP TABLE timer")
        with pytest.raises(CommitError, match=f"cannot record event 1 in {re.escape(str(path))}: .*no such table"):
            journal.commit(tick(1), Step(replace(world, timers={"a": timestamp(1)})))
        with pytest.raises(CommitError, match="must be opened again"):
            journal.commit(tick(1), Step(world))
        other.execute("CREATE TABLE timer (name TEXT PRIMARY KEY, steady REAL, wall REAL)")
        other.close()
        assert journal.reopen() == world
        assert journal.commit(tick(1), Step(world)) == 1


def test_a_file_that_was_taken_back_in_time_is_found_at_the_next_opening(path: Path) -> None:
    with opened(path) as journal:
        journal.commit(tick(1), Step(journal.load()))
        name = journal.load().store
    with tampered(path) as other:
        other.execute("DELETE FROM snapshot")
    with opened(path) as journal:
        assert journal.damage == "the world and the last event do not belong together"
        assert journal.set_aside == path.with_name("connmon.db.corrupt-20260921T141320Z")
        assert journal.load().store != name
