"""Killed at any instant, the memory holds what was promised: all of a commit or nothing of it."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

import pytest
from tests.fakes.statefiles import deciding, in_child, opened, tampered, tick, with_outage

from connmon_agent.core.steps import Step
from connmon_agent.store import journal as journal_module
from connmon_agent.store.reading import Reader


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def check_promises(path: Path, *, acknowledged: int) -> int:
    """That everything in the file belongs together, and how many events there are."""
    with Reader(path) as reader:
        events, _ = reader.counts()
        world = reader.world()
        assert reader.verify_chain() is None
        assert acknowledged <= events <= acknowledged + 1
        made = {service.intent.token for service in world.services.values() if service.intent}
        assert {row.token for row in reader.open_intents()} == made
        assert sum(row.restarts for row in reader.outages()) == max(0, events - 2)
        effects = [effect.token for recorded in reader.recorded() for effect in recorded.effects]
    with tampered(path) as connection:
        rows = connection.execute("SELECT name, steady, wall FROM timer").fetchall()
        assert [row[0] for row in connection.execute("SELECT token FROM intent ORDER BY seq")] == effects
    assert {name: (steady, wall) for name, steady, wall in rows} == world.timers
    with opened(path) as journal:
        assert journal.set_aside is None
        assert journal.load() == world
    return events


def begin(path: Path) -> None:
    """Event 1: the outage. Event 2: the first attempt."""
    with opened(path) as journal:
        world = with_outage(journal.load())
        journal.commit(tick(1), Step(world))
        journal.commit(tick(2), deciding(world, 1))


def count_statements(path: Path) -> int:
    statements: list[str] = []
    with opened(path, trace=statements.append) as journal:
        step = deciding(journal.load(), 2)
        statements.clear()
        journal.commit(tick(3), step)
        return len(statements)


@pytest.mark.linux_alone(reason="children that are forked")
def test_killed_before_every_statement_of_a_commit(tmp_path: Path) -> None:
    rehearsal = tmp_path / "rehearsal.db"
    begin(rehearsal)
    total = count_statements(rehearsal)
    assert total > 8
    for fatal in range(total):
        path = tmp_path / f"{fatal}.db"
        begin(path)

        def work(path: Path = path, fatal: int = fatal) -> None:
            seen: list[str] = []

            def trace(statement: str) -> None:
                seen.append(statement)
                if len(seen) == fatal + 1:
                    die()

            with opened(path, trace=trace) as journal:
                step = deciding(journal.load(), 2)
                seen.clear()
                journal.commit(tick(3), step)

        assert in_child(work) == -signal.SIGKILL
        assert check_promises(path, acknowledged=2) == 2, "not committed, so nothing of it may be there"


@pytest.mark.linux_alone(reason="children that are forked")
@pytest.mark.parametrize("copying", [False, True], ids=["", "the log copied between them"])
@pytest.mark.parametrize("survived", range(20))
def test_killed_between_two_commits_or_inside_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survived: int, copying: bool
) -> None:
    path = tmp_path / "connmon.db"
    begin(path)
    monkeypatch.setattr(journal_module, "COPY_AFTER", 1)
    receiving, sending = os.pipe()

    def work() -> None:
        with opened(path) as journal:
            world = journal.load()
            for number in itertools.count(2):  # until it is killed, however late
                step = deciding(world, number)
                journal.commit(tick(number + 1), step)
                os.write(sending, b".")
                world = step.world
                if copying:
                    journal.note_round(tick(number + 1).at, ())

    child = os.fork()
    if not child:
        os.close(receiving)
        try:
            work()
        finally:
            os._exit(1)
    os.close(sending)
    acknowledged = 2
    while acknowledged <= 2 + survived:
        acknowledged += len(os.read(receiving, 1))
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    while rest := os.read(receiving, 65536):
        acknowledged += len(rest)
    os.close(receiving)
    check_promises(path, acknowledged=acknowledged)


@pytest.mark.linux_alone(reason="children that are forked")
def test_killed_while_noting_a_round_and_while_copying_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "COPY_AFTER", 0)
    copying = ("PRAGMA wal_checkpoint(PASSIVE)", "PRAGMA synchronous = NORMAL")  # before it, and right after
    for fatal in ("COMMIT", "INSERT INTO latest_round", *copying, "PRAGMA wal_checkpoint(TRUNCATE)"):
        path = tmp_path / f"{len(fatal)}.db"
        begin(path)

        def work(path: Path = path, fatal: str = fatal) -> None:
            armed: list[bool] = []

            def trace(statement: str) -> None:
                if armed and statement.strip().startswith(fatal):
                    die()

            with opened(path, trace=trace) as journal:
                journal.load()
                armed.append(True)
                journal.note_round(tick(3).at, ())

        assert in_child(work) == -signal.SIGKILL
        check_promises(path, acknowledged=2)


@pytest.mark.linux_alone(reason="children that are forked")
def test_killed_while_the_file_is_made(tmp_path: Path) -> None:
    statements: list[str] = []
    with opened(tmp_path / "rehearsal.db", trace=statements.append):
        pass
    for fatal in range(0, len(statements), 3):
        path = tmp_path / f"{fatal}.db"

        def work(path: Path = path, fatal: int = fatal) -> None:
            seen: list[str] = []

            def trace(statement: str) -> None:
                seen.append(statement)
                if len(seen) == fatal + 1:
                    die()

            with opened(path, trace=trace):
                pass

        assert in_child(work) == -signal.SIGKILL
        begin(path)
        check_promises(path, acknowledged=2)
