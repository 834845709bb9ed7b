"""Task Scheduler's form of a service manager, Windows: a task that starts at boot, or when this user logs on.

Its text is the XML that `schtasks` registers: the Task Scheduler schema, version 1.3, of
https://learn.microsoft.com/en-us/windows/win32/taskschd/task-scheduler-schema. A copy is kept in a file, since what
Windows gives back has its own additions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from ..errors import ConnmonError
from ..files import read_file
from ..generated_files import write_file
from ..private_files import PUBLIC_FOLDER, make_folder
from ..seals import seal
from .interface import DESCRIPTION, NAME, Condition, Host, Installation, Ran, Run, Unit, require_instance
from .windows_accounts import find_built_in, name_account
from .windows_commands import own_interpreter, write_arguments

NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
VERSION = "1.3"
LOOK = "PT5M"  # a task that is not running is started this often, too: a killed one counts as no failure everywhere
AGAIN = "PT1M"  # after a failure; the least that the scheduler takes
MOST_TRIES = 255  # the most that the schema takes
DELAY = "PT30S"  # after boot, when services are up that the network needs
PRIORITY = 5  # normal; a task's default is below that, and probes have time limits
LONGEST_COMMAND = 260  # characters of a path in the schema
MOST = 1_000_000  # bytes of a file that may be one of ours
KEPT_DOWN = (
    "The Task Scheduler restarts it within 5 minutes after `connmon-agent stop`. Run "
    f"`schtasks /Change /TN {NAME} /DISABLE` to keep it stopped"
)
_HEAD = '<?xml version="1.0" encoding="UTF-16"?>'


@dataclass(frozen=True, slots=True)
class TaskFile:
    """``Place`` of the copy; a task of this name without one is somebody else's."""

    path: Path
    task: str
    run: Run

    @property
    def name(self) -> str:
        return f"the task {self.task}"

    @property
    def removal(self) -> str:
        return f"Remove it with `schtasks /Delete /TN {self.task}`"

    def read(self) -> str | None:
        try:
            return read_file(self.path, MOST).decode("utf-16")
        except FileNotFoundError:
            return "" if is_registered(self.task, self.run) else None
        except (OSError, UnicodeError) as error:
            raise ConnmonError(f"{self.path} cannot be read: {error}", hint="Delete it") from error

    def write(self, text: str) -> None:
        try:
            make_folder(self.path.parent, PUBLIC_FOLDER)
        except OSError as error:
            raise ConnmonError(
                f"{self.path} cannot be written: {error.strerror}", hint=f"Check the permissions of {self.path.parent}"
            ) from error
        write_file(self.path, text.encode("utf-16"), replace=True)

    def remove(self) -> None:
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise ConnmonError(f"{self.path} cannot be removed: {error.strerror}", hint="Delete it") from error


