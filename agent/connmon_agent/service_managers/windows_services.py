"""Windows' form of a service manager: a service of its own, by the service control manager.

It has no file. What was installed is kept as a sealed text beside the service's own values in the registry; what an
administrator changes in services.msc afterwards (the account, the start) stays until the text would be another one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ..errors import ConnmonError
from ..files import read_file
from ..seals import seal
from .interface import DESCRIPTION, NAME, PATIENCE, Condition, Host, Installation, Unit, require_instance
from .windows_accounts import grant_folders, name_account
from .windows_commands import own_interpreter, write_arguments
from .windows_process import State

DISPLAY_NAME = "Connection monitor (connmon-agent)"
DELAYS = (1000, 1000, 10_000)  # milliseconds before it is started again, the last one for all later failures
RESET_PERIOD = 600  # seconds without a failure after which they are counted anew
ENDING = 10  # seconds beside stop_timeout that it has when the machine shuts down
GLANCE = 0.1  # seconds between two looks
LAUNCHER_LOG_ROOM = 1_000_000  # bytes
LINES = 5  # of the launcher's log, shown when it does not start
_NOT_ACTIVE, _MARKED_FOR_DELETE = 1062, 1072
_REMEDIES = {
    5: "Open PowerShell as administrator and repeat the command",
    1057: "Check the name of the account (--account) and its password",
    1069: "Enter the account's password in services.msc, Log On. This also grants the right to log on as a service",
    1072: "Close services.msc and the Task Manager, which keep the removed service, then repeat the command",
}


class Status(Protocol):
    """How a service is doing, see ``windows_api.services.Status``."""

    @property
    def state(self) -> int: ...

    @property
    def exit_code(self) -> int: ...

    @property
    def own_exit_code(self) -> int: ...

    @property
    def pid(self) -> int: ...


class Door(Protocol):
    """The service control manager, see ``windows_api.services``. Everything raises OSError."""

    def query_status(self, name: str) -> Status | None: ...

    def query_configuration(self, name: str) -> tuple[str, str, bool] | None: ...

    def create(self, name: str, display_name: str, command: str, account: str, password: str) -> None: ...

    def change(self, name: str, display_name: str, command: str, account: str, password: str) -> None: ...

    def describe(
        self,
        name: str,
        description: str,
        *,
        delays: Sequence[int],
        reset_period: int,
        preshutdown: int,
        delayed: bool,
    ) -> list[str]: ...

    def start(self, name: str) -> None: ...

    def stop(self, name: str) -> None: ...

    def delete(self, name: str) -> None: ...

    def list_names(self, prefix: str) -> list[str]: ...

    def read_note(self, name: str) -> str | None: ...

    def write_note(self, name: str, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class WindowsService:
    """``Place`` of one service."""

    id: str  # its name for programs
    display_name: str
    command: str
    account: str
    password: str = field(repr=False)
    preshutdown: int  # seconds
    folders: tuple[Path, ...]
    log: Path | None
    door: Door

    @property
    def name(self) -> str:
        return f"the service {self.id}"

    @property
    def removal(self) -> str:
        return f"Remove it with `sc.exe delete {self.id}`"

    def read(self) -> str | None:
        with _explained(f"{self.name} cannot be read"):
            return None if self.door.query_status(self.id) is None else self.door.read_note(self.id) or ""

    def write(self, text: str) -> None:
        with _explained(f"{self.name} cannot be written"):
            found = self.door.query_status(self.id)
            write = self.door.create if found is None else self.door.change
            write(self.id, self.display_name, self.command, self.account, self.password)
            self.door.describe(
                *(self.id, DESCRIPTION),
                delays=DELAYS,
                reset_period=RESET_PERIOD,
                preshutdown=1000 * self.preshutdown,
                delayed=True,
            )
            self.door.write_note(self.id, text)

    def remove(self) -> None:
        with _explained(f"{self.name} cannot be removed"):
            self.door.delete(self.id)

    def describe(self) -> str:
        """What ``write`` makes of it, as a text."""
        delays = ", ".join(f"{delay / 1000:g} s" for delay in DELAYS)
        return "\n".join(
            (
                f"Service: {self.id}",
                f"Display name: {self.display_name}",
                f"Description: {DESCRIPTION}",
                f"Command: {self.command}",
                f"Account: {self.account}",
                "Start: automatic (delayed)",
                f"Restarted after a failure or an error: after {delays}; failure count reset after {RESET_PERIOD} s",
                f"Time to stop at shutdown: {self.preshutdown} s",
                *(f"Folder that the account may write to: {folder}" for folder in self.folders),
                "",
            )
        )


class WindowsServices:
    """``ServiceManager`` for Windows' service control manager. ``door`` None: this machine's."""

    name = "windows-service"
    supervises = True
    sandboxed = False

    def __init__(self, host: Host, door: Door | None = None, sleep: Callable[[float], None] = time.sleep) -> None:
        self._host = host
        self._given = door
        self._sleep = sleep

    @classmethod
    def runs_on(cls, host: Host) -> bool:
        """Every Windows has it."""
        return True

    def unit(self, installation: Installation) -> Unit:
        instance = installation.instance
        require_instance(instance, punctuation=".-_")
        name = NAME if instance is None else f"{NAME}-{instance}"
        arguments = write_arguments(installation, "start", "--mode", "service", "--service", name)
        service = WindowsService(
            id=name,
            display_name=DISPLAY_NAME if instance is None else f"{DISPLAY_NAME}: {instance}",
            command=f'"{own_interpreter()}" {arguments}',
            account=name_account(installation.account),
            password=installation.password or "",  # what CreateService wants for accounts that have none
            preshutdown=round(installation.stop_timeout) + ENDING,
            folders=installation.folders,
            log=installation.log,
            door=self._door,
        )
        return Unit(name, service, seal(service.describe()))

    def check(self, installation: Installation) -> None:
        if installation.user:
            raise ConnmonError(
                "a Windows service is for the machine, not for one user",
                hint="Use --manager task-scheduler --user for a task that starts at logon",
            )
        if not self._host.superuser:
            raise ConnmonError("installing a service needs an administrator", hint=_REMEDIES[5])

    def notes(self, installation: Installation) -> list[str]:
        return []

    def activate(self, unit: Unit, *, changed: bool) -> list[str]:
        service = _service_of(unit)
        done = grant_folders(service.folders, service.account) if changed else []
        _register_events()
        running = self._state(unit) not in (None, State.STOPPED)
        if running and changed:
            self._stop(unit)
        if running and not changed:
            return done
        self._start(unit, service)
        return [*done, f"{'Restarted' if running else 'Started'} {unit.name}: starts at every boot"]

    def deactivate(self, unit: Unit) -> list[str]:
        return [f"Stopped {unit.name}"] if self._stop(unit) else []

    def forget(self, unit: Unit) -> bool:
        return True

    def removed(self, unit: Unit) -> None:
        """The manager knows."""

    def inspect(self, unit: Unit) -> Condition:
        with _explained(f"{unit.name} cannot be queried"):
            status, configuration = self._door.query_status(unit.name), self._door.query_configuration(unit.name)
        if status is None or configuration is None:
            return Condition(running=False, summary=f"{unit.name}: does not exist", at_boot=False)
        _, account, at_boot = configuration
        details = [f"Account: {account}"]
        if status.state == State.STOPPED and (code := status.own_exit_code or status.exit_code):
            details.append(f"Last result: error {code}; see the log files and the Windows system log")
        return Condition(
            running=status.state in (State.RUNNING, State.START_PENDING),
            summary=f"{unit.name}: {_name_state(status.state)}",
            at_boot=at_boot,
            pid=status.pid or None,
            details=tuple(details),
        )

    @property
    def _door(self) -> Door:
        return self._given or this_machine()

    def _state(self, unit: Unit) -> int | None:
        status = self._door.query_status(unit.name)
        return None if status is None else status.state

    def _start(self, unit: Unit, service: WindowsService) -> None:
        with _explained(f"{unit.name} is installed but does not start"):
            self._door.start(unit.name)
            state = self._await(unit, State.START_PENDING)
        if state != State.RUNNING:
            raise ConnmonError(
                f"{unit.name} is installed but does not start{_read_reason(service.log)}",
                hint="Fix this and run `connmon-agent service install` again",
            )

    def _stop(self, unit: Unit) -> bool:
        """Have it stopped; False: it was already."""
        if self._state(unit) in (None, State.STOPPED):
            return False
        with _explained(f"{unit.name} cannot be stopped"):
            try:
                self._door.stop(unit.name)
            except OSError as error:
                if getattr(error, "winerror", None) != _NOT_ACTIVE:  # it has just ended
                    raise
            state = self._await(unit, State.RUNNING, State.STOP_PENDING)
        if state not in (None, State.STOPPED):
            raise ConnmonError(
                f"{unit.name} did not stop within {PATIENCE:g} s", hint="Run `connmon-agent stop --force`"
            )
        return True

    def _await(self, unit: Unit, *passing: State) -> int | None:
        """Its state once that is none of ``passing``, or after ``PATIENCE``."""
        for _ in range(round(PATIENCE / GLANCE)):
            state = self._state(unit)
            if state not in passing:
                return state
            self._sleep(GLANCE)
        return state


def this_machine() -> Door:
    """This machine's service control manager. Raises ConnmonError where it has none."""
    if sys.platform == "win32":
        from ..windows_api import services  # Windows alone has it

        return services
    raise ConnmonError("this is not Windows", hint="Use another --manager")


