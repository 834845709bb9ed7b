"""Whether an agent runs on a state directory: it holds the lock of ``agent.lock`` there, and the file names it.

The lock is the proof and the text only a label: the kernel gives the lock back however the agent dies, the text stays.
So the text of an agent that was killed may stand there for an instant after the next one has taken the lock.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from .errors import AlreadyRunning, ConnmonError
from .files import NotAFile, refuse_special
from .locks import lock_alone, lock_shared, unlock
from .private_files import open_private
from .processes import find_birth

LOCK_FILE = "agent.lock"
PATIENCE = 30.0  # seconds; a reader holds its lock for microseconds, unless its machine lets it stand still meanwhile
AGENT_PATIENCE = 0.5  # seconds of it for whoever excludes readers too: an agent, or an order that is being recorded
PAUSE = 0.01  # seconds between two looks
LONGEST_LABEL = 16 * 1024  # bytes; two paths of 4 KiB in JSON fit


@dataclass(frozen=True, slots=True)
class Signature:
    """What an agent says of itself beside its lock, for those who stop it or start it again.

    ``mode`` is the one of `start --mode` (None: no agent, but a command that records an order), ``config`` the absolute
    path of its configuration (None: the built-in defaults, or not known), ``logs`` the folder of its log files (None:
    it writes none), ``stop_timeout`` the seconds that it takes at most to end in order.
    """

    mode: str | None = None
    config: str | None = None
    logs: str | None = None
    stop_timeout: float = 5.0


UNSIGNED = Signature()


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds the lock. ``pid`` 0: it has not signed yet; ``birth``: see ``processes.find_birth``."""

    pid: int
    birth: str | None = None
    signature: Signature = UNSIGNED


def find_agent(state_dir: Path) -> int | None:
    """The process id of the agent that runs on ``state_dir``; None: none does. 0: one does, which has not signed yet.

    Changes nothing and needs no right to write. Raises ConnmonError where the lock file cannot be read.
    """
    holder = find_holder(state_dir)
    return None if holder is None else holder.pid


def find_holder(state_dir: Path) -> Holder | None:
    """Who holds the lock of ``state_dir`` now; None: no one does. Otherwise as ``find_agent``."""
    path = state_dir / LOCK_FILE
    try:
        refuse_special(path)
        descriptor = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unusable(path, error, purpose="read") from error
    try:
        if lock_shared(descriptor):
            unlock(descriptor)
            return None
        return _read_holder(descriptor)
    finally:
        os.close(descriptor)


class AgentLock:
    """The right to be the one agent of ``state_dir``, from ``with`` to its end or the death of the process."""

    def __init__(
        self,
        state_dir: Path,
        *,
        signature: Signature = UNSIGNED,
        patience: float = PATIENCE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._signature = signature
        self._path = state_dir / LOCK_FILE
        self._patience = patience
        self._sleep = sleep
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock and sign it, trying again for ``patience`` seconds, or less while an agent holds it.

        Raises AlreadyRunning, with the other's process id, and ConnmonError where the file cannot be written.
        """
        try:
            refuse_special(self._path)
            descriptor = open_private(self._path, os.O_RDWR)
        except OSError as error:
            raise _unusable(self._path, error, purpose="write") from error
        try:
            self._take(descriptor)
            _sign(descriptor, self._signature)
        except OSError as error:
            os.close(descriptor)
            raise _unusable(self._path, error, purpose="lock") from error
        except AlreadyRunning:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; the file stays, because removing it could remove the lock of the next agent."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.ftruncate(descriptor, 0)
            unlock(descriptor)
            os.close(descriptor)

    def in_place(self) -> bool:
        """Whether the locked file is still that of the state directory: beside another file another agent can run.

        True also where this cannot be looked up.
        """
        try:
            return self._descriptor is not None and os.path.samestat(os.fstat(self._descriptor), os.stat(self._path))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True

    def _take(self, descriptor: int) -> None:
        waited = waited_for_agent = 0.0
        while not lock_alone(descriptor):
            if waited >= self._patience or waited_for_agent >= AGENT_PATIENCE:
                raise _already_running(self._path, _read_holder(descriptor).pid)
            # A lock beside which a shared one can be had is a reader's: `status` is looking whether an agent runs.
            if lock_shared(descriptor):
                unlock(descriptor)
            else:
                waited_for_agent += PAUSE
            self._sleep(PAUSE)
            waited += PAUSE


def _sign(descriptor: int, signature: Signature) -> None:
    pid = os.getpid()
    started = datetime.now(UTC).isoformat(timespec="microseconds")
    label = {"pid": pid, "started": started, "birth": find_birth(pid), **asdict(signature)}
    text = json.dumps(label).encode()
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text)


def _read_holder(descriptor: int) -> Holder:
    """What the file says; what is missing or malformed there, as in one of an earlier version, is not known."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        label = json.loads(os.read(descriptor, LONGEST_LABEL))
    except ValueError:
        return Holder(0)
    if not isinstance(label, dict) or not isinstance(label.get("pid"), int):
        return Holder(0)
    timeout = label.get("stop_timeout")
    signature = Signature(
        _text(label.get("mode")),
        _text(label.get("config")),
        _text(label.get("logs")),
        timeout if isinstance(timeout, int | float) else UNSIGNED.stop_timeout,
    )
    return Holder(label["pid"], _text(label.get("birth")), signature)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _already_running(path: Path, pid: int) -> AlreadyRunning:
    who = f"another agent (pid {pid})" if pid else "another agent"
    return AlreadyRunning(
        f"{who} already runs on the state directory {path.parent}",
        hint="Stop it with `connmon-agent stop`, or give this one another --state-dir",
    )


def _unusable(path: Path, error: OSError, *, purpose: str) -> ConnmonError:
    return ConnmonError(
        f"cannot {purpose} {path}: {error.strerror or error}",
        hint=_advise(path, error),
    )


def _advise(path: Path, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"Free space where {path.parent} lies"
    if isinstance(error, NotAFile):
        return "Move it away, or choose another --state-dir"
    if isinstance(error, PermissionError):
        return advise_on_user(path)
    return "Check that the state directory exists and who may use it"


def advise_on_user(path: Path, *, platform: str = sys.platform) -> str:
    """Who may do what this user may not with ``path``, a file of the state directory."""
    if platform == "win32":  # where an administrator is one only in a console that was opened so
        return "Open the console as administrator, or run this as the agent's user"
    return f"Run this as the agent's user, {name_owner(path)}"


def name_owner(path: Path) -> str:
    """Whose the file is, or the state directory where there is no file yet."""
    for place in (path, path.parent):
        try:
            return place.owner()
        except (OSError, KeyError, NotImplementedError):
            continue  # it is not there yet, or its folder may not be entered
    return "who owns the state directory"