class ScheduledTasks:
    """``ServiceManager`` for Windows' Task Scheduler."""

    name = "task-scheduler"
    supervises = False
    sandboxed = False

    def __init__(self, host: Host) -> None:
        self._host = host

    @classmethod
    def runs_on(cls, host: Host) -> bool:
        """Whether its command is there."""
        return host.find_program("schtasks") is not None

    def unit(self, installation: Installation) -> Unit:
        instance = installation.instance
        require_instance(instance, punctuation="-_")
        name = NAME if instance is None else f"{NAME}-{instance}"
        command = own_interpreter(window=False)
        if len(command) > LONGEST_COMMAND:
            raise ConnmonError(
                f"the path is too long for the Task Scheduler ({len(command)} characters): {command}",
                hint=f"Install Python in a path of at most {LONGEST_COMMAND} characters",
            )
        task = self._task(installation, name, command, write_arguments(installation, "start", "--mode", "task"))
        place = TaskFile(self._folder(installation) / f"{name}.task.xml", name, self._host.run)
        text = seal(write_xml(task), before="<!-- ", after=" -->", line=1)
        return Unit(name, place, text, user=installation.user)

    def check(self, installation: Installation) -> None:
        if not self.runs_on(self._host):
            raise ConnmonError("schtasks is not installed", hint="Use --manager windows-service")
        if not installation.user and not self._host.superuser:
            raise ConnmonError(
                "a task that starts at boot needs an administrator",
                hint="Open PowerShell as administrator and repeat the command, or add --user to start it at logon",
            )

    def notes(self, installation: Installation) -> list[str]:
        return [KEPT_DOWN]

    def activate(self, unit: Unit, *, changed: bool) -> list[str]:
        done = []
        place = unit.place
        assert isinstance(place, TaskFile)  # every unit of this form has one
        if changed or not is_registered(unit.name, self._host.run):
            self._do("/Create", "/TN", unit.name, "/XML", str(place.path), "/F")
            done.append(f"Registered {unit.name}: starts at {'logon' if unit.user else 'boot'}")
        self._do("/Run", "/TN", unit.name)  # nothing happens where it runs
        return done

    def deactivate(self, unit: Unit) -> list[str]:
        if not is_registered(unit.name, self._host.run):
            return []
        self._do("/Delete", "/TN", unit.name, "/F")
        return [f"Removed {unit.name} from the Task Scheduler. Run `connmon-agent stop` to stop a running agent"]

    def forget(self, unit: Unit) -> bool:
        return True

    def removed(self, unit: Unit) -> None:
        """The scheduler knows."""

    def inspect(self, unit: Unit) -> Condition:
        known = is_registered(unit.name, self._host.run)
        summary = (
            "registered. Run `connmon-agent status` to see whether it is running" if known else "no longer registered"
        )
        return Condition(running=False, summary=f"{unit.name}: {summary}", at_boot=known)

    def _folder(self, installation: Installation) -> Path:
        variable, default = ("LOCALAPPDATA", self._host.home) if installation.user else ("ProgramData", None)
        return Path(self._host.environment.get(variable) or default or r"C:\ProgramData") / NAME

    def _task(self, installation: Installation, name: str, command: str, arguments: str) -> ElementTree.Element:
        task = ElementTree.Element("Task", version=VERSION, xmlns=NAMESPACE)
        _add(task, "RegistrationInfo", {"URI": f"\\{name}", "Author": NAME, "Description": DESCRIPTION})
        user, logon = self._principal(installation)
        self._add_trigger(ElementTree.SubElement(task, "Triggers"), installation, user)
        principal = _add(ElementTree.SubElement(task, "Principals"), "Principal", {"UserId": user}, id="Agent")
        for tag, text in {"LogonType": logon, "RunLevel": "LeastPrivilege"}.items():
            if text is not None:
                ElementTree.SubElement(principal, tag).text = text
        _add_settings(task)
        actions = ElementTree.SubElement(task, "Actions", Context="Agent")
        _add(actions, "Exec", {"Command": command, "Arguments": arguments})
        return task

    def _add_trigger(self, triggers: ElementTree.Element, installation: Installation, user: str) -> None:
        trigger = _add(triggers, "LogonTrigger" if installation.user else "BootTrigger", {"Enabled": "true"})
        _add(trigger, "Repetition", {"Interval": LOOK, "StopAtDurationEnd": "false"})
        if installation.user:
            ElementTree.SubElement(trigger, "UserId").text = user
        else:
            ElementTree.SubElement(trigger, "Delay").text = DELAY

    def _principal(self, installation: Installation) -> tuple[str, str | None]:
        """As whom it runs: the user, and how Windows logs it on (None: a built-in account is not)."""
        environment = self._host.environment
        own = "\\".join(filter(None, (environment.get("USERDOMAIN"), environment.get("USERNAME", ""))))
        account = None if installation.account is None else name_account(installation.account)
        if account is None or account.lower() in (own.lower(), f".\\{environment.get('USERNAME', '')}".lower()):
            return own, "InteractiveToken" if installation.user else "S4U"
        identifier = find_built_in(account)
        if identifier is None or installation.user:
            raise ConnmonError(
                f"a task cannot run as {installation.account}: its password would be needed",
                hint="Omit --account to run it as yourself, use LocalService, or use --manager windows-service",
            )
        return identifier, None

    def _do(self, *arguments: str) -> None:
        ran = _schtasks(self._host.run, *arguments)
        if ran.code != 0:
            raise ConnmonError(
                f"`schtasks {' '.join(arguments)}` failed: {ran.output}", hint="Run it manually as administrator"
            )


def is_registered(name: str, run: Run) -> bool:
    """Whether the Task Scheduler knows a task of this name. Raises ConnmonError."""
    return _schtasks(run, "/Query", "/TN", name).code == 0


def write_xml(task: ElementTree.Element) -> str:
    """The document, with its declaration in the first line."""
    ElementTree.indent(task)
    return f"{_HEAD}\n{ElementTree.tostring(task, encoding='unicode')}\n"


def _add_settings(task: ElementTree.Element) -> None:
    settings = _add(
        task,
        "Settings",
        {
            "AllowStartOnDemand": "true",
            "MultipleInstancesPolicy": "IgnoreNew",
            "DisallowStartIfOnBatteries": "false",
            "StopIfGoingOnBatteries": "false",
            "StartWhenAvailable": "true",
            "RunOnlyIfNetworkAvailable": "false",  # it watches for that
            "ExecutionTimeLimit": "PT0S",  # none; the default is three days
            "Priority": str(PRIORITY),
            "RunOnlyIfIdle": "false",
        },
    )
    _add(settings, "RestartOnFailure", {"Interval": AGAIN, "Count": str(MOST_TRIES)})
    _add(settings, "IdleSettings", {"StopOnIdleEnd": "false", "RestartOnIdle": "false"})


def _add(parent: ElementTree.Element, tag: str, texts: dict[str, str], **attributes: str) -> ElementTree.Element:
    """A child of ``parent`` with children of its own that hold ``texts``."""
    child = ElementTree.SubElement(parent, tag, attributes)
    for name, text in texts.items():
        ElementTree.SubElement(child, name).text = text
    return child


def _schtasks(run: Run, *arguments: str) -> Ran:
    command: Sequence[str] = ["schtasks", *arguments]
    try:
        return run(command)
    except FileNotFoundError as error:
        raise ConnmonError("schtasks is not installed", hint="Use --manager windows-service") from error