def find_service(pid: int, door: Door) -> str | None:
    """The name of the service of ours whose process is ``pid``; None: there is none, or this user may not look."""
    with suppress(OSError):
        for name in door.list_names(NAME):
            status = door.query_status(name)
            if status is not None and status.pid == pid:
                return name
    return None


def start_stopped(name: str, door: Door) -> None:
    """Start the service unless it runs or is about to; a failure is left to whoever waits for it."""
    with suppress(OSError):
        status = door.query_status(name)
        if status is not None and status.state == State.STOPPED:
            door.start(name)


def _service_of(unit: Unit) -> WindowsService:
    assert isinstance(unit.place, WindowsService)  # every unit of this form has one
    return unit.place


def _register_events() -> None:
    """Let the Event Viewer show the agent's entries, which its account may not arrange; a convenience."""
    if sys.platform == "win32":
        from ..windows_api.event_log import let_be_shown  # Windows alone has it

        let_be_shown(NAME)


def _name_state(state: int) -> str:
    names = {State.STOPPED: "stopped", State.START_PENDING: "starting", State.STOP_PENDING: "stopping"}
    names[State.RUNNING] = "running"
    return next((name for known, name in names.items() if known == state), f"state {state}")


def _read_reason(log: Path | None) -> str:
    """The end of the log in which a start leaves the reason why it failed, as the end of a sentence."""
    with suppress(OSError):
        if log is not None:
            text = read_file(log, LAUNCHER_LOG_ROOM).decode("utf-8", "replace")
            return ". Last log lines:\n" + "\n".join(text.splitlines()[-LINES:])
    return ""


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Raise ConnmonError for an error of Windows."""
    try:
        yield
    except OSError as error:
        code = getattr(error, "winerror", None)
        hint = _REMEDIES.get(code or 0, f"Run `net helpmsg {code}` to look up the Windows error {code}")
        raise ConnmonError(f"{what}: {error.strerror or error}", hint=hint) from error
