"""Somebody who is not the agent's user: reading works, and an order is refused with the name of whom to ask."""

import contextlib
import getpass
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.fakes.memories import live_through_an_outage
from tests.fakes.statefiles import with_reading_rights_only

from connmon_agent.cli import connmon_agent, history, operate, replay, start, status
from connmon_agent.presence import LOCK_FILE, AgentLock
from connmon_agent.runtime import build, logs
from connmon_agent.runtime.control_transports.unix_socket import FILE_NAME, short_path

pytestmark = pytest.mark.linux_alone(reason="users by number, and rights by mode")

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="users and rights of Unix")

# Commands import what they need when they are given, and somebody else may not be able to read the modules.
IMPORTED = (build, history, logs, operate, replay, start, status)
HINT = f"Run this as the agent's user, {getpass.getuser()}.\n"


@pytest.fixture
def state() -> Iterator[Path]:
    """A state directory with an outage in it, which everybody may read."""
    folder = Path(tempfile.mkdtemp(prefix="connmon-test-"))
    folder.chmod(0o755)
    live_through_an_outage(folder)
    with AgentLock(folder):
        pass
    (folder / "credentials").mkdir(mode=0o700)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@contextlib.contextmanager
def listening(folder: Path) -> Iterator[None]:
    """The lock and the socket of a running agent, for its own user only."""
    with AgentLock(folder), socket.socket(socket.AF_UNIX) as listener, short_path(folder) as path:
        listener.bind(path)
        (folder / FILE_NAME).chmod(0o600)
        listener.listen()
        yield


def see(folder: Path, *arguments: str, code: int, words: str) -> None:
    """Give a command as somebody else, and check its exit code and something that it says."""

    def work() -> None:
        settings = ["--state-dir", str(folder)]
        result = CliRunner().invoke(connmon_agent, [*settings, *arguments], env={"HOME": "/nowhere"})
        assert (result.exit_code, words in result.output) == (code, True), result.output

    assert with_reading_rights_only(folder, work) == 0


@pytest.mark.parametrize("command", ["replay", "history", "status"])
def test_reading_works(state: Path, command: str) -> None:
    see(state, command, code=3 if command == "status" else 0, words="2026")


def test_status_sees_that_the_agent_runs(state: Path) -> None:
    with listening(state):
        see(state, "status", "--json", code=0, words='"running": true')


def test_an_order_for_a_running_agent_is_refused(state: Path) -> None:
    with listening(state):
        see(state, "pause", code=1, words=HINT)


@pytest.mark.parametrize("command", ["pause", "start"])
def test_nobody_else_may_write_the_state(state: Path, command: str) -> None:
    see(state, command, code=1, words=f"Error: cannot write {state / LOCK_FILE}: Permission denied\n{HINT}")
