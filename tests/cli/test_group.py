"""The group: global options, commands that are imported only when used, and the documentation of all of them."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tests.fakes.calls import find_calls, find_mistake

from connmon_agent import __version__
from connmon_agent.cli import COMMANDS, connmon_agent
from connmon_agent.cli.examples import EXAMPLES, examples_of
from connmon_agent.cli.groups import LazyGroup
from connmon_agent.cli.invocations import Invocation

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "docs" / "commands.md"


def list_commands(group: click.Group, prefix: str = "connmon-agent") -> Iterator[tuple[str, click.Command]]:
    """Every command below ``group`` with its full name, the group first."""
    yield prefix, group
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from list_commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def read_sections() -> dict[str, str]:
    """The manual's sections by their headings, which are the commands' names."""
    parts = re.split(r"^##+ `([^`]+)`$", MANUAL.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


every_command = pytest.mark.parametrize(
    ("name", "command"), [pytest.param(*found, id=found[0]) for found in list_commands(connmon_agent)]
)


@every_command
def test_each_command_and_option_is_in_the_manual(name: str, command: click.Command) -> None:
    section = read_sections()[name]
    assert " ".join([name, *command.collect_usage_pieces(click.Context(command))]) in section.splitlines()
    options = [
        max(option.opts, key=len) for option in command.params if isinstance(option, click.Option) and not option.hidden
    ]
    assert [option for option in options if f"`{option}" not in section] == []


def test_the_manual_has_no_command_that_is_not_there() -> None:
    sections = {name.split()[1] for name in read_sections() if " " in name}
    assert sections == set(COMMANDS)


@every_command
def test_each_command_and_option_explains_itself(name: str, command: click.Command) -> None:
    assert command.help
    assert [option.name for option in command.params if isinstance(option, click.Option) and not option.help] == []


@every_command
def test_each_command_shows_an_example_that_it_understands(name: str, command: click.Command) -> None:
    shown = CliRunner().invoke(connmon_agent, [*name.split()[1:], "--help"]).output
    examples = examples_of(name.removeprefix("connmon-agent").strip())
    assert [line for line in examples if f"  {line}\n" not in shown] == []
    assert any(find_calls(line)[0][: len(name.split()) - 1] == name.split()[1:] for line in examples)
    assert [mistake for line in examples for words in find_calls(line) if (mistake := find_mistake(words))] == []


def test_there_are_no_examples_of_commands_that_are_not_there() -> None:
    assert {f"connmon-agent {name}".strip() for name in EXAMPLES} == {name for name, _ in list_commands(connmon_agent)}


def test_every_command_of_the_table_exists() -> None:
    assert connmon_agent.list_commands(click.Context(connmon_agent)) == list(COMMANDS)


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(connmon_agent, ["--version"]).output == f"connmon-agent, version {__version__}\n"


def test_an_unknown_command_is_wrong_usage() -> None:
    result = CliRunner().invoke(connmon_agent, ["restrat"])
    assert result.exit_code == 2
    assert "No such command 'restrat'" in result.stderr


def test_a_command_that_is_not_installed_breaks_no_other() -> None:
    group = LazyGroup("root", lazy={"missing": "missing:missing", "status": "status:status"})
    assert group.list_commands(click.Context(group)) == ["status"]
    assert CliRunner().invoke(group, ["missing"]).exit_code == 2


def test_status_imports_nothing_that_it_does_not_need() -> None:
    script = "import sys, connmon_agent.cli.status; print(*sys.modules)"
    source = Path(sys.modules["connmon_agent"].__path__[0]).parent
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=source, capture_output=True, text=True, check=True, timeout=120
    )
    loaded = set(run.stdout.split())
    heavy = {"asyncio", "yaml", "kubernetes", "aiohttp", "psutil", "sqlite_utils", "transitions", "pydantic"}
    heavy |= {"connmon_agent.metrics", "connmon_agent.core.counters"}
    assert loaded & heavy == set()


@pytest.mark.parametrize("where", ["option", "environment"])
def test_the_state_directory_is_found_without_reading_a_broken_configuration(tmp_path: Path, where: str) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("state_dir: [")
    given = ["--state-dir", str(tmp_path)] if where == "option" else []
    environment = {"CONNMON_CONFIG": str(broken), "CONNMON_STATE_DIR": str(tmp_path) if not given else None}
    result = CliRunner().invoke(connmon_agent, [*given, "status"], env=environment)
    assert result.exit_code == 3
    assert str(tmp_path / "connmon.db") in result.output


def test_a_configuration_without_a_word_on_the_state_directory_is_not_parsed(tmp_path: Path) -> None:
    config = tmp_path / "broken.yaml"
    config.write_text("# state_dir: elsewhere\nlink: [")
    invocation = Invocation(config_path=config, environment={"STATE_DIRECTORY": str(tmp_path)})
    assert invocation.state_directory() == tmp_path


def test_a_configuration_that_names_the_state_directory_decides(tmp_path: Path) -> None:
    config = tmp_path / "connmon.yaml"
    config.write_text("state_dir: here\n")
    invocation = Invocation(config_path=config, environment={"STATE_DIRECTORY": "/elsewhere"})
    assert invocation.state_directory() == tmp_path / "here"
    assert invocation.settings().state_dir == tmp_path / "here"


@pytest.mark.parametrize("command", [["status"], ["history"], ["replay"]], ids=lambda command: command[0])
def test_no_other_mistake_in_the_configuration_keeps_the_reading_commands_from_the_state(
    tmp_path: Path, command: list[str]
) -> None:
    config = tmp_path / "connmon.yaml"
    config.write_text("state_dir: here\nlink: {fall: x}\nnonsense: 1\n")
    result = CliRunner().invoke(connmon_agent, ["--config", str(config), *command])
    assert "nonsense" not in result.output
    assert str(tmp_path / "here" / "connmon.db") in result.output


def test_a_configuration_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    result = CliRunner().invoke(connmon_agent, ["--config", str(tmp_path / "none.yaml"), "status"])
    assert result.exit_code == 2
    assert "none.yaml" in result.stderr
