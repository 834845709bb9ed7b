from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from connmon_agent.loading.places import ProcessContext, base_of, choose_state_dir, find_config, list_config_candidates
from connmon_agent.presence import LOCK_FILE


@pytest.fixture
def site(tmp_path: Path) -> ProcessContext:
    home = tmp_path / "home"
    return ProcessContext(environment={}, platform="linux", superuser=False, home=home, folder=tmp_path)


def test_the_working_directory_goes_before_the_user_and_the_user_before_the_machine(site: ProcessContext) -> None:
    assert list_config_candidates(site) == [
        Path("config/connmon.yaml"),
        site.folder / "home/.config/connmon-agent/connmon.yaml",
        Path("/etc/connmon-agent/connmon.yaml"),
        Path("config/system_config.json"),
    ]


@pytest.mark.parametrize(
    ("platform", "environment", "last"),
    [
        ("linux", {"XDG_CONFIG_HOME": "/x"}, [Path("/x"), Path("/etc")]),
        ("win32", {"ProgramData": "D:/Data"}, [Path("D:/Data")]),
        ("darwin", {}, [Path("/Library/Application Support")]),
    ],
)
def test_each_platform_has_its_folders(
    site: ProcessContext, platform: str, environment: dict[str, str], last: list[Path]
) -> None:
    other = replace(site, platform=platform, environment=environment)
    assert list_config_candidates(other)[1:-1] == [folder / "connmon-agent/connmon.yaml" for folder in last]


def test_the_first_file_that_is_there_is_meant(site: ProcessContext) -> None:
    own = site.folder / "home/.config/connmon-agent/connmon.yaml"
    own.parent.mkdir(parents=True)
    own.touch()
    assert find_config(site) == own
    (site.folder / "config").mkdir()
    (site.folder / "config/connmon.yaml").touch()
    assert find_config(site) == Path("config/connmon.yaml")


def test_the_erps_file_is_found_when_there_is_none_of_our_own(site: ProcessContext) -> None:
    (site.folder / "config").mkdir()
    (site.folder / "config/system_config.json").touch()
    assert find_config(site) == Path("config/system_config.json")
    own = site.folder / "home/.config/connmon-agent/connmon.yaml"
    own.parent.mkdir(parents=True)
    own.touch()
    assert find_config(site) == own
    (site.folder / "config/connmon.yaml").touch()
    assert find_config(site) == Path("config/connmon.yaml")


def test_a_file_in_the_place_of_a_folder_is_passed_over(site: ProcessContext) -> None:
    own = site.folder / "home/.config/connmon-agent/connmon.yaml"
    own.parent.mkdir(parents=True)
    own.touch()
    (site.folder / "config").touch()
    assert find_config(site) == own


@pytest.mark.linux_alone(reason="symbolic links, which only administrators make on Windows")
def test_a_file_that_cannot_be_looked_at_is_not_passed_over(site: ProcessContext) -> None:
    loop = site.folder / "config"
    loop.symlink_to(loop)
    assert find_config(site) == Path("config/connmon.yaml")


@pytest.mark.parametrize(
    ("config", "base"),
    [
        ("config/connmon.yaml", "."),
        ("/srv/site/config/connmon.yaml", "/srv/site"),
        ("/etc/connmon-agent/connmon.yaml", "/etc/connmon-agent"),
        ("connmon.yaml", "."),
        ("../config/connmon.yaml", ".."),
        ("/srv/site/Config/system_config.json", "/srv/site"),
        ("/srv/site/CONFIG/connmon.yaml", "/srv/site"),
        ("/srv/config/erp/system_config.json", "/srv/config/erp"),
    ],
)
def test_relative_paths_start_above_a_folder_config_else_beside_the_file(
    site: ProcessContext, config: str, base: str
) -> None:
    assert base_of(Path(config), site.folder) == (site.folder / base).resolve()


@pytest.mark.linux_alone(reason="the variable of systemd, with colons between paths")
def test_the_state_directory_is_looked_for_in_this_order(site: ProcessContext) -> None:
    config, beside = Path("config/connmon.yaml"), site.folder / "var"
    beside.mkdir()
    (site.folder / "statecharts").mkdir()  # a checkout
    key = site.folder / "key"
    systemd = replace(site, environment={"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"})
    assert choose_state_dir(Path("option"), key, config, systemd) == site.folder / "option"
    assert choose_state_dir(None, key, config, systemd) == key
    assert choose_state_dir(None, None, config, systemd) == Path("/var/lib/a")
    assert choose_state_dir(None, None, config, site) == beside
    beside.rmdir()
    assert choose_state_dir(None, None, config, site) == site.folder / "home/.local/state/connmon-agent"


@pytest.mark.parametrize(
    ("changes", "state_dir"),
    [
        ({"superuser": True}, "/var/lib/connmon-agent"),
        ({"environment": {"XDG_STATE_HOME": "/x"}}, "/x/connmon-agent"),
        ({"platform": "darwin", "superuser": True}, "/Library/Application Support/connmon-agent/state"),
        ({"platform": "darwin", "home": Path("/h")}, "/h/Library/Application Support/connmon-agent/state"),
        ({"platform": "win32", "environment": {"ProgramData": "D:/Data"}}, "D:/Data/connmon-agent/state"),
    ],
    ids=str,
)
def test_each_platform_has_its_state_directory(
    site: ProcessContext, changes: dict[str, object], state_dir: str
) -> None:
    assert choose_state_dir(None, None, None, replace(site, **changes)) == Path(state_dir)


def test_log_files_in_var_do_not_move_the_state(site: ProcessContext) -> None:
    """The ERP's log folder is var/logs: the agent that makes it must be found by the next command."""
    config = Path("config/system_config.json")
    before = choose_state_dir(None, None, config, site)
    (site.folder / "var/logs").mkdir(parents=True)
    assert choose_state_dir(None, None, config, site) == before == site.folder / "home/.local/state/connmon-agent"


def test_state_that_an_agent_kept_in_var_is_found(site: ProcessContext) -> None:
    (site.folder / "var").mkdir()
    (site.folder / "var" / LOCK_FILE).touch()
    assert choose_state_dir(None, None, Path("config/connmon.yaml"), site) == site.folder / "var"


def test_var_beside_the_folder_config_counts_in_any_case(site: ProcessContext) -> None:
    (site.folder / "var").mkdir()
    (site.folder / "statecharts").mkdir()
    config = site.folder / "Config" / "system_config.json"
    assert choose_state_dir(None, None, config, site) == site.folder / "var"


def test_var_counts_only_beside_a_folder_called_config(site: ProcessContext) -> None:
    (site.folder / "var").mkdir()
    (site.folder / "statecharts").mkdir()
    chosen = choose_state_dir(None, None, Path("settings/connmon.yaml"), site)
    assert chosen == site.folder / "home/.local/state/connmon-agent"


def test_the_process_surroundings_follow_the_environment_given() -> None:
    process_context = ProcessContext.of_this_process({"HOME": "/somewhere", "USERPROFILE": "/somewhere"})
    assert process_context.home == Path("/somewhere")
    assert ProcessContext.of_this_process({}).home is None


@pytest.mark.skipif(os.name != "nt", reason="drive letters are Windows'")
@pytest.mark.parametrize("option", ["C:state", r"\state", r"\\server\share\state", r"C:\state", "state"])
def test_every_form_of_a_windows_path_is_made_whole(option: str, site: ProcessContext) -> None:
    assert choose_state_dir(Path(option), None, None, site).is_absolute()
