"""A process id alone names no process: only with its birth is one ended, and nothing else on the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from connmon_agent import processes
from connmon_agent.processes import find_birth, find_other_user, send_signal, spawn_detached

WAITING = [sys.executable, "-c", "import sys; print('here', flush=True); sys.stdin.read()"]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(WAITING, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline().strip() == b"here"
        yield process
        process.kill()


def test_a_birth_stays_and_differs_between_processes(child: subprocess.Popen[bytes]) -> None:
    assert find_birth(child.pid) == find_birth(child.pid) is not None
    assert find_birth(os.getpid()) not in (find_birth(child.pid), None)


@pytest.mark.linux_alone(reason="zombies")
def test_a_process_that_has_ended_has_no_birth_even_before_its_parent_takes_note(
    child: subprocess.Popen[bytes],
) -> None:
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie
    assert find_birth(child.pid) is None
    child.wait()
    assert find_birth(child.pid) is None


@pytest.mark.linux_alone(reason="the text in /proc")
def test_a_name_with_blanks_and_parentheses_hides_no_birth(tmp_path_factory: pytest.TempPathFactory) -> None:
    program = tmp_path_factory.mktemp("odd") / ") Z 1 (x"
    program.symlink_to(sys.executable)
    with subprocess.Popen([program, *WAITING[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline().strip() == b"here"
        birth = find_birth(process.pid)
        process.kill()
    assert birth is not None and birth.split("@")[0].isdigit()


@pytest.mark.linux_alone(reason="signals of Unix")
@pytest.mark.parametrize("handle", [True, False], ids=["by a process descriptor", "without process descriptors"])
def test_a_signal_reaches_the_process_of_that_birth_and_no_other(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, handle: bool
) -> None:
    if not handle:
        monkeypatch.delattr(processes.os, "pidfd_open")
    birth = find_birth(child.pid)
    assert birth is not None
    assert not send_signal(child.pid, f"1{birth}", signal.SIGKILL)
    assert child.poll() is None
    assert send_signal(child.pid, birth, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not send_signal(child.pid, birth, signal.SIGKILL)


@pytest.mark.linux_alone(reason="sessions and descriptors of Unix")
def test_a_detached_process_has_its_own_session_and_inherits_nothing() -> None:
    script = (
        "import os; os.umask(0o777 & (m := os.umask(0))); print(os.getpid() == os.getsid(0), oct(m), "
        "sorted(int(n) for n in os.listdir('/proc/self/fd'))[:3], os.readlink('/proc/self/fd/0'), "
        "len(os.listdir('/proc/self/fd')), os.environ['ONLY'])"
    )
    read, write = os.pipe()
    os.set_inheritable(write, True)
    process = spawn_detached([sys.executable, "-c", script], {"ONLY": "this"})
    try:
        words, _ = process.communicate()
        # the fourth is the one that lists them
        assert words.decode() == "True 0o22 [0, 1, 2] /dev/null 4 this\n"
    finally:
        os.close(read)
        os.close(write)


def test_what_a_detached_process_says_comes_to_its_starter() -> None:
    process = spawn_detached([sys.executable, "-c", "import sys; print('no', file=sys.stderr); sys.exit(5)"], {})
    words, _ = process.communicate()
    assert (words.strip(), process.returncode) == (b"no", 5)


def test_whoever_waits_for_a_word_gets_it_before_a_process_leaves_whatever_holds_it() -> None:
    script = """
import threading
from connmon_agent import processes
processes.before_leaving(lambda code: 1 / 0)
processes.before_leaving(lambda code: print("leaves with", code, flush=True))
threading.Timer(0.01, processes.leave, (7,)).start()
threading.Event().wait()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (7, "leaves with 7\n")


def test_this_process_runs_as_no_other_user() -> None:
    assert find_other_user(os.getpid()) is None
    assert find_other_user(2**22 + 1) is None  # no process


@pytest.mark.linux_alone(reason="the first process is root's")
def test_another_user_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert find_other_user(1) == "id 0"
