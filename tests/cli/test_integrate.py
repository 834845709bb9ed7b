"""The scripts that the ERP calls. Those for a shell are run; the syntax of those for PowerShell is parsed."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.cli import integrate as module
from connmon_agent.cli.integrate import integrate
from connmon_agent.cli.invocations import Invocation
from connmon_agent.cli.wrappers import BY, make_wrappers, quote_powershell
from connmon_agent.errors import ConnmonError
from connmon_agent.processes import own_program
from connmon_agent.seals import seal

tree_sitter = pytest.importorskip("tree_sitter")
tree_sitter_powershell = pytest.importorskip("tree_sitter_powershell")

NAMES = {
    f"{name}.{suffix}"
    for name in ("start_connection_monitor", "connection_monitor_integration", "connection_monitor")
    for suffix in ("ps1", "sh")
}
PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
BAD_PLACES = [
    "plain",
    "with blanks",
    "ümläut",
    "it's",
    "a‘b’c‚d‛e",
    "$HOME `x` \\",
    '"quoted"',
    "a;b&c|d #e",
    "%x% $(y)",
    "COMMAND",
]

of_a_shell = pytest.mark.linux_alone(reason="scripts for a shell of Unix, which are run")


@pytest.fixture
def erp(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The ERP's directory, which is the working directory; its name is the parameter."""
    folder = tmp_path / getattr(request, "param", "ERP Büro")
    (folder / "config").mkdir(parents=True)
    (folder / "scripts").mkdir()
    (folder / "config" / "system_config.json").write_text('{"ConnectionMonitor": {}}')
    monkeypatch.chdir(folder)
    return folder


