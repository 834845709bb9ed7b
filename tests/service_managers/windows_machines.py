"""Windows' service control manager as a fake: services that are there, run, and are started again by nobody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from connmon_agent.service_managers.windows_process import State

ACCESS_DENIED = 5


@dataclass(frozen=True)
class FakeStatus:
    state: int = State.STOPPED
    exit_code: int = 0
    own_exit_code: int = 0
    pid: int = 0


@dataclass
class FakeServices:
    """``Door``. ``outcome``: what a service becomes that is started; it is pending for ``looks`` looks before."""

    outcome: FakeStatus = FakeStatus(State.RUNNING, pid=7)
    looks: int = 2
    denies: bool = False
    services: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # display name, command, account
    notes: dict[str, str] = field(default_factory=dict)
    described: dict[str, dict[str, object]] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    states: dict[str, FakeStatus] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    _pending: int = 0

    def query_status(self, name: str) -> FakeStatus | None:
        found = self.states.get(name)
        if found is not None and self._pending:
            self._pending -= 1
            if not self._pending:
                starts = found.state == State.START_PENDING
                self.states[name] = self.outcome if starts else FakeStatus()
        return found

    def query_configuration(self, name: str) -> tuple[str, str, bool] | None:
        found = self.services.get(name)
        return None if found is None else (found[1], found[2], True)

    def create(self, name: str, display_name: str, command: str, account: str, password: str) -> None:
        self._note("create")
        self.services[name] = (display_name, command, account)
        self.passwords[name] = password
        self.states[name] = FakeStatus()

    def change(self, name: str, display_name: str, command: str, account: str, password: str) -> None:
        self._note("change")
        self.services[name] = (display_name, command, account)
        self.passwords[name] = password

    def describe(
        self, name: str, description: str, *, delays: Sequence[int], reset_period: int, preshutdown: int, delayed: bool
    ) -> list[str]:
        values = {"delays": tuple(delays), "preshutdown": preshutdown, "delayed": delayed}
        self.described[name] = {"description": description, "reset_period": reset_period, **values}
        return []

    def start(self, name: str) -> None:
        self._note("start")
        self.states[name] = replace(self.outcome, state=State.START_PENDING)
        self._pending = self.looks

    def stop(self, name: str) -> None:
        self._note("stop")
        self.states[name] = replace(self.states[name], state=State.STOP_PENDING)
        self._pending = self.looks

    def delete(self, name: str) -> None:
        self._note("delete")
        for table in (self.services, self.notes, self.states):
            table.pop(name, None)

    def list_names(self, prefix: str) -> list[str]:
        return [name for name in self.states if name.startswith(prefix)]

    def read_note(self, name: str) -> str | None:
        return self.notes.get(name)

    def write_note(self, name: str, text: str) -> None:
        self.notes[name] = text

    def _note(self, what: str) -> None:
        if self.denies:
            error = OSError(13, "Access is denied")
            error.winerror = ACCESS_DENIED  # type: ignore[attr-defined]
            raise error
        self.ran.append(what)


@dataclass
class FakeManager:
    """``windows_process.Manager``: what was reported, and the way in which the manager asks."""

    starts: bool = True
    reports: list[tuple[int, int, int]] = field(default_factory=list)  # state, checkpoint, code
    take: Callable[[int], bool] = lambda control: False
    closed: bool = False

    def open(self, take: Callable[[int], bool]) -> bool:
        self.take = take
        return self.starts

    def report(self, state: int, *, checkpoint: int = 0, wait_hint: int = 0, code: int = 0) -> None:
        self.reports.append((state, checkpoint, code))

    def close(self) -> None:
        self.closed = True
