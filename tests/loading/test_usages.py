"""Every key of a file is named, with whether it is in force."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from connmon_agent.loading.configuration import load_settings
from connmon_agent.settings import Settings

SHIPPED = Path(__file__).parents[2] / "config"


def load(path: Path, text: str, *, state_dir: Path | None = None) -> Settings:
    path.write_text(text)
    return load_settings(path, state_dir=state_dir, environment={})


def find_unused(settings: Settings) -> dict[str, str]:
    return {usage.key: usage.unused for usage in settings.usages if usage.unused is not None}


def load_json(folder: Path, content: dict[str, Any]) -> dict[str, str]:
    return find_unused(load(folder / "system_config.json", json.dumps(content)))


def test_every_key_of_the_erps_file_is_named_with_its_value_and_line(tmp_path: Path) -> None:
    settings = load(
        tmp_path / "system_config.json",
        """{"ConnectionMonitor": {"checkinterval": "5",
 "CheckIntervall": 6, "Notify": ["x"]},
 "Kubernetes": {"PortForwardConfig": {"grafana": {"Primary": 3000}, "other": {"Primary": 1}}},
 "Database": {"Port": 5432}, "Loging": {"Level": "Debug"}}""",
    )
    assert [(usage.key, usage.value, usage.line, usage.unused) for usage in settings.usages] == [
        ("ConnectionMonitor.checkinterval", '"5"', 1, None),
        ("ConnectionMonitor.CheckIntervall", "...", 2, "no key of connmon-agent; skipped"),
        ("ConnectionMonitor.Notify", "...", 2, "no key of connmon-agent; skipped"),
        ("Kubernetes.PortForwardConfig.grafana", "{Primary: 3000}", 3, None),
        ("Kubernetes.PortForwardConfig.other", "{Primary: 1}", 3, "not in ServicesToMonitor"),
        ("Database", "...", 4, "another program's section; skipped"),
        ("Loging", "...", 4, "did you mean Logging?"),
    ]


@pytest.mark.parametrize(
    ("content", "unused"),
    [
        (
            {"ConnectionMonitor": {"CheckIntervall": 5}},
            {"ConnectionMonitor.CheckIntervall": "did you mean CheckInterval?"},
        ),
        (
            {"ConnectionMonitor": {"ScriptPath": "a.ps1"}},
            {"ConnectionMonitor.ScriptPath": "connmon-agent runs in place of this script"},
        ),
        (
            {"ConnectionMonitor": {"Enabled": False, "AutoStart": True, "Mode": "Task"}},
            {"ConnectionMonitor.AutoStart": "Enabled is false", "ConnectionMonitor.Mode": "Enabled is false"},
        ),
        (
            {"ConnectionMonitor": {"AutoStart": False, "Mode": "Task"}},
            {"ConnectionMonitor.Mode": "AutoStart is false"},
        ),
        ({"ConnectionMonitor": {"Enabled": True, "AutoStart": True, "Mode": "Task"}}, {}),
        (
            {"Logging": {"EnableEventLog": True}},
            {}
            if sys.platform == "win32"
            else {"Logging.EnableEventLog": "this system has no Windows event log; connmon-agent writes log files"},
        ),
        ({"Logging": {"EnableEventLog": False}}, {}),
    ],
    ids=lambda content: str(content)[:60],
)
def test_why_a_key_of_the_erps_file_is_not_in_force(
    tmp_path: Path, content: dict[str, Any], unused: dict[str, str]
) -> None:
    assert load_json(tmp_path, content) == unused


def test_of_the_shipped_erp_file_only_the_script_and_the_database_are_not_in_force(tmp_path: Path) -> None:
    settings = load_settings(SHIPPED / "system_config.json", state_dir=tmp_path, environment={})
    assert list(find_unused(settings)) == ["ConnectionMonitor.ScriptPath", "Database"]
    assert len(settings.usages) == 23


@pytest.mark.parametrize(
    ("text", "unused"),
    [
        ("start: {enabled: false, mode: task}", {"start.mode": "start.enabled is false"}),
        ("start: {autostart: false, mode: task}", {"start.mode": "start.autostart is false"}),
        ("forwards: {reclaim: never}\nservices: {a: {}}", {"forwards.reclaim": "no service has a local port"}),
        ("forwards: {reclaim: never}", {}),
    ],
)
def test_why_a_key_of_our_own_file_is_not_in_force(tmp_path: Path, text: str, unused: dict[str, str]) -> None:
    assert find_unused(load(tmp_path / "connmon.yaml", text)) == unused


def test_the_command_lines_state_directory_goes_before_the_files(tmp_path: Path) -> None:
    settings = load(tmp_path / "connmon.yaml", "state_dir: x", state_dir=tmp_path)
    assert find_unused(settings) == {"state_dir": "--state-dir goes before it"}
    assert find_unused(load(tmp_path / "connmon.yaml", "state_dir: x")) == {}
