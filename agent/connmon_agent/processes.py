"""Processes of this machine: which one a number means, ending it, and starting one that outlives its starter.

A process id is used again once its process has ended. What names a process for good is its id and its birth.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import subprocess

PROGRAM = "connmon-agent"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STATE, _START_TIME = 0, 19  # fields 3 and 22 of proc_pid_stat(5), counted from the end of the name
_GONE = ("Z", "X")  # a zombie runs no more: only its exit code is left, for its parent
# The exit code that asks the service manager to start the agent again: EX_TEMPFAIL of sysexits(3). Service managers
# restart what fails, and leave alone what ends with 0.
AGAIN = 75
UMASK = 0o022  # of a process that outlives its starter: the rights of its logs must not depend on who started it

_last_words: list[Callable[[int], object]] = []


def before_leaving(say: Callable[[int], object]) -> None:
    """Have ``say`` called with the exit code when ``leave`` ends this process: whoever started it may need a word."""
    _last_words.append(say)


def leave(code: int) -> NoReturn:
    """End this process now, from any thread, whatever holds the others: to the state file that is a kill."""
    for say in _last_words:
        with contextlib.suppress(Exception):  # the end must not fail
            say(code)
    os._exit(code)


def find_birth(pid: int) -> str | None:
    """When the process ``pid`` was created, as an opaque text that no other process with this id has, in any boot.

    None: there is no such process, it has ended, or this system does not tell.
    """
    if sys.platform == "linux":
        return _find_birth_in_proc(pid)
    import psutil  # costs memory, and Linux has /proc

    with contextlib.suppress(psutil.Error, OSError, ValueError):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return f"{process.create_time():.2f}"
    return None


def _find_birth_in_proc(pid: int) -> str | None:
    """Ticks since boot, and the boot: unlike a wall time they do not move when the clock is set."""
    try:
        text = Path(f"/proc/{pid:d}/stat").read_text(encoding="utf-8", errors="replace")
        fields = text.rpartition(")")[2].split()  # the name may hold blanks and parentheses
        if fields[_STATE] in _GONE:
            return None
        return f"{fields[_START_TIME]}@{_BOOT_ID.read_text(encoding='ascii').strip()}"
    except (OSError, IndexError, ValueError):
        return None


def find_user(pid: int) -> int | None:
    """The id of the user as whom the process ``pid`` runs; None: there is no such process, or the system has no ids."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return os.stat(f"/proc/{pid:d}").st_uid
    elif sys.platform != "win32":
        import psutil  # costs memory, and Linux has /proc

        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(pid).uids().effective)
    return None


def find_other_user(pid: int) -> str | None:
    """As whom the process ``pid`` runs where that is another user than this process's; None: the same, or not known."""
    if sys.platform == "win32":
        import psutil  # costs memory, and Linux has /proc

        with contextlib.suppress(psutil.Error, OSError):
            other, own = psutil.Process(pid).username(), psutil.Process().username()
            return None if other.casefold() == own.casefold() else other  # Windows compares names in any case
        return None
    user = find_user(pid)
    return None if user is None or user == os.geteuid() else f"id {user}"


def has_open(pid: int, path: Path) -> bool:
    """Whether the process ``pid`` has the file open now; False also where that cannot be looked up."""
    try:
        wanted = os.stat(path)
        if sys.platform == "linux":
            opened = [f"/proc/{pid:d}/fd/{number}" for number in os.listdir(f"/proc/{pid:d}/fd")]
        else:
            import psutil  # costs memory, and Linux has /proc

            opened = [file.path for file in psutil.Process(pid).open_files()]
    except Exception:  # psutil's, and those of the systems that it asks
        return False
    return any(_is_file(file, wanted) for file in opened)


def _is_file(path: str, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), wanted)
    except OSError:  # closed since
        return False


def send_signal(pid: int, birth: str, number: int) -> bool:
    """Send the signal to the process ``pid`` that was created at ``birth``, and to no other one.

    False: that process is gone. Raises PermissionError where it belongs to another user, OSError where it cannot be
    done.
    """
    if not hasattr(os, "pidfd_open") or not hasattr(signal, "pidfd_send_signal"):
        if find_birth(pid) != birth:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            return True
        return False
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        # Looked at once the descriptor holds the process: the id cannot come to mean another one in between.
        if find_birth(pid) != birth:
            return False
        signal.pidfd_send_signal(descriptor, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)


def own_program() -> list[str]:
    """The command of the environment that runs this, which an upgrade keeps; else its interpreter with this package."""
    name = f"{PROGRAM}.exe" if sys.platform == "win32" else PROGRAM
    program = Path(sys.executable).parent / name
    return [str(program)] if program.is_file() else [sys.executable, "-P", "-m", __package__]


def spawn_detached(arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a program that lives on when its starter, its terminal and its session end.

    It has a session of its own and inherits no descriptor. It reads nothing; what it writes on stdout and stderr comes
    through ``stdout`` of the result. Raises OSError.
    """
    import subprocess  # `status` looks at processes and starts none

    settings: dict[str, Any] = {
        "env": dict(environment),
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "close_fds": True,
    }
    if sys.platform != "win32":
        return subprocess.Popen(list(arguments), start_new_session=True, umask=UMASK, **settings)
    # A console of its own that nobody sees, which the programs that it starts share: without any, each would open a
    # window. And no job of the starter's: an editor or an SSH server ends all that is in theirs.
    flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    try:
        return subprocess.Popen(list(arguments), creationflags=flags | subprocess.CREATE_BREAKAWAY_FROM_JOB, **settings)
    except PermissionError:  # a job that lets nothing out
        return subprocess.Popen(list(arguments), creationflags=flags, **settings)
