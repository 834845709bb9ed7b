from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace
from tests.fakes.statefiles import opened, tick

from connmon_agent.cli.config import config
from connmon_agent.cli.invocations import Invocation
from connmon_agent.core.steps import Step
from connmon_agent.core.world import Forward
from connmon_agent.errors import ConfigurationError, ConnmonError
from connmon_agent.kube.backends import SET_TARGET
from connmon_agent.loading.configuration import load_settings
from connmon_agent.loading.places import ERP_FILE
from connmon_agent.settings import Settings
from connmon_agent.store import DATABASE_FILE

REPOSITORY = Path(__file__).parents[2]
STATE = Path("/state").absolute()  # with a drive where there are drives


@dataclass
class Given:
    """The global options of one call."""

    path: Path
    state_dir: Path = STATE

    def settings(self) -> Settings:
        return load_settings(self.path, state_dir=self.state_dir, environment={})


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        pytest.param(
            "link: {}\n",
            f"3 targets (quorum 2), 7 services in 1 stage, 7 forwarded ports, state in {STATE}",
            id="the defaults",
        ),
        pytest.param(
            "link: {targets: [{kind: tcp, host: 192.0.2.1, port: 443}]}\n"
            "services: {a: {}, b: {depends_on: [a], port: 80}}\n",
            f"1 target (quorum 1), 2 services in 2 stages, 1 forwarded port, state in {STATE}",
            id="stages",
        ),
        pytest.param(
            "recovery: {act: false}\nservices: {}\n",
            f"3 targets (quorum 2), 0 services in 0 stages, 0 forwarded ports, state in {STATE}; "
            "shadow mode: nothing is restarted",
            id="shadow mode",
        ),
    ],
)
def test_check_tells_what_a_good_file_means(
    tmp_path: Path, text: str, summary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "connmon.yaml"
    path.write_text(text)
    result = CliRunner().invoke(config, ["check"], obj=Given(path))
    assert (result.exit_code, "".join(result.stdout.split())) == (0, "".join(f"{path}: good: {summary}".split()))
    assert len(result.stdout.splitlines()) == 1, "into a pipe nothing is wrapped"
    monkeypatch.setattr("connmon_agent.cli.screens.width_of_output", lambda: 80)
    result = CliRunner().invoke(config, ["check"], obj=Given(path))
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_without_a_file_check_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "ProgramData": str(tmp_path / "data")}
    result = CliRunner().invoke(config, ["check"], obj=Invocation(state_dir=tmp_path, environment=environment))
    folders = [tmp_path / "data"] if sys.platform == "win32" else [tmp_path / "xdg", Path("/etc")]
    places = [Path("config/connmon.yaml"), *(folder / "connmon-agent/connmon.yaml" for folder in folders)]
    assert result.stdout.splitlines()[0] == (
        "no configuration file; looked for " + ", ".join(str(tmp_path / place) for place in [*places, ERP_FILE])
    )


def test_check_names_what_is_probably_a_typo(tmp_path: Path) -> None:
    path = tmp_path / "system_config.json"
    path.write_text('{"ConnectionMonitor": {"CheckIntervall": 5}}')
    result = CliRunner().invoke(config, ["check"], obj=Given(path))
    assert result.exit_code == 0
    assert "CheckIntervall: has no effect; did you mean CheckInterval?" in " ".join(result.stdout.split())


def test_check_lists_every_key_of_the_erps_file_and_no_secret_of_others(tmp_path: Path) -> None:
    path = tmp_path / "system_config.json"
    path.write_text(
        '{"ConnectionMonitor": {"Enabled": true, "ScriptPath": "a.ps1", "Notify": 5, "ApiKey": "hunter2"},'
        ' "Database": {"Password": "hunter2"}}'
    )
    result = CliRunner().invoke(config, ["check"], obj=Given(path))
    assert result.stdout.splitlines()[1:] == [
        "  in force  ConnectionMonitor.Enabled = true",
        '  not used  ConnectionMonitor.ScriptPath = "a.ps1": connmon-agent runs in place of this script',
        "  not used  ConnectionMonitor.Notify = ...: no key of connmon-agent; skipped",
        "  not used  ConnectionMonitor.ApiKey = ...: no key of connmon-agent; skipped",
        "  not used  Database = ...: another program's section; skipped",
    ]


@pytest.mark.parametrize("options", [[], ["--keys"]])
def test_check_lists_of_our_own_file_what_is_not_in_force(tmp_path: Path, options: list[str]) -> None:
    path = tmp_path / "connmon.yaml"
    path.write_text("link: {fall: 4}\nstart: {autostart: false, mode: task}\n")
    result = CliRunner().invoke(config, ["check", *options], obj=Given(path))
    in_force = ["  in force  link.fall = 4", "  in force  start.autostart = false"] if options else []
    unused = "  not used  start.mode = task: start.autostart is false"
    assert result.stdout.splitlines()[1:] == [*in_force, unused]


def test_the_list_of_keys_fits_a_phone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connmon_agent.cli.screens.width_of_output", lambda: 40)
    result = CliRunner().invoke(config, ["check"], obj=Given(REPOSITORY / "config" / "system_config.json"))
    assert max(map(len, result.stdout.splitlines())) <= 40


@pytest.mark.parametrize("command", ["check", "show"])
def test_a_bad_file_is_left_to_the_one_place_that_translates_errors(command: str) -> None:
    bad = REPOSITORY / "tests" / "configs" / "bad-five-mistakes.yaml"
    result = CliRunner().invoke(config, [command], obj=Given(bad))
    assert isinstance(result.exception, ConfigurationError)
    assert len(result.exception.problems) == 5
    assert result.stdout == ""


