"""What a path of a configuration file means: every key that holds one, in both formats."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.errors import ConfigurationError
from connmon_agent.loading.configuration import load_settings
from connmon_agent.loading.file_paths import PATH, escape_path, read_windows_path
from connmon_agent.loading.nodes import ScalarNode
from connmon_agent.loading.places import PathRules
from connmon_agent.loading.problems import Problems
from connmon_agent.loading.values import Rejected, Value
from connmon_agent.settings import Settings

ENVIRONMENT = {
    "DATA": "/data",
    "LOGS": "logs",
    "EMPTY": "",
    "TWO": "a\nb",
    "HOME": "/home/erp",
    "ProgramFiles(x86)": "/x86",
}

# What is written; the path on Linux, or the end of the message where it is refused.
WRITTEN = [
    ("%DATA%/logs", "/data/logs"),
    ("$env:DATA/logs", "/data/logs"),
    ("$ENV:DATA/logs", "/data/logs"),
    ("${env:DATA}/logs", "/data/logs"),
    ("${DATA}/logs", "/data/logs"),
    ("$DATA/logs", "/data/logs"),
    ("%LOGS%/agent", "{base}/logs/agent"),
    ("%ProgramFiles(x86)%/erp", "/x86/erp"),
    ("${env:ProgramFiles(x86)}/erp", "/x86/erp"),
    ("~/logs", "/home/erp/logs"),
    ("$HOME/logs", "/home/erp/logs"),
    ("100%/50%", "{base}/100%/50%"),
    ("a$/b", "{base}/a$/b"),
    ("$$env:DATA/%%DATA%%", "{base}/$env:DATA/%DATA%"),
    ("%ProgramData%/erp", "the environment variable ProgramData is not set"),
    ("$env:APPDATA/erp", "the environment variable APPDATA is not set"),
    ("${env:APPDATA}", "the environment variable APPDATA is not set"),
    ("$PSScriptRoot/logs", "the environment variable PSScriptRoot is not set"),
    ("%EMPTY%/logs", "the environment variable EMPTY is not set"),
    ("%TWO%/logs", "the environment variable TWO contains a character that cannot be printed"),
    ("logs/$(Get-Date)", "contains an expression that only a shell can evaluate"),
    ("${DATA:-x}/logs", "contains an expression that only a shell can evaluate"),
]

# Every key that holds a path and has an effect, and what is loaded from it.
KEYS = {
    "state_dir": lambda settings: settings.state_dir,
    "kubernetes.kubeconfig": lambda settings: settings.kubernetes.kubeconfig,
    "logging.dir": lambda settings: settings.logging.dir,
    "Logging.LogDir": lambda settings: settings.logging.dir,
}


def load(folder: Path, key: str, text: str) -> Settings:
    content: object = text
    for name in reversed(key.split(".")):
        content = {name: content}
    path = folder / "config" / ("system_config.json" if key[0].isupper() else "connmon.yaml")
    path.parent.mkdir()
    path.write_text(json.dumps(content))  # which is YAML, too
    return load_settings(path, state_dir=None, environment=ENVIRONMENT)


@pytest.mark.linux_alone(reason="what the drives of a Windows path are where there are none")
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(("text", "meant"), WRITTEN, ids=[text for text, _ in WRITTEN])
def test_a_variable_is_expanded_or_refused_and_never_the_name_of_a_folder(
    tmp_path: Path, key: str, text: str, meant: str
) -> None:
    if meant.startswith(("/", "{base}")):
        assert KEYS[key](load(tmp_path, key, text)) == Path(meant.format(base=tmp_path))
    else:
        with pytest.raises(ConfigurationError) as caught:
            load(tmp_path, key, text)
        (problem,) = caught.value.problems
        assert (problem.key, problem.message, bool(problem.remedy)) == (key, meant, True)


def test_a_variable_in_a_key_without_effect_does_not_keep_the_agent_from_starting(tmp_path: Path) -> None:
    settings = load(tmp_path, "ConnectionMonitor.ScriptPath", "%ProgramFiles%\\ERP\\monitor.ps1")
    assert [usage.unused for usage in settings.usages] == ["connmon-agent runs in place of this script"]


def read(text: str, rules: PathRules, *, windows_file: bool = False) -> Path | None:
    value = Value(Problems("file", paths=rules), "key", ScalarNode(text, text, 1, quoted=True))
    return read_windows_path(value, text) if windows_file else PATH.read(value)


@pytest.mark.linux_alone(reason="what the drives of a Windows path are where there are none")
@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("var\\logs", "/erp/var/logs"),
        ("%DATA%\\logs", "/data/logs"),
        ("$env:DATA\\logs\\agent", "/data/logs/agent"),
        ("~\\logs", "/home/erp/logs"),
        ("%LOGS%\\agent", "/erp/logs/agent"),
    ],
)
def test_what_a_windows_program_wrote_is_found_behind_a_variable_of_this_system(text: str, meant: str) -> None:
    rules = PathRules(Path("/erp"), Path("/home/erp"), ENVIRONMENT, "linux")
    assert read(text, rules, windows_file=True) == Path(meant)


def test_windows_compares_the_names_of_variables_in_any_case() -> None:
    """There ``os.environ`` holds them in capitals."""
    rules = PathRules(Path("/erp"), None, {"PROGRAMDATA": "/data"}, "win32")
    assert read("%ProgramData%/logs", rules) == Path("/data/logs")
    with pytest.raises(Rejected):
        read("%ProgramData%/logs", PathRules(Path("/erp"), None, {"PROGRAMDATA": "/data"}, "linux"))


@pytest.mark.parametrize("text", ["C:logs", "d:", "%DRIVE%logs"])
def test_a_drive_without_a_directory_is_refused_on_windows(text: str) -> None:
    rules = PathRules(Path("/erp"), None, {"DRIVE": "D:"}, "win32")
    with pytest.raises(Rejected):
        read(text, rules)
    read(text, rules._replace(platform="linux"))  # a strange name, and no more


@given(st.text(st.sampled_from("$%{}(): envHOMEx")))
def test_an_escaped_path_means_itself(text: str) -> None:
    path = Path(f"/x{text}x")
    assert read(escape_path(path), PathRules(Path("/erp"), Path("/home/erp"), ENVIRONMENT, "linux")) == path
