"""A follower hears of each commit, and of another file in the place of the first."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest
from tests.fakes.statefiles import is_root, opened, tampered, tick, with_outage, with_reading_rights_only

from connmon_agent.core.steps import Step
from connmon_agent.core.world import World
from connmon_agent.errors import StoreError
from connmon_agent.presence import AgentLock
from connmon_agent.store.following import Follower


def test_it_hears_of_each_commit_and_of_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with closing(Follower(path)) as follower:
        assert follower.look() is None  # there is none yet
        with opened(path) as journal:
            before = follower.look()
            assert before is not None and follower.look() == before
            for second in range(1, 4):
                journal.commit(tick(second), Step(with_outage(World(store=journal.load().store))))
                assert follower.look() not in (before, None)
                before = follower.look()


def test_it_keeps_no_transaction_open(tmp_path: Path) -> None:
    """The writer can take all of its log over into the database while somebody follows."""
    path = tmp_path / "connmon.db"
    with opened(path) as journal, closing(Follower(path)) as follower:
        follower.look()
        journal.commit(tick(1), Step(with_outage(World(store=journal.load().store))))
        follower.look()
        with tampered(path) as connection:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert busy == 0


@pytest.mark.linux_alone(reason="Windows replaces no file that is open")
def test_another_file_in_its_place_is_another_one(tmp_path: Path) -> None:
    path, other = tmp_path / "connmon.db", tmp_path / "other.db"
    for one in (path, other):
        with opened(one):
            pass
    with closing(Follower(path)) as follower:
        before = follower.look()
        os.replace(other, path)
        assert follower.look() not in (before, None)
        path.unlink()
        assert follower.look() is None


def test_what_is_no_state_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    path.write_bytes(b"no database " * 1000)
    with closing(Follower(path)) as follower, pytest.raises(StoreError, match="not a database"):
        follower.look()


@pytest.mark.linux_alone(reason="users by number, and rights by mode")
@pytest.mark.skipif(not is_root(), reason="only root can become somebody else")
def test_somebody_who_may_only_read_follows_too(public_directory: Path) -> None:
    path = public_directory / "connmon.db"
    with opened(path) as journal:
        journal.commit(tick(1), Step(with_outage(World(store=journal.load().store))))
    with AgentLock(public_directory):
        pass

    def work() -> None:
        with closing(Follower(path)) as follower:
            assert follower.look() == follower.look() is not None

    assert with_reading_rights_only(public_directory, work) == 0