@pytest.mark.parametrize("name", ["connmon.yaml", "system_config.json"])
def test_show_prints_what_can_be_used_again(tmp_path: Path, name: str) -> None:
    given = Given(REPOSITORY / "config" / name)
    result = CliRunner().invoke(config, ["show"], obj=given)
    again = tmp_path / "connmon.yaml"
    again.write_text(result.stdout)
    assert Given(again).settings().plan == given.settings().plan
    assert Given(again).settings().forwards == given.settings().forwards


def remember(folder: Path, trouble: str | None) -> None:
    """The state file of an agent whose last check of the local port of web failed with ``trouble``."""
    with opened(folder / DATABASE_FILE) as journal:
        world = replace(journal.load(), forwards={"web": Forward("web", trouble=trouble)})
        journal.commit(tick(1.0), Step(world=world))


@pytest.mark.parametrize(
    ("trouble", "target", "asks"),
    [
        pytest.param(f"the Service web has several TCP ports: a (1), b (2); {SET_TARGET}", "", True, id="a choice"),
        pytest.param(
            f"the Service web has several TCP ports: a (1), b (2); {SET_TARGET}", ", target: b", False, id="made"
        ),
        pytest.param("there is no Service web", "", False, id="something else"),
        pytest.param(None, "", False, id="nothing"),
    ],
)
def test_check_asks_for_a_target_once_an_agent_has_seen_several_ports(
    tmp_path: Path, trouble: str | None, target: str, asks: bool
) -> None:
    path = tmp_path / "connmon.yaml"
    path.write_text(f"services: {{web: {{port: 8080{target}}}}}\n")
    remember(tmp_path, trouble)
    result = CliRunner().invoke(config, ["check"], obj=Given(path, tmp_path))
    said = " ".join(result.stdout.split())
    assert (result.exit_code, "services.web.target is missing: the Service web has several" in said) == (0, asks)


# import

ERP = '{"ConnectionMonitor": {"CheckInterval": 7}}'
WRITTEN = Path("config/connmon.yaml")


@pytest.fixture
def erp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The ERP's directory, which is the working directory."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "system_config.json").write_text(ERP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_import(*arguments: str, config_path: Path | None = None) -> Result:
    environment = {"XDG_CONFIG_HOME": "/nowhere", "HOME": "/nowhere"}
    return CliRunner().invoke(config, ["import", *arguments], obj=Invocation(config_path, environment=environment))


def test_import_writes_beside_the_erps_file_and_a_second_one_changes_nothing(erp: Path) -> None:
    result, written = run_import(), erp / "config" / "connmon.yaml"
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Wrote {WRITTEN}.")
    assert "check_interval: 7s" in written.read_text()
    before = written.stat().st_ino, written.stat().st_mtime_ns
    assert run_import().stdout == f"{WRITTEN} is up to date.\n"
    assert (written.stat().st_ino, written.stat().st_mtime_ns) == before
    assert (erp / "config" / "system_config.json").read_text() == ERP


def test_check_says_what_of_the_erps_file_counts_beside_ours(erp: Path) -> None:
    run_import()
    result = CliRunner().invoke(config, ["check"], obj=Invocation(environment={"HOME": "/nowhere"}))
    assert f"{ERP_FILE}: not in force; only Enabled, AutoStart and" in result.stdout
    (erp / "config" / "system_config.json").unlink()
    result = CliRunner().invoke(config, ["check"], obj=Invocation(environment={"HOME": "/nowhere"}))
    assert "system_config.json" not in result.stdout


def test_import_writes_over_nothing_without_being_told_to(erp: Path) -> None:
    written = erp / "config" / "connmon.yaml"
    written.write_text("link: {}\n")
    result = run_import()
    assert isinstance(result.exception, ConnmonError)
    assert f"{WRITTEN} already exists" in str(result.exception)
    assert written.read_text() == "link: {}\n"
    assert run_import("--force").exit_code == 0
    assert "check_interval: 7s" in written.read_text()


@pytest.mark.linux_alone(reason="symbolic links, which only administrators make on Windows")
def test_import_by_force_writes_into_the_file_that_a_link_means(erp: Path) -> None:
    kept, link = erp / "kept.yaml", erp / "config" / "connmon.yaml"
    kept.write_text("link: {}\n")
    link.symlink_to(kept)
    assert isinstance(run_import().exception, ConnmonError)
    assert run_import("--force").exit_code == 0
    assert link.is_symlink() and "check_interval: 7s" in kept.read_text()


def test_import_to_another_place_or_to_the_output(erp: Path) -> None:
    (erp / "etc").mkdir()
    assert run_import("--output", "etc/site.yaml").exit_code == 0
    assert "check_interval: 7s" in (erp / "etc" / "site.yaml").read_text()
    assert "check_interval: 7s" in run_import("--output", "-").stdout
    assert not (erp / "config" / "connmon.yaml").exists()


def test_import_takes_the_file_that_is_named(erp: Path) -> None:
    other = erp / "other.json"
    other.write_text('{"ConnectionMonitor": {"CheckInterval": 8}}')
    assert "check_interval: 8s" in run_import("other.json", "--output", "-").stdout
    assert "check_interval: 8s" in run_import("--output", "-", config_path=other).stdout
    assert "check_interval: 7s" in run_import("--output", "-", config_path=erp / "connmon.yaml").stdout


def test_import_without_a_file_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run_import()
    assert isinstance(result.exception, ConnmonError)
    assert f"{tmp_path / ERP_FILE} does not exist" in str(result.exception)
