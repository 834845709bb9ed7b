"""The part of Microsoft's Task Scheduler schema that our tasks use, as rules in Python.

Source: https://learn.microsoft.com/en-us/windows/win32/taskschd/task-scheduler-schema (the XSD of version 1.3, as
published in MicrosoftDocs/win32, desktop-src/TaskSchd/task-scheduler-schema.md). Elements that are not here are not
allowed, though the schema has more of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
_DURATION = re.compile(r"P(?=.)(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")

Text = Callable[[str], bool]


@dataclass(frozen=True)
class Parts:
    """A complex type. ``ordered``: an xs:sequence, else an xs:all. ``choice``: exactly one of its parts, once."""

    parts: Mapping[str, object]  # by name: Text or Parts
    required: tuple[str, ...] = ()
    ordered: bool = False
    choice: bool = False
    attributes: tuple[str, ...] = ()


def _one_of(*words: str) -> Text:
    return lambda text: text in words


def _number(low: int, high: int) -> Text:
    return lambda text: text.isdecimal() and low <= int(text) <= high


def _seconds(text: str) -> int | None:
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    return sum(int(part or 0) * unit for part, unit in zip(found.groups(), (86_400, 3600, 60, 1), strict=True))


def _duration(low: int = 0, high: int = 10**9) -> Text:
    return lambda text: (found := _seconds(text)) is not None and low <= found <= high


def _string(text: str) -> bool:
    return True


def _non_empty(text: str) -> bool:
    return len(text) >= 1


def _path(text: str) -> bool:
    return 1 <= len(text) <= 260


_boolean = _one_of("true", "false", "1", "0")
_restart = Parts({"Interval": _duration(60, 31 * 86_400), "Count": _number(1, 255)}, required=("Interval", "Count"))
_repetition = Parts(
    {"Interval": _duration(60, 31 * 86_400), "Duration": _duration(60), "StopAtDurationEnd": _boolean},
    required=("Interval",),
)
_base = {"Enabled": _boolean, "Repetition": _repetition, "ExecutionTimeLimit": _duration()}
_boot = Parts({**_base, "Delay": _duration()}, ordered=True, attributes=("id",))
_logon = Parts({**_base, "UserId": _non_empty, "Delay": _duration()}, ordered=True, attributes=("id",))
_settings = Parts(
    {
        **dict.fromkeys(
            (
                *("AllowStartOnDemand", "DisallowStartIfOnBatteries", "StopIfGoingOnBatteries", "AllowHardTerminate"),
                *("StartWhenAvailable", "RunOnlyIfNetworkAvailable", "WakeToRun", "Enabled", "Hidden", "RunOnlyIfIdle"),
            ),
            _boolean,
        ),
        "RestartOnFailure": _restart,
        "MultipleInstancesPolicy": _one_of("Parallel", "Queue", "IgnoreNew", "StopExisting"),
        "IdleSettings": Parts({"StopOnIdleEnd": _boolean, "RestartOnIdle": _boolean}),
        "ExecutionTimeLimit": _duration(),
        "Priority": _number(0, 10),
    }
)
_principal = Parts(
    {
        "UserId": _non_empty,
        "LogonType": _one_of("S4U", "Password", "InteractiveToken", "InteractiveTokenOrPassword"),
        "GroupId": _non_empty,
        "RunLevel": _one_of("LeastPrivilege", "HighestAvailable"),
    },
    attributes=("id",),
)
_exec = Parts({"Command": _path, "Arguments": _string, "WorkingDirectory": _path}, required=("Command",))
TASK = Parts(
    {
        "RegistrationInfo": Parts({"URI": _string, "Author": _string, "Description": _string}),
        "Triggers": Parts({"BootTrigger": _boot, "LogonTrigger": _logon}, choice=True),
        "Settings": _settings,
        "Principals": Parts({"Principal": _principal}, required=("Principal",)),
        "Actions": Parts({"Exec": _exec}, required=("Exec",), attributes=("Context",)),
    },
    required=("Actions",),
    attributes=("version",),
)


def find_faults(document: str) -> list[str]:
    """What the schema does not allow; empty: it is valid."""
    task = ElementTree.fromstring(document.split("\n", 1)[1])  # the declaration is of the file, which is UTF-16
    faults = _look(task, TASK, "Task")
    if task.get("version") != "1.3":
        faults.append("Task: version is fixed as 1.3")
    principal = task.find(f".//{{{NAMESPACE}}}Principal")
    actions = task.find(f"{{{NAMESPACE}}}Actions")
    if principal is None or actions is None or actions.get("Context") != principal.get("id"):
        faults.append("Actions: Context is no principal's id")
    return faults


def _look(element: ElementTree.Element, rule: object, where: str) -> list[str]:
    if not isinstance(rule, Parts):
        assert callable(rule)
        return [] if len(element) == 0 and rule(element.text or "") else [f"{where}: {element.text!r}"]
    names = [child.tag.removeprefix(f"{{{NAMESPACE}}}") for child in element]
    faults = [f"{where}: {name} is missing" for name in rule.required if name not in names]
    faults += [f"{where}: {name} more than once" for name in set(names) if names.count(name) > 1]
    faults += [f"{where}: attribute {name}" for name in element.attrib if name not in rule.attributes]
    if rule.choice and len(names) != 1:
        faults.append(f"{where}: {len(names)} of a choice")
    order = list(rule.parts)
    places = [order.index(name) for name in names if name in order]
    if rule.ordered and places != sorted(places):
        faults.append(f"{where}: {names} is not the order")
    for name, child in zip(names, element, strict=True):
        faults += _look(child, rule.parts[name], f"{where}/{name}") if name in rule.parts else [f"{where}/{name}"]
    return faults
