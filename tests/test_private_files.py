"""Others may not touch what the agent writes, whatever the umask says, but for one group that may read it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.memories import live_through_an_outage
from tests.fakes.statefiles import SOMEBODY_ELSE, in_child

from connmon_agent.core.events import Order
from connmon_agent.core.world import World
from connmon_agent.errors import ConnmonError
from connmon_agent.presence import AgentLock, find_agent
from connmon_agent.private_files import admit, find_group, make_folder
from connmon_agent.runtime.build import admit_readers, open_memory
from connmon_agent.runtime.endpoint_files import EndpointFiles
from connmon_agent.runtime.logs import Log
from connmon_agent.runtime.order_recording import record_order
from connmon_agent.settings import LoggingSettings
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader

pytestmark = pytest.mark.linux_alone(reason="rights by mode")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes and groups of Unix")
needs_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root, to be somebody else")


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=["umask 0", "umask 22", "umask 77"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes_in(folder: Path) -> dict[str, int]:
    """The mode of everything below ``folder``, by its name."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}


def work_in(folder: Path, group: int | None = None) -> dict[str, int]:
    """The modes of all that an agent writes into ``folder`` while it runs."""
    with open_memory(folder):
        admit_readers(folder, group)
        EndpointFiles(folder, complain=print).publish(World(store=""))
        return modes_in(folder)


def test_all_state_is_the_owners_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    folder = tmp_path / "new" / "state"
    modes = work_in(folder)
    assert {name for name in modes if name != "credentials"} >= {"agent.lock", "connmon.db", "connmon.db-wal"}
    assert {mode for name, mode in modes.items() if name != "credentials"} == {0o600}
    assert {modes["credentials"], stat.S_IMODE(folder.stat().st_mode)} == {0o700}
    assert not stat.S_IMODE(folder.parent.stat().st_mode) & 0o022


def test_what_an_older_agent_left_open_is_closed(tmp_path: Path) -> None:
    work_in(tmp_path)
    for name in ("agent.lock", "connmon.db", "endpoints.json"):
        (tmp_path / name).chmod(0o666)
    for name in ("connmon.db-wal", "connmon.db-shm"):
        (tmp_path / name).touch(0o666)
    modes = work_in(tmp_path)
    assert {mode for name, mode in modes.items() if name != "credentials"} == {0o600}


def test_nobody_but_the_owner_may_write_the_log(tmp_path: Path, umask: int) -> None:
    log = Log(LoggingSettings(dir=tmp_path / "logs", console=False))
    log.close()
    assert not any(mode & 0o022 for mode in modes_in(tmp_path).values())


def test_a_group_may_read_and_nobody_else(tmp_path: Path, umask: int) -> None:
    folder = tmp_path / "state"
    modes = work_in(folder, os.getgid())
    assert {mode for name, mode in modes.items() if name != "credentials"} == {0o640}
    assert (modes["credentials"], stat.S_IMODE(folder.stat().st_mode)) == (0o700, 0o750)
    assert {path.stat().st_gid for path in folder.iterdir()} == {os.getgid()}


def test_a_group_that_is_taken_out_again_may_read_no_more(tmp_path: Path) -> None:
    work_in(tmp_path, os.getgid())
    assert {mode for name, mode in work_in(tmp_path).items() if name != "credentials"} == {0o600}


def test_a_group_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConnmonError, match="this machine has no group nosuchgroup"):
        find_group("nosuchgroup")


def test_an_order_without_an_agent_leaves_the_group_its_right(tmp_path: Path) -> None:
    work_in(tmp_path, os.getgid())
    record_order(tmp_path, Order.PAUSE, (), by="me")
    assert {mode for name, mode in modes_in(tmp_path).items() if name.startswith("connmon.db")} == {0o640}


@needs_root
@pytest.mark.parametrize("name", ["agent.lock", "connmon.db", "connmon.db-wal", "connmon.db-shm"])
def test_somebody_else_can_lock_nothing(tmp_path: Path, name: str) -> None:
    tmp_path.chmod(0o755)
    live_through_an_outage(tmp_path)
    with open_memory(tmp_path):

        def lock() -> None:
            os.setgroups([])
            os.setgid(SOMEBODY_ELSE)
            os.setuid(SOMEBODY_ELSE)
            with pytest.raises(PermissionError):
                os.open(tmp_path / name, os.O_RDONLY)

        assert in_child(lock) == 0


@needs_root
def test_a_member_of_the_group_sees_the_running_agent_and_what_it_wrote(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    make_folder(folder)
    live_through_an_outage(folder)
    with open_memory(folder):
        admit(folder, [path for path in folder.iterdir() if path.is_file()], SOMEBODY_ELSE)

        def read() -> None:
            os.setgroups([])
            os.setgid(SOMEBODY_ELSE)
            os.setuid(SOMEBODY_ELSE)
            assert find_agent(folder) == os.getppid()
            with Reader(folder / DATABASE_FILE) as reader:
                assert reader.counts()[0] > 0

        for parent in folder.parents:
            if parent.is_relative_to("/tmp"):
                parent.chmod(parent.stat().st_mode | 0o011)
        assert in_child(read) == 0


def test_the_lock_of_an_agent_takes_the_rights_of_others_back(tmp_path: Path) -> None:
    (tmp_path / "agent.lock").touch()
    (tmp_path / "agent.lock").chmod(0o644)
    with AgentLock(tmp_path):
        assert stat.S_IMODE((tmp_path / "agent.lock").stat().st_mode) == 0o640


def test_a_group_is_found_by_its_name() -> None:
    import grp

    assert find_group(grp.getgrgid(os.getgid()).gr_name) == os.getgid()
