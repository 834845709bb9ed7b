"""What all service managers have in common: what is to be installed, where its text lies, and how it is going."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ..errors import ConnmonError
from ..settings import WebSettings

NAME = "connmon-agent"
DESCRIPTION = "Watches the internet link and restarts Kubernetes services after an outage."
LONGEST_INSTANCE = 41  # characters
_ENCODING = "oem" if sys.platform == "win32" else "utf-8"  # of schtasks, in the code page of consoles
PATIENCE = 180.0  # seconds for one command of a service manager; a start may read a large state file


def require_instance(instance: str | None, *, punctuation: str) -> None:
    """Raise ConnmonError where ``instance`` cannot name one of several agents; None can: it is the only one.

    ``punctuation``: what a service manager takes beside letters and digits, from the second character on.
    """
    pattern = f"[A-Za-z0-9][A-Za-z0-9{re.escape(punctuation)}]{{0,{LONGEST_INSTANCE - 1}}}"
    if instance is not None and not re.fullmatch(pattern, instance):
        marks = " and ".join(", ".join(_MARKS[mark] for mark in punctuation).rsplit(", ", 1))
        raise ConnmonError(
            f"{instance!r} cannot name an instance",
            hint=f"Use at most {LONGEST_INSTANCE} letters, digits, {marks}",
        )


_MARKS = {".": "dots", "-": "dashes", "_": "underscores"}


@dataclass(frozen=True, slots=True)
class Installation:
    """One agent that a service manager is to start at boot.

    ``command`` starts connmon-agent, ``config`` is its configuration, both absolute. ``user`` True: for this user
    alone, else for the machine. ``instance`` None: the only agent; else one of several, by name. ``stop_timeout`` in
    seconds. ``credentials`` are files that only root may read, ``kubeconfig`` the one to use where the configuration
    names none (None: it names one, or there is none). ``state_group`` may read the state (None: only root may).
    ``low_ports`` True: a local port below 1024 is configured. ``state_dir`` is the one that was named on the command
    line (None: the configuration says), ``folders`` are those that the service writes to, ``log`` is where a start that
    failed leaves its reason (None: it is not known). ``account`` is the one that it runs as, on Windows (None: the
    manager's default), with its ``password``. ``web`` says where the page is served (None: it is not installed).
    """

    command: tuple[str, ...]
    config: Path
    user: bool = False
    instance: str | None = None
    stop_timeout: float = 5.0
    credentials: tuple[Path, ...] = ()
    kubeconfig: Path | None = None
    state_group: str | None = None
    low_ports: bool = False
    state_dir: Path | None = None
    folders: tuple[Path, ...] = ()
    log: Path | None = None
    account: str | None = None
    password: str | None = field(default=None, repr=False)
    web: WebSettings | None = None


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended. ``output`` is what it wrote, errors included."""

    code: int
    output: str


class Run(Protocol):
    """Runs a command of a service manager to its end. Raises FileNotFoundError, ConnmonError when it takes too long."""

    def __call__(self, command: Sequence[str], *, text: str | None = None) -> Ran: ...


def run_command(command: Sequence[str], *, text: str | None = None) -> Ran:
    """See ``Run``; ``text`` is written to the command's standard input."""
    try:
        done = subprocess.run(
            command,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding=_ENCODING,
            errors="replace",
            timeout=PATIENCE,
            check=False,
            **({} if text is not None else {"stdin": subprocess.DEVNULL}),  # type: ignore[call-overload]
        )
    except subprocess.TimeoutExpired as error:
        raise ConnmonError(
            f"`{' '.join(command)}` did not finish within {PATIENCE:g} s",
            hint="Run `connmon-agent service status` and check the service manager's log",
        ) from error
    return Ran(done.returncode, done.stdout.strip())


@dataclass(frozen=True, slots=True)
class Host:
    """The machine that is installed on.

    ``root`` is where its file system begins; ``home`` None: this user has none; ``user_id`` is this user's number.
    """

    superuser: bool
    home: Path | None
    environment: Mapping[str, str] = field(default_factory=dict)
    root: Path = Path("/")
    run: Run = run_command
    find_program: Callable[[str], str | None] = lambda name: None
    user_id: int = 0


class Place(Protocol):
    """Where a unit's text is kept: a file, or a part of a table."""

    @property
    def name(self) -> str:
        """For people: ``/etc/systemd/system/connmon-agent.service``."""

    @property
    def removal(self) -> str:
        """How a person gets what is there out of the way, as an order: ``Move it away``."""

    def read(self) -> str | None:
        """What is there; None: nothing. Raises ConnmonError."""

    def write(self, text: str) -> None:
        """Put ``text`` there, whole or not at all. Raises ConnmonError."""

    def remove(self) -> None:
        """Take it away; nothing is left. Raises ConnmonError."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What one service manager is to be given. ``name`` is what it calls it; ``user`` as in Installation.

    ``companions`` are installed and removed with it: one without a text is not to be there. A ``passive`` one is
    started by another.
    """

    name: str
    place: Place
    text: str
    user: bool = False
    companions: tuple[Unit, ...] = ()
    passive: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """How an installed agent is doing, as the service manager says. ``pid`` None: it does not run, or it is unknown.

    ``summary`` is one line, ``details`` are more.
    """

    running: bool
    summary: str
    at_boot: bool
    pid: int | None = None
    details: tuple[str, ...] = ()


class ServiceManager(Protocol):
    """One service manager's form of everything. Nothing but ``check`` needs it to be there to say what it would do."""

    @property
    def name(self) -> str:
        """systemd, cron, launchd, windows-service or task-scheduler."""

    @property
    def supervises(self) -> bool:
        """Whether it runs the agent itself, from `install` on, and not only starts it at boot."""

    @property
    def sandboxed(self) -> bool:
        """Whether a service of the machine runs as a user of its own, and sees no homes."""

    def unit(self, installation: Installation) -> Unit:
        """What would be installed, byte for byte. Raises ConnmonError where this manager cannot do that."""

    def check(self, installation: Installation) -> None:
        """Raises ConnmonError, with a remedy, where it is not there or this user may not install."""

    def notes(self, installation: Installation) -> list[str]:
        """What a person should know or do besides, in sentences."""

    def activate(self, unit: Unit, *, changed: bool) -> list[str]:
        """Have it started now and at boot; ``changed``: its text has just been written. Returns what was done, in
        sentences; none where everything was so already. Raises ConnmonError.
        """

    def deactivate(self, unit: Unit) -> list[str]:
        """End it and start it no more; its text is still there. Returns what was done. Raises ConnmonError."""

    def forget(self, unit: Unit) -> bool:
        """Whether nothing else uses the text, so that it is to be removed."""

    def removed(self, unit: Unit) -> None:
        """The text is gone: let the manager know. Raises ConnmonError."""

    def inspect(self, unit: Unit) -> Condition:
        """How it is doing. Raises ConnmonError."""
