"""What is named in advice, in the words of the platform."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
from click.testing import CliRunner

import connmon_agent.cli.examples as examples
from connmon_agent.cli import connmon_agent
from connmon_agent.cli.screens import takes_commands
from connmon_agent.platform_terms import advise_on_read_only, name_service_command, quote_argument, resume_command

UNIX = re.compile(r"sudo|systemctl|journalctl|/etc/|/var/|/srv/|/tmp/|/usr/")


@pytest.mark.parametrize(
    ("platform", "command"),
    [
        ("linux", "systemctl stop connmon-agent"),
        ("darwin", "launchctl stop io.connmon.agent"),
        ("win32", "sc.exe stop connmon-agent"),
    ],
)
def test_each_service_manager_has_its_command(platform: str, command: str) -> None:
    assert name_service_command("stop", platform=platform) == command


@pytest.mark.parametrize("text", ["plain.yaml", "with blank.yaml", "it's", "$(x)", "a&b"])
def test_an_argument_is_one_for_a_shell(text: str) -> None:
    assert shlex.split(quote_argument(text, platform="linux")) == [text]


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        (r"C:\ERP\connmon.yaml", r"C:\ERP\connmon.yaml"),
        (r"C:\Program Files\c.yaml", r'"C:\Program Files\c.yaml"'),
        (r"\\server\share\a&b.yaml", r'"\\server\share\a&b.yaml"'),
    ],
)
def test_an_argument_is_one_for_windows(text: str, quoted: str) -> None:
    assert quote_argument(text, platform="win32") == quoted
    assert subprocess.list2cmdline([text]) in (quoted, text)


@pytest.mark.parametrize(
    ("terminal", "platform", "takes"),
    [
        ("xterm", "linux", True),
        ("dumb", "linux", False),
        (None, "linux", False),
        (None, "win32", True),
        ("xterm", "win32", True),
        ("dumb", "win32", False),
    ],
)
def test_a_console_of_windows_has_colours_without_a_term(terminal: str | None, platform: str, takes: bool) -> None:
    assert takes_commands(terminal, platform) is takes


def test_no_help_on_windows_has_an_example_of_unix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    for name in examples.EXAMPLES:
        if name in ("man", "completion", "service show"):  # for shells and manuals of Unix
            continue
        for example in examples.examples_of(name, "win32"):
            assert not UNIX.search(example), example


@pytest.mark.skipif(sys.platform != "win32", reason="it is what Windows says")
def test_the_help_of_the_program_names_the_places_of_windows() -> None:
    told = CliRunner().invoke(connmon_agent, ["--help"]).output
    assert r"C:\ProgramData\connmon-agent\connmon.yaml" in told


def test_a_read_only_file_is_made_writable_by_what_the_platform_has() -> None:
    assert advise_on_read_only("x.db", platform="win32") == 'Run: attrib -r "x.db"'
    assert advise_on_read_only("x.db", platform="linux") == "Start the agent as the user that the file belongs to"


def test_a_stopped_process_is_resumed_with_what_the_platform_has() -> None:
    assert resume_command(7, platform="linux") == "kill -CONT 7"
    assert "Resource Monitor" in resume_command(7, platform="win32")
