"""Ending an agent from another process: in order, by force only where it is proven that the process is this agent."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ConnmonError, NotRunning, Refused
from ..platform_terms import AS_SUPERUSER, SYSTEM_LOG
from ..presence import LOCK_FILE, Holder, find_holder
from ..processes import find_birth, has_open, send_signal
from .control import ask_agent, not_running
from .ending import GRACE

SPARE = 3.0  # seconds beyond ``stop_timeout`` and GRACE, for a busy machine
NOT_LISTENING = 2.0  # seconds after which an agent that does not listen is asked by a signal
SIGNED_WITHIN = 10.0  # seconds; between its lock and its signature an agent needs none, an order holds the lock briefly
KILLED_WITHIN = 10.0  # seconds; a process that waits for its disk ends when the disk answers
GLANCE = 0.05  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Stopped:
    """The agent ``holder`` is gone, ``seconds`` after it was asked to end. ``forced``: it was killed."""

    holder: Holder
    seconds: float
    forced: bool


@dataclass(frozen=True, slots=True)
class Time:
    """The stopper's own time, in seconds."""

    now: Callable[[], float] = field(default=time.monotonic)
    sleep: Callable[[float], None] = field(default=time.sleep)


TIME = Time()


def find_running(folder: Path, *, time: Time = TIME) -> Holder:
    """The agent that runs on the state directory. Raises NotRunning, and ConnmonError where it cannot be told."""
    until = time.now() + SIGNED_WITHIN
    while True:
        holder = find_holder(folder)
        if holder is None:
            raise not_running(folder)
        if holder.pid and holder.signature.mode is not None:
            return holder
        if time.now() >= until:
            raise ConnmonError(
                f"the lock of {folder} is held by an unidentified process (pid {holder.pid or 'unknown'})",
                hint="Stop that process. It is an agent of an earlier version, or a command that hangs",
            )
        time.sleep(GLANCE)


def stop_agent(folder: Path, *, again: bool = False, force: bool = False, time: Time = TIME) -> Stopped:
    """End the agent of ``folder`` in order, and return when its process is gone.

    What it had begun stays open in the journal, for the next start. ``again``: it ends so that its service manager
    starts it again. ``force``: where it does not end in time, it is killed, once its lock and the time of its creation
    have proven that it is this agent: the lock is held, the process has its file open, and is as old as the lock says.

    Raises NotRunning, and ConnmonError where the agent is not gone.
    """
    holder = find_running(folder, time=time)
    began = time.now()
    spare = GRACE if force else GRACE + SPARE
    until = began + holder.signature.stop_timeout + spare
    within = _ask_to_end(folder, holder, again=again, until=until, time=time)
    if within is not None:  # a reload may have changed it
        until = time.now() + within + spare
    if _wait_until_gone(folder, holder, until, time):
        return Stopped(holder, time.now() - began, forced=False)
    if not force:
        raise ConnmonError(
            f"the agent (pid {holder.pid}) did not exit within {time.now() - began:.0f} s",
            hint="Run `connmon-agent stop --force` to kill it. Restarts in progress are checked at the next start",
        )
    _kill(folder, holder)
    if not _wait_until_gone(folder, holder, time.now() + KILLED_WITHIN, time):
        raise ConnmonError(
            f"the agent (pid {holder.pid}) was killed but has not exited within {KILLED_WITHIN:g} s",
            hint=f"Check the disk of the state directory and {SYSTEM_LOG}. The process exits when its disk answers",
        )
    return Stopped(holder, time.now() - began, forced=True)


def is_gone(folder: Path, holder: Holder) -> bool:
    """Whether neither the process lives nor its lock is held. Of another machine's or container's only the lock counts.

    Raises ConnmonError where the lock cannot be read.
    """
    if holder.birth is not None and find_birth(holder.pid) == holder.birth:
        return False
    now = find_holder(folder)
    return now is None or (now.pid, now.birth) != (holder.pid, holder.birth)


def _wait_until_gone(folder: Path, holder: Holder, until: float, time: Time) -> bool:
    while not is_gone(folder, holder):
        if time.now() >= until:
            return False
        time.sleep(GLANCE)
    return True


def _ask_to_end(folder: Path, holder: Holder, *, again: bool, until: float, time: Time) -> float | None:
    """Returns the seconds in which it will have ended; None: no answer came. Raises ConnmonError where it refuses, or
    may not be asked.
    """
    signal_at = time.now() + NOT_LISTENING
    while time.now() < until and not is_gone(folder, holder):
        try:
            within = ask_agent(folder, "stop", {"again": again}, patience=max(1.0, until - time.now())).get("within")
            return within if isinstance(within, float) else None
        except NotRunning:  # it does not listen yet, or not any more
            if time.now() >= signal_at and os.name == "posix":  # elsewhere this signal kills
                signal_at = until
                with suppress(OSError):  # another user's
                    if _is_proven(folder, holder):
                        send_signal(holder.pid, str(holder.birth), signal.SIGTERM)
        except Refused:
            raise
        except ConnmonError as error:
            if isinstance(error.__cause__, PermissionError):
                raise
            return None  # no answer, or it has just ended
        time.sleep(GLANCE)
    return None


def _is_proven(folder: Path, holder: Holder) -> bool:
    """Whether the process is the agent: its lock is held, it has the file open, and it is as old as the file says."""
    now = find_holder(folder)
    held = now is not None and (now.pid, now.birth) == (holder.pid, holder.birth)
    alive = holder.birth is not None and find_birth(holder.pid) == holder.birth
    return held and alive and has_open(holder.pid, folder / LOCK_FILE)


def _kill(folder: Path, holder: Holder) -> None:
    """Kill the agent. Raises ConnmonError where it is not proven that the process is this agent, or it is not ours."""
    if is_gone(folder, holder):
        return
    if not _is_proven(folder, holder):
        raise ConnmonError(
            f"process {holder.pid} was not killed: it could not be identified as the agent of {folder}",
            hint="Check other containers and machines that use this state directory",
        )
    try:
        send_signal(holder.pid, str(holder.birth), getattr(signal, "SIGKILL", signal.SIGTERM))
    except PermissionError as error:
        raise ConnmonError(
            f"this user may not kill process {holder.pid}",
            hint=f"Run this as the agent's user or {AS_SUPERUSER}",
        ) from error
