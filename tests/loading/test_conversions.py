"""``config import``: the connmon.yaml means what the ERP's file means."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.errors import ConfigurationError
from connmon_agent.loading.configuration import load_settings
from connmon_agent.loading.conversions import convert_system_config
from connmon_agent.presence import LOCK_FILE
from connmon_agent.settings import Settings

ENVIRONMENT = {"DATA": "/data", "HOME": "/home/erp", "USERPROFILE": "C:\\Users\\erp"}
SHIPPED = Path(__file__).parents[2] / "config" / "system_config.json"
names = st.from_regex(r"[a-z]([-a-z0-9]{0,12}[a-z0-9])?", fullmatch=True) | st.sampled_from(
    ["on", "no", "7", "1e3", "null"]
)
ports = st.integers(1, 65535)
flags = st.booleans() | st.sampled_from(["True", "false", 1, 0])
paths = st.sampled_from(
    [
        "",
        "var\\logs",
        "..\\x",
        "C:\\ERP\\logs",
        "/var/log/erp",
        "~/logs",
        "%DATA%\\l",
        "a b'ü\"#",
        "50%",
        "a$",
        "$$x: y",
    ]
)


def part(keys: Mapping[str, st.SearchStrategy[object]]) -> st.SearchStrategy[dict[str, object]]:
    """Some of the keys."""
    return st.fixed_dictionaries({}, optional=keys)


@st.composite
def system_configs(draw: st.DrawFn) -> dict[str, object]:
    services = draw(st.lists(names, unique=True, max_size=5))
    primaries = draw(st.lists(ports, unique=True, min_size=5, max_size=5))
    entry = st.lists(ports.filter(lambda port: port not in primaries), unique=True, max_size=3)
    forwards = {
        name: {"Primary": port, "Alternatives": draw(entry)} for name, port in zip(services, primaries, strict=False)
    }
    forwards = {name: forward for name, forward in forwards.items() if draw(st.booleans())}
    monitor = draw(
        part(
            {
                "Enabled": flags,
                "AutoStart": flags,
                "Mode": st.sampled_from(["Foreground", "background", "TASK", "Service", "Ports"]),
                "ScriptPath": paths,
                "CheckInterval": st.floats(0.01, 3600) | st.integers(1, 3600),
                "MaxRestartAttempts": st.integers(1, 100),
                "ServicesToMonitor": st.just(services),
                "CheckIntervall": st.text(),
            }
        )
    )
    kubernetes = draw(part({"Namespace": names, "EnableAutoRestart": flags, "PortForwardConfig": st.just(forwards)}))
    logging = draw(
        part(
            {
                "LogDir": st.none() | paths,
                "Level": st.sampled_from(["Debug", "Information", "WARN", "critical"]),
                "MaxFileSize": st.integers(1, 1_000_000),
                "MaxFiles": st.integers(1, 1000),
                "EnableConsoleOutput": flags,
                "EnableEventLog": flags,
            }
        )
    )
    return {"ConnectionMonitor": monitor, "Kubernetes": kubernetes, "Logging": logging, draw(st.text(min_size=9)): 1}


def load(path: Path) -> Settings:
    return load_settings(path, state_dir=None, environment=ENVIRONMENT)


def convert(source: Path, output: Path) -> str:
    return convert_system_config(source, output=output, environment=ENVIRONMENT)


@hypothesis.settings(max_examples=25)
@given(
    system_configs(),
    st.sampled_from(["config", "Config", "etc"]),
    st.sampled_from(["config", "elsewhere"]),
    st.booleans(),
)
def test_the_same_settings_are_loaded_from_both(content: object, folder: str, target: str, var: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for each in {folder, target, *(["var"] if var else [])}:
            (place / each).mkdir(exist_ok=True)  # the same folder in other letters, where they have no case
        source, output = place / folder / "system_config.json", place / target / "connmon.yaml"
        source.write_text(json.dumps(content), encoding="utf-8")
        output.write_text(convert(source, output), encoding="utf-8")
        original, converted = load(source), load(output)
    assert replace(converted, source="", warnings=()) == replace(original, source="", warnings=())


def test_the_shipped_file_becomes_short_and_names_where_each_value_is_from(tmp_path: Path) -> None:
    text = convert(SHIPPED, tmp_path / "connmon.yaml")
    assert "  check_interval: 30s  # ConnectionMonitor.CheckInterval\n" in text
    assert "  frontend: {port: 8080, alternatives: [8081, 8082, 8083, 8084]}\n" in text
    assert "# not carried over: ConnectionMonitor.ScriptPath (connmon-agent runs in place of this script)\n" in text
    assert len(text.splitlines()) < 40


def test_only_keys_without_a_counterpart_are_named_as_left_out(tmp_path: Path) -> None:
    source = tmp_path / "system_config.json"
    monitor = {"Enabled": False, "AutoStart": True, "Mode": "Task", "ApiKey": "hunter2"}
    source.write_text(json.dumps({"ConnectionMonitor": monitor, "Database": {"Password": "hunter2"}}))
    text = convert(source, tmp_path / "connmon.yaml")
    left_out = [line.split()[4] for line in text.splitlines() if line.startswith("# not carried over")]
    assert left_out == ["ConnectionMonitor.ApiKey", "Database"]
    assert "hunter2" not in text


def test_the_state_stays_where_it_was_when_the_file_moves(tmp_path: Path) -> None:
    for folder in ("config", "var", "etc"):
        (tmp_path / folder).mkdir()
    (tmp_path / "var" / LOCK_FILE).touch()  # an agent has run there
    source = tmp_path / "config" / "system_config.json"
    source.write_text('{"Logging": {}}')
    moved = yaml.safe_load(convert(source, tmp_path / "etc" / "connmon.yaml"))
    assert moved["state_dir"] == str(tmp_path / "var")
    assert "state_dir" not in convert(source, tmp_path / "config" / "connmon.yaml"), "it is beside both"


def test_a_file_that_cannot_be_used_is_not_converted(tmp_path: Path) -> None:
    source = tmp_path / "system_config.json"
    source.write_text('{"ConnectionMonitor": {"CheckInterval": "soon"}}')
    with pytest.raises(ConfigurationError, match="CheckInterval"):
        convert(source, tmp_path / "connmon.yaml")


def test_what_our_own_format_refuses_is_told_by_its_place(tmp_path: Path) -> None:
    """Two services that differ only in a dot share a variable of endpoints.env."""
    source = tmp_path / "system_config.json"
    forwards = {"a.b": {"Primary": 1}, "a-b": {"Primary": 2}}
    content = {
        "ConnectionMonitor": {"ServicesToMonitor": ["a.b", "a-b"]},
        "Kubernetes": {"PortForwardConfig": forwards},
    }
    source.write_text(json.dumps(content))
    with pytest.raises(ConfigurationError, match="in endpoints"):
        convert(source, tmp_path / "connmon.yaml")
