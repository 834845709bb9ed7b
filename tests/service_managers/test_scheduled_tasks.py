"""A scheduled task of Windows: its XML by Microsoft's schema, and how it is registered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.service_managers.hosts import INSTALLATION, FakeCommands, a_host, for_user
from tests.service_managers.task_schema import NAMESPACE, find_faults

from connmon_agent.errors import ConnmonError
from connmon_agent.seals import Ownership, judge
from connmon_agent.service_managers.installing import inspect, install, uninstall
from connmon_agent.service_managers.interface import Installation
from connmon_agent.service_managers.scheduled_tasks import ScheduledTasks

INSTALLATIONS = {
    "at boot": INSTALLATION,
    "at logon": for_user(),
    "by an account of Windows": replace(INSTALLATION, account="LocalService"),
    "with a kubeconfig": replace(INSTALLATION, kubeconfig=Path("/users/anna/.kube/config")),
    "of a name": replace(INSTALLATION, instance="branch"),
}


def a_text(installation: Installation) -> str:
    return ScheduledTasks(a_host(Path("/nowhere"), FakeCommands(), programs=False)).unit(installation).text


def find(text: str, path: str) -> str | None:
    found = ElementTree.fromstring(text.split("\n", 1)[1]).find(path, {"": NAMESPACE})
    return None if found is None else found.text or ""


@pytest.mark.parametrize("installation", INSTALLATIONS.values(), ids=INSTALLATIONS)
def test_the_schema_allows_it(installation: Installation) -> None:
    text = a_text(installation)
    assert find_faults(text) == []
    assert judge(text) is Ownership.OURS


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="%/\\"), min_size=1))
def test_any_path_can_be_written(name: str) -> None:
    installation = replace(INSTALLATION, config=Path("/etc") / name, kubeconfig=Path("/home") / name)
    text = a_text(installation)
    assert find_faults(text) == []
    assert name.replace('"', '\\"') in str(find(text, "Actions/Exec/Arguments"))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("<Interval>PT1M</Interval>", "<Interval>PT1S</Interval>"),
        ("<Count>255</Count>", "<Count>999</Count>"),
        ("<LogonType>S4U</LogonType>", "<LogonType>ServiceAccount</LogonType>"),
        ("<Priority>5</Priority>", "<Priority>11</Priority>"),
        ("<RunOnlyIfIdle>false</RunOnlyIfIdle>", "<RunOnlyIfIdle>no</RunOnlyIfIdle>"),
        ('Context="Agent"', 'Context="Nobody"'),
        ('version="1.3"', 'version="1.4"'),
        ("<Enabled>true</Enabled>", "<Delay>PT1S</Delay>"),
    ],
)
def test_the_rules_find_what_the_schema_forbids(right: str, wrong: str) -> None:
    text = a_text(INSTALLATION)
    assert right in text
    assert find_faults(text.replace(right, wrong))


def test_it_is_not_ended_by_the_scheduler_and_started_again_whatever_ended_it() -> None:
    text = a_text(INSTALLATION)
    assert find(text, "Settings/ExecutionTimeLimit") == "PT0S"
    assert find(text, "Settings/StopIfGoingOnBatteries") == "false"
    assert find(text, "Settings/DisallowStartIfOnBatteries") == "false"
    assert find(text, "Settings/MultipleInstancesPolicy") == "IgnoreNew"
    assert find(text, "Triggers/BootTrigger/Repetition/Interval") == "PT5M"
    assert str(find(text, "Actions/Exec/Arguments")).endswith(" start --mode task")


@pytest.mark.parametrize(
    ("installation", "trigger", "user", "logon"),
    [
        (INSTALLATION, "BootTrigger", "SITE\\anna", "S4U"),
        (for_user(), "LogonTrigger", "SITE\\anna", "InteractiveToken"),
        (replace(INSTALLATION, account="anna"), "BootTrigger", "SITE\\anna", "S4U"),
        (replace(INSTALLATION, account="localservice"), "BootTrigger", "S-1-5-19", None),
    ],
)
def test_who_runs_it_and_when(installation: Installation, trigger: str, user: str, logon: str | None) -> None:
    text = a_text(installation)
    assert find(text, f"Triggers/{trigger}") is not None
    assert find(text, "Principals/Principal/UserId") == user
    assert find(text, "Principals/Principal/LogonType") == logon


def test_somebody_elses_password_is_not_known() -> None:
    with pytest.raises(ConnmonError, match="cannot run as bob"):
        a_text(replace(INSTALLATION, account="bob"))


@pytest.mark.parametrize("user", [False, True])
def test_a_life(tmp_path: Path, user: bool) -> None:
    commands = FakeCommands()
    manager, installation = ScheduledTasks(a_host(tmp_path, commands)), replace(INSTALLATION, user=user)
    first = install(manager, installation)
    when = "logon" if user else "boot"
    assert first.done == ("Wrote the task connmon-agent", f"Registered connmon-agent: starts at {when}")
    (file,) = (tmp_path / ("AppData" if user else "ProgramData")).rglob("*.xml")
    assert file.read_bytes().startswith((b"\xff\xfe", b"\xfe\xff"))
    assert file.read_text(encoding="utf-16") == manager.unit(installation).text
    assert not install(manager, installation).changed
    ownership, condition = inspect(manager, manager.unit(installation))
    assert ownership is Ownership.OURS and condition is not None and condition.at_boot
    uninstall(manager, installation)
    assert not file.exists() and commands.enabled == set()
    assert commands.changes == [
        f"schtasks /Create /TN connmon-agent /XML {file} /F",
        "schtasks /Run /TN connmon-agent",
        "schtasks /Run /TN connmon-agent",
        "schtasks /Delete /TN connmon-agent /F",
    ]


def test_a_task_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    commands = FakeCommands(enabled={"connmon-agent"})
    with pytest.raises(ConnmonError, match=r"was not written by.*schtasks /Delete"):
        install(ScheduledTasks(a_host(tmp_path, commands)), INSTALLATION)
    assert commands.changes == []


def test_one_that_was_removed_by_hand_is_registered_again(tmp_path: Path) -> None:
    commands = FakeCommands()
    manager = ScheduledTasks(a_host(tmp_path, commands))
    install(manager, INSTALLATION)
    commands.enabled.clear()
    assert install(manager, INSTALLATION).done == ("Registered connmon-agent: starts at boot",)


def test_what_schtasks_refuses_is_said(tmp_path: Path) -> None:
    commands = FakeCommands(failing={("schtasks", "/Create"): "ERROR: Access is denied."})
    with pytest.raises(ConnmonError, match=r"schtasks /Create.*Access is denied"):
        install(ScheduledTasks(a_host(tmp_path, commands)), INSTALLATION)
    with pytest.raises(ConnmonError, match="needs an administrator"):
        install(ScheduledTasks(a_host(tmp_path, FakeCommands(), superuser=False)), INSTALLATION)
