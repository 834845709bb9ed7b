"""The agent as a process of Windows' service control manager: what it reports, and what the manager asks of it.

A state that is pending is reported every second with a new checkpoint: reading a large state file, or ending restarts
that are under way, is no hang. A start that makes no progress gets no more checkpoints, so that the manager says that
it hangs; an end is bounded by the agent's own time to end (``runtime.ending``).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Protocol

from ..errors import ConfigurationError, ConnmonError, Disabled
from ..ports import Announcer
from ..processes import before_leaving

EVERY = 1.0  # seconds between two checkpoints
HINT = 10_000  # milliseconds in which the manager sees the next checkpoint, whatever the machine is busy with
PATIENCE = 60.0  # seconds that a start may take after it last made progress
# A configuration that cannot be used needs a person: reported as an end without an error, it is not started again.
_NEEDS_A_PERSON = (ConfigurationError.exit_code, Disabled.exit_code)


class State(IntEnum):
    """dwCurrentState of SERVICE_STATUS, those that the agent has."""

    STOPPED = 1
    START_PENDING = 2
    STOP_PENDING = 3
    RUNNING = 4


class Control(IntEnum):
    """What the manager asks for (winsvc.h), those that the agent obeys."""

    STOP = 1
    PARAMCHANGE = 6  # `sc control NAME paramchange`
    PRESHUTDOWN = 15


_REASONS = {Control.STOP: "stop by the service control manager", Control.PRESHUTDOWN: "the machine shuts down"}


class Manager(Protocol):
    """The way to the service control manager, see ``windows_api.service_host.Connection``."""

    def open(self, take: Callable[[int], bool]) -> bool: ...

    def report(self, state: int, *, checkpoint: int = 0, wait_hint: int = 0, code: int = 0) -> None: ...

    def close(self) -> None: ...


class ServiceProcess(Announcer):
    """``ports.Announcer`` of an agent that the service control manager has started."""

    pulse: float | None = None  # it has no watchdog

    def __init__(self, manager: Manager, *, now: Callable[[], float] = time.monotonic) -> None:
        self._manager = manager
        self._now = now
        self._lock = threading.Lock()  # reports come from the loop, the ticker and the manager's own thread
        self._state = State.START_PENDING
        self._checkpoint = 0
        self._until = now() + PATIENCE
        self._asked: str | None = None  # why the manager asked for the end
        self._end: Callable[[str], object] | None = None
        self._reload: Callable[[], object] | None = None

    def join(self) -> bool:
        """Begin the conversation; False: the manager has not started this process. Raises OSError."""
        if not self._manager.open(self.take):
            return False
        self.tick()
        return True

    def listen(self, end: Callable[[str], object], reload: Callable[[], object]) -> None:
        """Call ``end`` with a reason, and ``reload``, when the manager asks; both in a thread of its own."""
        self._end, self._reload = end, reload
        if self._asked is not None:
            end(self._asked)

    def take(self, control: int) -> bool:
        """Do what the manager asks for, and return at once; False: it is nothing that this service knows."""
        if control in (Control.STOP, Control.PRESHUTDOWN):
            self._asked = _REASONS[Control(control)]
            self.stopping()
            if self._end is not None:
                self._end(self._asked)
            return True
        if control == Control.PARAMCHANGE and self._reload is not None:
            self._reload()
            return True
        return False

    def tick(self) -> None:
        """Report a checkpoint where something is pending and not overdue."""
        with self._lock:
            overdue = self._state is State.START_PENDING and self._now() >= self._until
            if self._state in (State.START_PENDING, State.STOP_PENDING) and not overdue:
                self._checkpoint += 1
                self._manager.report(self._state, checkpoint=self._checkpoint, wait_hint=HINT)

    def extend(self, seconds: float) -> None:
        self._until = max(self._until, self._now() + seconds)

    def ready(self, status: str) -> None:
        with self._lock:
            if self._state is State.START_PENDING:  # not where it was stopped before it was ready
                self._state = State.RUNNING
                self._manager.report(State.RUNNING)

    def status(self, line: str) -> None:
        """The manager has no place for it."""

    def alive(self) -> None:
        """It does not watch for it."""

    def reloading(self) -> None:
        """The manager does not wait for it."""

    def reloaded(self, refusal: str | None) -> None:
        """The log says it."""

    def stopping(self) -> None:
        with self._lock:
            if self._state in (State.STOPPED, State.STOP_PENDING):
                return
            self._state, self._checkpoint = State.STOP_PENDING, 0
        self.tick()

    def stopped(self, code: int) -> None:
        """The process ends now, with this exit code. What comes after the first call is passed over."""
        with self._lock:
            if self._state is not State.STOPPED:
                self._state = State.STOPPED
                self._manager.report(State.STOPPED, code=0 if code in _NEEDS_A_PERSON else code)

    def close(self) -> None:
        """Return when the manager calls no more, after ``stopped``: the interpreter is about to end."""
        self._manager.close()


@contextmanager
def serve(name: str) -> Iterator[ServiceProcess]:
    """What this process is to the service control manager, which started it as the service ``name``, until its end.

    ``stopped`` is to be called before; it is with 1 where the block raises. Raises ConnmonError where the manager did
    not start it.
    """
    service = _connect(name)
    over = threading.Event()
    threading.Thread(target=_keep_ticking, args=(service, over), name="checkpoints", daemon=True).start()
    before_leaving(service.stopped)
    try:
        yield service
    except ConnmonError as error:
        service.stopped(error.exit_code)
        raise
    finally:
        over.set()
        service.stopped(1)
        service.close()


def _connect(name: str) -> ServiceProcess:
    if sys.platform == "win32":
        from ..windows_api.service_host import Connection  # Windows alone has it

        service = ServiceProcess(Connection(name))
        try:
            if service.join():
                return service
        except OSError as error:
            raise ConnmonError(
                f"cannot reach the service control manager: {error.strerror}", hint=f"Run `sc.exe start {name}`"
            ) from error
    raise ConnmonError(
        "this process was not started by Windows' service control manager",
        hint="Run `connmon-agent service install`, or `connmon-agent start` to run it here",
    )


def _keep_ticking(service: ServiceProcess, over: threading.Event) -> None:
    while not over.wait(EVERY):
        service.tick()
