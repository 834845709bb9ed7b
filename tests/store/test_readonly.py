"""Whoever reads, and whatever became of the writer: every event is there, and nothing was written."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.fakes.statefiles import in_child, opened, tampered, tick, timestamp, with_reading_rights_only

from connmon_agent.core.steps import Step
from connmon_agent.errors import StoreError
from connmon_agent.store.reading import Reader


def write(path: Path) -> None:
    """Three events, the last of them still in the log."""
    with opened(path) as journal:
        journal.commit(tick(1), Step(journal.load()))
        journal.commit(tick(2), Step(journal.load()))
    with opened(path) as journal:
        journal.commit(tick(3), Step(journal.load()))
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def closed(path: Path) -> Iterator[None]:
    with killed(path), opened(path):
        pass
    yield


@contextmanager
def closed_with_an_empty_log(path: Path) -> Iterator[None]:
    with closed(path):
        path.with_name("connmon.db-wal").touch()
        yield


@contextmanager
def killed(path: Path) -> Iterator[None]:
    assert in_child(lambda: write(path)) == -signal.SIGKILL
    assert path.with_name("connmon.db-wal").stat().st_size
    yield


@contextmanager
def killed_and_its_index_lost(path: Path) -> Iterator[None]:
    with killed(path):
        path.with_name("connmon.db-shm").unlink()
        yield


@contextmanager
def alive(path: Path) -> Iterator[None]:
    with killed(path), opened(path):
        yield


SITUATIONS = [closed, closed_with_an_empty_log, killed, killed_and_its_index_lost, alive]


def read_everything(path: Path) -> None:
    with Reader(path) as reader:
        assert [recorded.at for recorded in reader.recorded()] == [timestamp(1), timestamp(2), timestamp(3)]
        assert reader.verify_chain() is None
        assert reader.world() is not None


@pytest.mark.linux_alone(reason="children that are forked")
@pytest.mark.parametrize("situation", SITUATIONS)
def test_by_the_agents_own_user(tmp_path: Path, situation: Callable[[Path], Iterator[None]]) -> None:
    path = tmp_path / "connmon.db"
    with situation(path):
        read_everything(path)


@pytest.mark.linux_alone(reason="children that are forked")
@pytest.mark.parametrize("situation", SITUATIONS)
def test_by_somebody_who_may_write_nothing(public_directory: Path, situation: Callable[[Path], Iterator[None]]) -> None:
    path = public_directory / "connmon.db"
    with situation(path):
        before = {file.name: file.read_bytes() for file in public_directory.iterdir() if file.suffix != ".db-shm"}
        assert with_reading_rights_only(public_directory, lambda: read_everything(path)) == 0
        assert before == {
            file.name: file.read_bytes() for file in public_directory.iterdir() if file.suffix != ".db-shm"
        }


@pytest.mark.linux_alone(reason="children that are forked")
@pytest.mark.parametrize("situation", SITUATIONS)
def test_on_a_copy_of_the_database_and_its_log(tmp_path: Path, situation: Callable[[Path], Iterator[None]]) -> None:
    path, copy = tmp_path / "connmon.db", tmp_path / "a copy #2?.db"
    with situation(path):
        shutil.copyfile(path, copy)
        if path.with_name("connmon.db-wal").exists():
            shutil.copyfile(path.with_name("connmon.db-wal"), copy.with_name(f"{copy.name}-wal"))
        read_everything(copy)


@pytest.mark.linux_alone(reason="children that are forked")
def test_a_private_copy_is_gone_afterwards(public_directory: Path) -> None:
    path = public_directory / "connmon.db"

    def work() -> None:
        with tempfile.TemporaryDirectory() as directory:
            tempfile.tempdir = directory
            with Reader(path) as reader:
                assert len(os.listdir(directory)) == 1, "the log forbids to read in place"
                assert reader.counts()[0] == 3
            assert os.listdir(directory) == []

    with killed_and_its_index_lost(path):
        assert with_reading_rights_only(public_directory, work) == 0


def test_what_a_live_agent_commits_is_seen_at_once(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with opened(path) as journal, Reader(path) as reader:
        for second in (1, 2, 3):
            journal.commit(tick(second), Step(journal.load()))
            assert reader.counts()[0] == second


def test_a_reader_in_the_middle_of_the_history_does_not_keep_the_log_long(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with opened(path) as journal:
        journal.commit(tick(1), Step(journal.load()))
        journal.commit(tick(2), Step(journal.load()))
        with Reader(path) as reader:
            events = reader.recorded()
            next(events)
            journal.close()
            assert path.with_name("connmon.db-wal").stat().st_size == 0
            assert [event.seq for event in events] == [2]


def write_letter(path: Path) -> None:
    path.write_text("Dear all,\n" * 500)


def make_directory(path: Path) -> None:
    path.mkdir()


def keep_bookmarks(path: Path) -> None:
    with tampered(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda path: None, "no state file at {path}. Start the agent, or set its state directory"),
        (Path.touch, "{path} is empty: no agent has written to it. Run"),
        (write_letter, "cannot read the memory in {path}: the file is not a database (SQLITE_NOTADB)"),
        (make_directory, "cannot read {path}: Is a directory"),
        (keep_bookmarks, "{path} is a database of another program. Use another state directory"),
    ],
    ids=["missing", "empty", "a letter", "a directory", "a browser's"],
)
def test_what_is_no_memory_is_refused_in_plain_words(
    tmp_path: Path, prepare: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "connmon.db"
    prepare(path)
    with pytest.raises(StoreError) as failure:
        Reader(path)
    assert str(failure.value).startswith(message.format(path=path))


@pytest.mark.linux_alone(reason="children that are forked")
def test_a_memory_that_may_not_be_read_says_so(public_directory: Path) -> None:
    path = public_directory / "connmon.db"

    def work() -> None:
        with pytest.raises(StoreError, match=r"cannot read .*: Permission denied\. Run the command as a user"):
            Reader(path)

    with closed(path):
        path.chmod(0)
        assert with_reading_rights_only(public_directory, work) == 0