def run_integrate(
    folder: Path, *options: str, config_path: Path | None = None, state_dir: Path | None = None
) -> Result:
    environment = {"XDG_CONFIG_HOME": "/nowhere", "HOME": "/nowhere"}
    invocation = Invocation(config_path, state_dir, environment)
    return CliRunner().invoke(integrate, [str(folder), *options], obj=invocation)


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in the place of connmon-agent that prints its arguments, and ends with what is in ``code``."""
    program = folder / "connmon-agent"
    program.write_text('#!/bin/sh\nprintf "<%s>" "$@"; echo\nread code <"$(dirname "$0")/code"\nexit "$code"\n')
    program.chmod(0o755)
    (folder / "code").write_text("0\n")
    monkeypatch.setattr(module, "own_program", lambda: [str(program)])


def call(script: Path, *arguments: str) -> tuple[int, str]:
    run = subprocess.run([script, *arguments], cwd="/", capture_output=True, text=True, check=False, timeout=60)
    return run.returncode, run.stdout + run.stderr


def look_at(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Mode, inode and time of change of each file."""
    found = {path.name: path.stat() for path in folder.iterdir()}
    return {name: (stat.st_mode, stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


# What is written.


def test_all_names_are_written_and_a_second_run_changes_nothing(erp: Path) -> None:
    assert run_integrate(erp / "scripts").exit_code == 0
    written = look_at(erp / "scripts")
    assert set(written) == NAMES
    if sys.platform != "win32":
        assert {name for name, (mode, _, _) in written.items() if mode & 0o777 == 0o755} == {
            name for name in NAMES if name.endswith(".sh")
        }
    again = run_integrate(erp / "scripts")
    assert [line.split()[0] for line in again.stdout.splitlines()] == ["unchanged"] * 6
    assert look_at(erp / "scripts") == written


def test_an_older_script_of_ours_is_replaced(erp: Path) -> None:
    run_integrate(erp / "scripts")
    script = erp / "scripts" / "connection_monitor.sh"
    content = script.read_bytes()
    script.write_text(seal("#!/bin/sh\nanother version\n", by=BY, line=1))
    run_integrate(erp / "scripts")
    assert script.read_bytes() == content


@pytest.mark.linux_alone(reason="modes of Unix")
def test_lost_rights_come_back(erp: Path) -> None:
    run_integrate(erp / "scripts")
    script = erp / "scripts" / "connection_monitor.sh"
    script.chmod(0o644)
    run_integrate(erp / "scripts")
    assert script.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    "link",
    [False, pytest.param(True, marks=pytest.mark.linux_alone(reason="symbolic links, which Windows lets few make"))],
)
def test_a_file_of_another_origin_is_never_changed_and_then_nothing_is_written(tmp_path: Path, link: bool) -> None:
    theirs, folder = tmp_path / "theirs", tmp_path / "scripts"
    folder.mkdir()
    theirs.write_text("Write-Host theirs")
    place = folder / "connection_monitor.ps1"
    if link:
        place.symlink_to(theirs)
    else:
        place.write_text("Write-Host theirs")
    result = run_integrate(folder)
    assert isinstance(result.exception, ConnmonError)
    assert "connection_monitor.ps1, not written by this command; nothing was written" in str(result.exception)
    assert ([path.name for path in folder.iterdir()], place.read_text()) == ([place.name], "Write-Host theirs")


def test_an_edited_script_is_written_over_only_by_force(erp: Path) -> None:
    run_integrate(erp / "scripts")
    before, script = look_at(erp / "scripts"), erp / "scripts" / "connection_monitor.sh"
    content = script.read_text()
    script.write_text(content.replace("exec", "KUBECONFIG=/etc/k3s.yaml exec"))
    result = run_integrate(erp / "scripts")
    assert isinstance(result.exception, ConnmonError)
    assert "connection_monitor.sh, edited after they were written; nothing was written" in str(result.exception)
    assert {name for name, found in look_at(erp / "scripts").items() if found != before[name]} == {script.name}
    assert run_integrate(erp / "scripts", "--force").exit_code == 0
    assert script.read_text() == content


def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = run_integrate(tmp_path / "skripts")
    assert isinstance(result.exception, ConnmonError)
    assert not (tmp_path / "skripts").exists()


@pytest.mark.linux_alone(reason="names of two lines")
def test_a_path_that_no_script_can_hold_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "two\nlines"
    folder.mkdir()
    result = run_integrate(tmp_path, config_path=folder / "connmon.yaml")
    assert isinstance(result.exception, ConnmonError)
    assert list(tmp_path.iterdir()) == [folder]


def test_the_program_of_the_environment_is_called() -> None:
    program = own_program()
    assert subprocess.run([*program, "--version"], capture_output=True, check=False, timeout=60).returncode == 0
    assert Path(program[0]).parent == Path(sys.executable).parent


# What the scripts for a shell do.


@of_a_shell
@pytest.mark.parametrize("erp", BAD_PLACES, indirect=True)
def test_the_scripts_call_connmon_agent_with_the_configuration_of_this_place(
    erp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(erp, monkeypatch)
    run_integrate(erp / "scripts")
    options = f"<--config><{erp}/config/system_config.json>"
    calls = {
        ("connection_monitor_integration.sh",): f"{options}<autostart>",
        ("connection_monitor.sh",): f"{options}<start>",
        ("connection_monitor.sh", "url", "a b"): f"{options}<url><a b>",
        ("start_connection_monitor.sh",): f"{options}<start><--mode><foreground>",
        ("start_connection_monitor.sh", "-Mode", "Task"): f"{options}<start><--mode><Task>",
        ("start_connection_monitor.sh", "-mode:Task"): f"{options}<start><--mode><Task>",
        ("start_connection_monitor.sh", "--mode=Task"): f"{options}<start><--mode><Task>",
        ("start_connection_monitor.sh", "-FORCE"): f"{options}<restart><--force><--mode><foreground>",
        ("start_connection_monitor.sh", "-Force", "-Mode", "Task"): f"{options}<restart><--force><--mode><Task>",
    }
    for (name, *arguments), said in calls.items():
        assert call(erp / "scripts" / name, *arguments) == (0, said + "\n")


@of_a_shell
def test_the_exit_code_is_connmon_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    run_integrate(tmp_path, state_dir=tmp_path / "state")
    start = tmp_path / "start_connection_monitor.sh"
    state = f"<--state-dir><{tmp_path}/state>"
    (tmp_path / "code").write_text("1\n")
    assert call(tmp_path / "connection_monitor.sh") == (1, f"{state}<start>\n")
    assert call(start, "-Force") == (1, f"{state}<restart><--force><--mode><foreground>\n")
    assert call(start, "-Fource") == (2, "Error: unknown argument -Fource. Use -Mode MODE or -Force.\n")
    assert call(start, "-Mode") == (2, "Error: -Mode needs a mode\n")


# What those for PowerShell say.


def literals_of(node: Any) -> Iterator[str]:
    """The texts in quotes below ``node``, as PowerShell reads them."""
    if node.type == "string_literal" and node.text is not None:
        inner = node.text.decode()[1:-1]
        for quote in "'‘’‚‛":
            inner = inner.replace(2 * quote, quote)
        yield inner
    else:
        for child in node.children:
            yield from literals_of(child)


def parse(data: bytes) -> Any:
    assert data.startswith(b"\xef\xbb\xbf"), "Windows PowerShell 5.1 takes a file without it for a code page"
    assert data.count(b"\n") == data.count(b"\r\n") > 0
    root = PARSER.parse(data.removeprefix(b"\xef\xbb\xbf")).root_node
    assert not root.has_error
    return root


COMMANDS = st.lists(
    st.text(st.characters(exclude_categories=("C", "Z")), min_size=1) | st.sampled_from(BAD_PLACES), min_size=1
)


@hypothesis.settings(max_examples=30)
@given(COMMANDS)
def test_every_powershell_script_parses_and_names_the_program_and_its_options_unchanged(command: Sequence[str]) -> None:
    ends = {
        "start_connection_monitor.ps1": [
            ["Foreground", "--force", "Windows_NT"],
            ["Task", *command, "service", "install", "--manager", "task-scheduler", "--user"],
            ["Service", *command, "service", "install", "--manager", "windows-service"],
            [*command, "restart", "--force", "--mode"],
            [*command, "start", "--mode"],
        ],
        "connection_monitor_integration.ps1": [[*command, "autostart"]],
        "connection_monitor.ps1": [[*command, "start"], [*command]],
    }
    for wrapper in make_wrappers(command):
        if wrapper.name in ends:
            assert list(literals_of(parse(wrapper.data))) == list(itertools.chain(*ends.pop(wrapper.name)))
    assert not ends


def test_every_quote_that_ends_a_text_in_powershell_is_doubled() -> None:
    assert quote_powershell("it's ‘a’ ‚b‛") == "'it''s ‘‘a’’ ‚‚b‛‛'"
