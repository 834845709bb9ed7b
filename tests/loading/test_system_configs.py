from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connmon_agent.errors import ConfigurationError
from connmon_agent.loading import documents
from connmon_agent.loading.configuration import load_settings
from connmon_agent.loading.defaults import DEFAULTS, PORTS
from connmon_agent.loading.file_paths import resolve_windows_path
from connmon_agent.settings import ForwardSettings, Settings, StartSettings

SHIPPED = Path(__file__).parents[2] / "config" / "system_config.json"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "system_config.json"


def load(path: Path, content: Any) -> Settings:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return load_settings(path, state_dir=None, environment={})


def find_messages(path: Path, content: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(path, content)
    return [str(problem).removeprefix(str(path)) for problem in caught.value.problems]


def test_the_shipped_example_means_the_seven_services_of_the_erp(tmp_path: Path) -> None:
    settings = load_settings(SHIPPED, state_dir=tmp_path, environment={})
    assert settings.plan.services == DEFAULTS.service_plans
    assert settings.forwards == DEFAULTS.forwards
    assert settings.targets == DEFAULTS.targets
    assert settings.plan.link.check_interval == 30
    assert settings.logging.dir == SHIPPED.parent.parent / "var" / "logs"
    assert settings.state_dir == tmp_path


def test_what_the_file_says_is_mapped(path: Path) -> None:
    settings = load(
        path,
        {
            "ConnectionMonitor": {
                "CheckInterval": 0.25,
                "MaxRestartAttempts": 5,
                "ServicesToMonitor": ["grafana", "frontend", "worker"],
            },
            "Kubernetes": {
                "Namespace": "shop",
                "EnableAutoRestart": False,
                "PortForwardConfig": {
                    "frontend": {"Primary": 9090, "Alternatives": [9091]},
                    "grafana": {"Primary": 3000},
                    "elsewhere": {"Primary": 1234},
                },
            },
            "Logging": {
                "LogDir": "logs",
                "Level": "WARN",
                "MaxFileSize": 3,
                "MaxFiles": 2,
                "EnableConsoleOutput": False,
            },
        },
    )
    link, recovery = settings.plan.link, settings.plan.recovery
    assert (link.check_interval, link.confirm_interval, settings.timeout) == (0.25, 0.25, 0.25)
    assert (recovery.max_restart_attempts, recovery.act) == (5, False)
    assert [(s.name, s.namespace, s.workload) for s in settings.plan.services] == [
        ("grafana", "shop", "grafana"),
        ("frontend", "shop", "frontend"),
        ("worker", "shop", "worker"),
    ]
    assert settings.forwards == {
        "grafana": ForwardSettings("grafana", 3000),
        "frontend": ForwardSettings("frontend", 9090, (9091,)),
    }
    assert (settings.kubernetes.namespace, settings.logging.level) == ("shop", "warning")
    assert settings.logging.dir == path.parent / "logs"
    assert (settings.logging.max_file_size, settings.logging.max_files, settings.logging.console) == (3, 2, False)


@pytest.mark.parametrize("folder", ["config", "Config", "CONFIG"])
def test_a_relative_path_starts_above_a_folder_config_as_in_the_erps_own_scripts(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    settings = load(tmp_path / folder / "system_config.json", {"Logging": {"LogDir": "var\\logs"}})
    assert settings.logging.dir == tmp_path / "var" / "logs"


def test_how_the_agent_is_started_is_read(path: Path) -> None:
    settings = load(path, {"ConnectionMonitor": {"Enabled": "true", "AutoStart": "False", "mode": "TASK"}})
    assert settings.start == StartSettings(enabled=True, autostart=False, mode="task")
    assert load(path, {"ConnectionMonitor": {}}).start == StartSettings(enabled=True, autostart=True, mode="background")


def test_an_agent_that_may_not_be_started_is_warned_of(path: Path) -> None:
    settings = load(path, {"ConnectionMonitor": {"Enabled": False}})
    assert [str(warning).removeprefix(str(path)) for warning in settings.warnings] == [
        ":1: ConnectionMonitor.Enabled: is false: start refuses, autostart does nothing, "
        "a running agent continues; write true to allow it"
    ]


def test_one_section_is_enough_and_the_rest_is_built_in(path: Path) -> None:
    settings = load(path, {"Logging": {}})
    assert (settings.plan.link, settings.plan.services) == (DEFAULTS.link, DEFAULTS.service_plans)
    assert (settings.forwards, settings.logging) == (DEFAULTS.forwards, DEFAULTS.logging)


def test_without_port_forwards_the_known_services_keep_their_ports(path: Path) -> None:
    settings = load(path, {"ConnectionMonitor": {"ServicesToMonitor": ["jaeger", "worker"]}})
    assert settings.forwards == {"jaeger": ForwardSettings("jaeger", PORTS["jaeger"][0], PORTS["jaeger"][1:])}


def test_keys_are_compared_as_powershell_compares_them(path: Path) -> None:
    settings = load(path, {"connectionMONITOR": {"checkinterval": 5}, "KUBERNETES": {"namespace": "shop"}})
    assert (settings.plan.link.check_interval, settings.kubernetes.namespace) == (5, "shop")


def test_what_others_wrote_is_left_alone(path: Path) -> None:
    content = {"Logging": {"Theme": {"on": []}}, "Database": {"Port": "none", "Kubernetes": 5}, "Version": 3}
    assert load(path, content).plan.services == DEFAULTS.service_plans


def test_utf_16_and_tabs_are_no_obstacle(path: Path) -> None:
    path.write_bytes('{\r\n\t"Kubernetes":\t{"Namespace": "küche-1"}}'.replace("ü", "ue").encode("utf-16"))
    settings = load_settings(path, state_dir=None, environment={})
    assert settings.kubernetes.namespace == "kueche-1"


MISTAKES: dict[str, tuple[Any, list[str]]] = {
    "none of our sections": (
        {"Database": {}},
        [
            ": none of the sections ConnectionMonitor, Kubernetes, Logging is in this file; "
            "name the ERP's system_config.json, or write a connmon.yaml"
        ],
    ),
    "values of every key": (
        """{"ConnectionMonitor": {
 "Enabled": "yes",
 "AutoStart": 2,
 "Mode": "Daemon",
 "ScriptPath": 5,
 "CheckInterval": "30s",
 "MaxRestartAttempts": 0,
 "ServicesToMonitor": {"frontend": 1}},
"Kubernetes": {
 "Namespace": "ERP System",
 "EnableAutoRestart": "yes",
 "PortForwardConfig": []},
"Logging": {
 "LogDir": false,
 "Level": "Loud",
 "MaxFileSize": "10MB",
 "MaxFiles": 0,
 "EnableConsoleOutput": "on",
 "EnableEventLog": null}}""",
        [
            ':2: ConnectionMonitor.Enabled: must be true or false (got "yes"); write true, without quotes',
            ":3: ConnectionMonitor.AutoStart: must be true or false (got 2)",
            ':4: ConnectionMonitor.Mode: is none of the choices (got "Daemon"); '
            "write Foreground, Background, Task, Service or Ports",
            ':5: ConnectionMonitor.ScriptPath: must be text (got 5); put it in quotes: "5"',
            ':6: ConnectionMonitor.CheckInterval: must be a number of seconds (got "30s"); '
            "write it without quotes and unit: 30",
            ":7: ConnectionMonitor.MaxRestartAttempts: would restart nothing (got 0); "
            'write "EnableAutoRestart": false to restart nothing, or 1 to 100',
            ':8: ConnectionMonitor.ServicesToMonitor: must be a list (got {frontend: 1}); write it as ["a", "b"]',
            ':10: Kubernetes.Namespace: is not a Kubernetes name by RFC 1123 (got "ERP System"); '
            "use a-z, 0-9 and hyphens, a letter or digit at both ends",
            ':11: Kubernetes.EnableAutoRestart: must be true or false (got "yes"); write true, without quotes',
            ":12: Kubernetes.PortForwardConfig: must contain keys and values (got []); "
            'write keys in braces: {"key": ...}',
            ':14: Logging.LogDir: must be text (got false); put it in quotes: "false"',
            ':15: Logging.Level: is none of the choices (got "Loud"); write Debug, Info, Warning or Error',
            ':16: Logging.MaxFileSize: must be a whole number (got "10MB"); write a whole number from 1 to 1000000',
            ":17: Logging.MaxFiles: is out of range (got 0); write a whole number from 1 to 1000",
            ':18: Logging.EnableConsoleOutput: must be true or false (got "on"); write true, without quotes',
            ":19: Logging.EnableEventLog: must be true or false (got null); "
            "write one, or remove the key to use the default",
        ],
    ),
    "ports": (
        """{"Kubernetes": {"PortForwardConfig": {
"frontend": {"Primary": 8080, "Alternatives": [8080, 70000]},
"grafana": {"Alternatives": []},
"jaeger": {"Primary": 9000, "Alternatives": [9001, 9001]},
"worker": {"Primary": 9000},
"web": "@{Primary=80; Alternatives=System.Object[]}"}}}""",
        [
            ":2: Kubernetes.PortForwardConfig.frontend.Alternatives[1]: is out of range (got 70000); "
            "write a whole number from 1 to 65535",
            ':3: Kubernetes.PortForwardConfig.grafana.Primary: is missing; write "Primary": ...',
            ":4: Kubernetes.PortForwardConfig.jaeger.Alternatives: 9001 is listed twice (got [9001, 9001]); "
            "keep one of the two",
            ":5: Kubernetes.PortForwardConfig.worker.Primary: is already the local port of jaeger (got 9000); "
            "give each service its own port",
            ":6: Kubernetes.PortForwardConfig.web: was cut off by PowerShell "
            '(got "@{Primary=80; Alternatives=System.Object[]}"); write the file again with ConvertTo-Json -Depth 10',
        ],
    ),
    "the same key in two spellings": (
        '{"Logging": {\n"Level": "Info",\n"level": "Debug"}}',
        [':3: Logging.level: duplicate key, first at line 2 (got "Debug"); keep one of the two'],
    ),
    "a service twice": (
        {"ConnectionMonitor": {"ServicesToMonitor": ["web", "api", "web"]}},
        [
            ':1: ConnectionMonitor.ServicesToMonitor: web is listed twice (got ["web", "api", "web"]); '
            "name each service once"
        ],
    ),
    "a path with single backslashes that JSON reads as a line feed": (
        '{"Logging": {"LogDir": "C:\\new"}}',
        [
            ":1: Logging.LogDir: contains a character that cannot be printed "
            '(got "C:\\new"); write each backslash twice: C:\\\\ERP\\\\logs'
        ],
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_wrong_values_in_our_sections_are_told_in_these_words(path: Path, name: str) -> None:
    content, messages = MISTAKES[name]
    assert find_messages(path, content) == messages


def load_lines(path: Path, **sections: str) -> Settings:
    """The file with these sections, each written as it stands."""
    return load(path, "{" + ", ".join(f'"{name}": {text}' for name, text in sections.items()) + "}")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [('"30"', 30.0), ("30.0", 30.0), ('"2.5"', 2.5), ('"2,5"', 2.5), ('" 5 "', 5.0), ("0.5", 0.5)],
)
def test_seconds_are_read_as_powershell_writes_them(path: Path, written: str, seconds: float) -> None:
    settings = load_lines(path, ConnectionMonitor=f'{{"CheckInterval": {written}}}')
    assert settings.plan.link.check_interval == seconds


@pytest.mark.parametrize("written", ['"1,000"', '"1.000"', '"five"', '"0x10"', "true", "[30]", '""', "null"])
def test_seconds_that_may_mean_two_things_are_refused(path: Path, written: str) -> None:
    with pytest.raises(ConfigurationError, match=r"ConnectionMonitor\.CheckInterval"):
        load_lines(path, ConnectionMonitor=f'{{"CheckInterval": {written}}}')


@pytest.mark.parametrize(
    ("written", "flag"),
    [(text, True) for text in ("true", '"true"', '"True"', "1")]
    + [(text, False) for text in ("false", '"false"', '"FALSE"', "0")],
)
def test_truth_is_read_in_quotes_too(path: Path, written: str, flag: bool) -> None:
    settings = load_lines(path, Kubernetes=f'{{"EnableAutoRestart": {written}}}')
    assert settings.plan.recovery.act is flag


@pytest.mark.parametrize(
    ("primary", "alternatives", "ports"),
    [
        ("8080", "[8081, 8082]", (8080, 8081, 8082)),
        ('"8080"', '["8081", "8082"]', (8080, 8081, 8082)),
        ("8080", '"8081 8082"', (8080, 8081, 8082)),
        ("8080", '"8081, 8082"', (8080, 8081, 8082)),
        ("8080", "8081", (8080, 8081)),
        ("8080", '"8081"', (8080, 8081)),
        ("8080", '""', (8080,)),
    ],
)
def test_lists_that_powershell_flattened_are_read(
    path: Path, primary: str, alternatives: str, ports: tuple[int, ...]
) -> None:
    entry = f'{{"frontend": {{"Primary": {primary}, "Alternatives": {alternatives}}}}}'
    forward = load_lines(path, Kubernetes=f'{{"PortForwardConfig": {entry}}}').forwards["frontend"]
    assert (forward.port, *forward.alternatives) == ports


@pytest.mark.parametrize(
    "section",
    [
        '"Kubernetes": {"PortForwardConfig": {"frontend": "@{Primary=8080}"}}',
        '"Kubernetes": {"PortForwardConfig": {"frontend": "System.Collections.Hashtable"}}',
        '"Kubernetes": {"PortForwardConfig": {"frontend": {"Primary": 1, "Alternatives": "System.Object[]"}}}',
        '"ConnectionMonitor": {"ServicesToMonitor": "System.Object[]"}',
    ],
)
def test_what_powershell_cut_off_is_named(path: Path, section: str) -> None:
    (message,) = find_messages(path, f"{{{section}}}")
    assert "was cut off by PowerShell" in message
    assert message.endswith("write the file again with ConvertTo-Json -Depth 10")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp850"])
def test_every_encoding_of_windows_is_read_where_only_others_wrote_an_umlaut(path: Path, encoding: str) -> None:
    text = '{"Firma": {"Name": "Müller & Söhne"}, "Kubernetes": {"Namespace": "shop"}}'
    path.write_bytes(text.encode(encoding))
    assert load_settings(path, state_dir=None, environment={}).kubernetes.namespace == "shop"


def test_an_umlaut_of_a_code_page_in_our_own_section_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "ANSI", None)
    path.write_bytes('{"Logging": {"LogDir": "Prüfung"}}'.encode("cp1252"))
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, state_dir=None, environment={})
    assert "Logging.LogDir: is not UTF-8 text" in str(caught.value)
    assert str(caught.value).endswith("save the file as UTF-8")
    str(caught.value).encode()


def test_mode_ports_is_one_of_the_modes(path: Path) -> None:
    assert load(path, {"ConnectionMonitor": {"Mode": "Ports"}}).warnings == ()


@pytest.mark.parametrize(
    ("content", "warning"),
    [
        (
            {"ConnectionMonitor": {"CheckIntervall": 5}},
            ":1: ConnectionMonitor.CheckIntervall: has no effect; did you mean CheckInterval?",
        ),
        ({"Kubernetes": {}, "Loging": {}}, ":1: Loging: has no effect; did you mean Logging?"),
        ({"Logging": {"LogDirs": "x"}}, ":1: Logging.LogDirs: has no effect; did you mean LogDir?"),
        (
            {"Kubernetes": {"PortForwardConfig": {"frontend": {"Primary": 1, "Alternative": [2]}}}},
            ":1: Kubernetes.PortForwardConfig.frontend.Alternative: has no effect; did you mean Alternatives?",
        ),
        (
            {"ConnectionMonitor": {"ServicesToMonitor": ["fronted"]}},
            ":1: ConnectionMonitor.ServicesToMonitor: fronted is not a service of the ERP; did you mean frontend?",
        ),
        (
            {"Kubernetes": {"PortForwardConfig": {"grafanna": {"Primary": 3000}}}},
            ":1: Kubernetes.PortForwardConfig.grafanna: does not match any service; did you mean grafana?",
        ),
    ],
)
def test_a_probable_typo_is_named_and_nothing_is_refused(path: Path, content: Any, warning: str) -> None:
    assert [str(found).removeprefix(str(path)) for found in load(path, content).warnings] == [warning]


def test_keys_of_others_are_no_typos(path: Path) -> None:
    content = {
        "ConnectionMonitor": {"Modes": ["a"], "Mode": "Task", "Notify": "x"},
        "Kubernetes": {"Context": "minikube"},
        "Reports": {},
    }
    assert load(path, content).warnings == ()


@pytest.mark.parametrize(
    ("text", "platform", "found"),
    [
        ("logs", "linux", "/erp/config/logs"),
        (".\\logs\\agent", "linux", "/erp/config/logs/agent"),
        ("..\\logs", "linux", "/erp/logs"),
        ("C:\\ERP\\logs", "linux", "/erp/config/ERP/logs"),
        ("\\\\server\\share\\logs", "linux", "/erp/config/logs"),
        ("/var/log/erp", "linux", "/var/log/erp"),
        ("logs", "win32", "/erp/config/logs"),
    ],
)
def test_windows_paths_do_not_break_elsewhere(text: str, platform: str, found: str) -> None:
    assert resolve_windows_path(text, Path("/erp/config"), platform) == Path(found)
