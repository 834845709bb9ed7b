"""Whether an agent runs is told by the kernel's lock, and by nothing that outlives a process."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connmon_agent.errors import AlreadyRunning, ConnmonError
from connmon_agent.presence import (
    AGENT_PATIENCE,
    LOCK_FILE,
    PAUSE,
    AgentLock,
    Holder,
    Signature,
    advise_on_user,
    find_agent,
    find_holder,
    name_owner,
)
from connmon_agent.processes import find_birth

AGENT = """
import subprocess
import sys
from pathlib import Path
from connmon_agent.presence import AgentLock

with AgentLock(Path(sys.argv[1])):
    if "with-child" in sys.argv:
        subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"])
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def agent_process(state_dir: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    source = Path(sys.modules["connmon_agent"].__path__[0]).parent
    with subprocess.Popen(
        [sys.executable, "-c", AGENT, str(state_dir), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(source), *sys.path])},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_nobody_runs_where_no_agent_ever_was(tmp_path: Path) -> None:
    assert find_agent(tmp_path) is None
    assert find_agent(tmp_path / "missing") is None
    assert list(tmp_path.iterdir()) == []


def test_a_running_agent_is_found_by_its_process_id(tmp_path: Path) -> None:
    with agent_process(tmp_path) as process:
        assert find_agent(tmp_path) == process.pid


def test_a_running_agent_is_found_with_its_birth_and_how_it_was_started(tmp_path: Path) -> None:
    signature = Signature("background", "/etc/connmon.yaml", "/var/log/connmon", 7.5)
    with AgentLock(tmp_path, signature=signature):
        assert find_holder(tmp_path) == Holder(os.getpid(), find_birth(os.getpid()), signature)
    assert find_holder(tmp_path) is None


@pytest.mark.parametrize(
    ("label", "pid"),
    [
        ('{"pid": 7}', 7),
        ('{"pid": 7, "birth": 5, "mode": [], "config": {}, "logs": 1, "stop_timeout": "soon"}', 7),
        ('{"pid": "7"}', 0),
        ("[7]", 0),
        ("7", 0),
        ("\x00", 0),
    ],
)
def test_of_a_label_that_is_malformed_or_of_another_version_only_what_is_sound_is_taken(
    tmp_path: Path, label: str, pid: int
) -> None:
    with AgentLock(tmp_path):
        (tmp_path / LOCK_FILE).write_text(label)
        assert find_holder(tmp_path) == Holder(pid)


def test_looking_takes_nothing_away(tmp_path: Path) -> None:
    with AgentLock(tmp_path):
        assert [find_agent(tmp_path) for _ in range(3)] == [os.getpid()] * 3
    with AgentLock(tmp_path, patience=0):
        assert find_agent(tmp_path) == os.getpid()


def test_an_agent_killed_without_mercy_no_longer_runs(tmp_path: Path) -> None:
    with agent_process(tmp_path) as process:
        process.kill()
        process.wait()
        assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == process.pid
        assert find_agent(tmp_path) is None
        with AgentLock(tmp_path, patience=0):
            assert find_agent(tmp_path) == os.getpid()


def test_an_agent_that_ends_in_order_gives_the_directory_back(tmp_path: Path) -> None:
    with AgentLock(tmp_path):
        pass
    assert find_agent(tmp_path) is None


def test_a_second_agent_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    with agent_process(tmp_path) as process:
        with pytest.raises(AlreadyRunning) as refusal, AgentLock(tmp_path, patience=0):
            pass
        assert (
            refusal.value.message == f"another agent (pid {process.pid}) already runs on the state directory {tmp_path}"
        )
        assert find_agent(tmp_path) == process.pid


def test_an_agent_waits_for_a_reader_to_look_away(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    with (tmp_path / LOCK_FILE).open("w") as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        holder = AgentLock(tmp_path, patience=0)
        with pytest.raises(AlreadyRunning, match="another agent already runs"):
            holder.acquire()
    holder.acquire()
    assert find_agent(tmp_path) == os.getpid()
    holder.release()


@pytest.mark.parametrize(
    ("mode", "acquired"), [("LOCK_SH", True), ("LOCK_EX", False)], ids=["a reader", "another agent"]
)
def test_a_reader_that_stands_still_is_waited_for_longer_than_an_agent(
    tmp_path: Path, mode: str, acquired: bool
) -> None:
    fcntl = pytest.importorskip("fcntl")
    waited = 0.0
    with (tmp_path / LOCK_FILE).open("w") as other:
        fcntl.flock(other, getattr(fcntl, mode))

        def sleep(seconds: float) -> None:
            nonlocal waited
            waited += seconds
            if waited > 10 * AGENT_PATIENCE:
                fcntl.flock(other, fcntl.LOCK_UN)

        holder = AgentLock(tmp_path, sleep=sleep)
        with contextlib.nullcontext() if acquired else pytest.raises(AlreadyRunning):
            holder.acquire()
            holder.release()
    assert waited == pytest.approx(10 * AGENT_PATIENCE if acquired else AGENT_PATIENCE, abs=2 * PAUSE)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"pid": "many"}', "\xff"], ids=["empty", "cut", "list", "word", "bytes"]
)
def test_a_lock_without_a_readable_signature_is_still_a_running_agent(tmp_path: Path, text: str) -> None:
    with AgentLock(tmp_path):
        (tmp_path / LOCK_FILE).write_text(text, encoding="latin-1")
        assert find_agent(tmp_path) == 0


@pytest.mark.linux_alone(reason="children with the descriptors of their parents")
def test_a_child_that_outlives_the_agent_does_not_hold_its_lock(tmp_path: Path) -> None:
    with agent_process(tmp_path, "with-child") as process:
        process.kill()
        process.wait()
        assert find_agent(tmp_path) is None


def test_a_state_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConnmonError, match=re.escape(f"cannot write {tmp_path / 'missing' / LOCK_FILE}: No such file")):
        AgentLock(tmp_path / "missing").acquire()


def test_who_may_what_this_user_may_not_is_named_as_on_the_platform(tmp_path: Path) -> None:
    advice = advise_on_user(tmp_path / LOCK_FILE, platform="linux")
    assert advice == f"Run this as the agent's user, {name_owner(tmp_path)}"
    assert "Open the console as administrator" in advise_on_user(tmp_path / LOCK_FILE, platform="win32")
