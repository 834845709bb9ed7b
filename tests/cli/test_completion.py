"""What a shell completes, asked as the shells ask, and in the shells that are installed here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.shell_completion import BashComplete
from msgspec.structs import replace
from tests.fakes.statefiles import opened, tick

from connmon_agent.cli import COMMANDS, connmon_agent
from connmon_agent.cli.completion import SHELLS, VARIABLE, make_script
from connmon_agent.core.steps import Step
from connmon_agent.loading.configuration import built_in_settings
from connmon_agent.store import DATABASE_FILE

pytestmark = pytest.mark.linux_alone(reason="the shells of Unix")

PROGRAMS = Path(sys.executable).parent


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory of an agent that had services."""
    with opened(tmp_path / DATABASE_FILE) as journal:
        journal.commit(tick(1.0), Step(world=replace(journal.load(), plan=built_in_settings(tmp_path).plan)))
    monkeypatch.setenv("CONNMON_STATE_DIR", str(tmp_path))
    return tmp_path


def complete(*words: str) -> list[str]:
    """What a shell is offered for the last of ``words``."""
    *before, incomplete = words
    maker = BashComplete(connmon_agent, {}, "connmon-agent", VARIABLE)
    return [item.value for item in maker.get_completions(list(before), incomplete)]


def ask(line: str, script: str = "import connmon_agent.cli as cli") -> subprocess.CompletedProcess[str]:
    """Ask as the script of bash does, after the lines of ``script``."""
    given = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1), VARIABLE: "bash_complete"}
    program = [sys.executable, "-c", f"{script}\ncli.main()"]
    return subprocess.run(program, env={**os.environ, **given}, capture_output=True, text=True, check=False, timeout=60)


def test_commands_and_options_are_completed() -> None:
    assert complete("re") == [name for name in COMMANDS if name.startswith("re")] != []
    assert complete("config", "im") == ["import"]
    assert "--state-dir" in complete("--s")
    assert complete("status", "--j") == ["--json"]
    assert complete("chart", "l") == ["link"]
    assert complete("completion", "") == list(SHELLS)


def test_commands_are_completed_without_importing_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a shell waits for this")

    monkeypatch.setattr("connmon_agent.cli.groups._import_command", refuse)
    assert set(COMMANDS) <= set(complete(""))


def test_services_are_completed_from_the_state_file(state: Path) -> None:
    names = complete("url", "")
    assert len(names) > 1
    first, second, *_ = names
    assert complete("url", first[:-1]) == [name for name in names if name.startswith(first[:-1])]
    assert first not in complete("recover", first, ""), "it is named already"
    assert second in complete("rearm", first, "")
    assert complete("explain", "")[:2] == ["now", first]
    assert complete("replay", "la") == ["latest"]


def test_the_state_directory_on_the_line_is_asked(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONNMON_STATE_DIR")
    assert complete("--state-dir", str(state), "url", "") != []
    assert complete("--state-dir", str(state / "none"), "url", "") == []
    config = state / "connmon.yaml"
    config.write_text(f"state_dir: {state}\n")
    assert complete("--config", str(config), "url", "") != []


def remove(state: Path) -> None:
    (state / DATABASE_FILE).unlink()


def damage(state: Path) -> None:
    (state / DATABASE_FILE).write_bytes(b"no database" * 1000)


def exchange(state: Path) -> None:
    remove(state)
    os.mkfifo(state / DATABASE_FILE)


@pytest.mark.parametrize("harm", [remove, damage, exchange])
def test_what_cannot_be_read_completes_nothing_and_says_nothing(
    state: Path, harm: Callable[[Path], None], capfd: pytest.CaptureFixture[str]
) -> None:
    harm(state)
    assert complete("url", "") == []
    assert capfd.readouterr() == ("", "")


def test_a_line_that_is_no_command_raises_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    complete("--nonsense", "url", "")
    complete("--config", "/nowhere", "url", "")
    complete("nonsense", "")
    assert capfd.readouterr() == ("", "")
    assert ask('connmon-agent "').stderr == ""


def test_a_mistake_of_ours_is_not_shown_on_the_line() -> None:
    script = (
        "import connmon_agent.cli as cli, connmon_agent.cli.groups as groups\n"
        "def fail(*_): raise RuntimeError('ours')\n"
        "groups.LazyGroup.shell_complete = fail"
    )
    run = ask("connmon-agent ", script)
    assert (run.returncode, run.stdout, run.stderr) == (1, "", "")


def test_what_hangs_ends_without_a_word() -> None:
    script = (
        "import connmon_agent.cli as cli, connmon_agent.cli.completion as completion\n"
        "import threading, connmon_agent.cli.groups as groups\n"
        "completion.LONGEST = 0.01\n"
        "groups.LazyGroup.shell_complete = lambda *_: threading.Event().wait()"
    )
    run = ask("connmon-agent ", script)
    assert (run.returncode < 0, run.stdout, run.stderr) == (True, "", "")


# In the shells themselves.

ASK = {
    "bash": "{script}\nCOMP_WORDS=(connmon-agent url ''); COMP_CWORD=2\n"
    '_connmon_agent_completion connmon-agent; printf "%s\\n" "${{COMPREPLY[@]}}"',
    "zsh": "compdef() {{ }}; compadd() {{ while [[ $1 != -a ]]; do shift; done; print -l ${{(P)2}} }}\n"
    "{script}\nwords=(connmon-agent url ''); CURRENT=3\n_connmon_agent_completion",
    "fish": "{script}\ncomplete -C 'connmon-agent url '",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_completes_services_in_the_shell_itself(state: Path, shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    script = ASK[shell].format(script=make_script(connmon_agent, shell))
    environment = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "HOME": str(state)}
    run = subprocess.run(
        [program, "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    found = run.stdout.split()
    assert (sorted(found), run.stderr) == (sorted(complete("url", "")), "")


def test_the_script_of_bash_does_without_an_option_that_older_ones_lack() -> None:
    assert "2>/dev/null || complete -F _connmon_agent_completion connmon-agent" in make_script(connmon_agent, "bash")
