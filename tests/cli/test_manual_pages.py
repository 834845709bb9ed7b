"""The manual pages hold what ``--help`` holds, and roff reads them as they are meant."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from connmon_agent import __version__
from connmon_agent.cli import COMMANDS, connmon_agent
from connmon_agent.cli.manual_pages import BY, escape, make_manual
from connmon_agent.seals import seal

PAGES = make_manual(connmon_agent, __version__)
TRICKY = [
    ".TH is no request",
    "'quotes' at the start",
    "a\\fBb\\e",
    "--state-dir -x",
    "~/x ^y `z`",
    '"quoted"',
    "Größe … €",
]


def run_man(*arguments: str) -> Result:
    return CliRunner().invoke(connmon_agent, ["man", *arguments])


def test_each_command_has_a_page() -> None:
    assert {name.split("-")[2].removesuffix(".1") for name in PAGES if name != "connmon-agent.1"} == set(COMMANDS)
    assert {"connmon-agent.1", "connmon-agent-config-check.1"} <= set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_its_parts_and_every_option(name: str) -> None:
    page = PAGES[name]
    headings = re.findall(r"^\.SH (.*)$", page, re.MULTILINE)
    assert headings[:4] == ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"]
    assert "EXAMPLES" in headings
    ctx, command = click.Context(connmon_agent), connmon_agent
    for word in name.removesuffix(".1").split("-")[2:]:
        assert isinstance(command, click.Group)
        command = command.get_command(ctx, word)  # type: ignore[assignment]
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert max(option.opts, key=len).replace("-", "\\-") in page
    assert page.isascii()


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_roff_reads_every_page_without_a_warning_and_prints_text_as_it_is() -> None:
    pages = "".join(PAGES.values())
    run = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z"], input=pages, capture_output=True, text=True, check=True
    )
    assert run.stderr == ""
    text = "\n".join([".TH X 1", ".SH NAME", ".nf", *map(escape, TRICKY), ".fi"])
    command = ["groff", "-man", "-Tutf8", "-P-cbou"]
    shown = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    assert [line for line in TRICKY if line not in [found.strip() for found in shown.splitlines()]] == []


@pytest.mark.skipif(shutil.which("lexgrog") is None, reason="man-db is not installed")
def test_man_finds_the_names_for_its_index(tmp_path: Path) -> None:
    for name, text in PAGES.items():
        (tmp_path / name).write_text(text)
    found = subprocess.run(["lexgrog", *sorted(tmp_path.iterdir())], capture_output=True, text=True, check=True).stdout
    assert [name for name in PAGES if f'"{name.removesuffix(".1")} - ' not in found] == []


def test_pages_are_written_once_and_those_of_commands_that_are_gone_removed(tmp_path: Path) -> None:
    folder = tmp_path / "share" / "man1"
    assert run_man(str(folder)).stdout.startswith(f"Wrote {len(PAGES)} of {len(PAGES)} pages")
    assert {path.name: path.read_text() for path in folder.iterdir()} == PAGES
    gone, theirs = folder / "connmon-agent-gone.1", folder / "connmon-agent-theirs.1"
    gone.write_text(seal(".TH GONE 1\n", by=BY))
    theirs.write_text(".TH THEIRS 1\n")
    assert run_man(str(folder)).stdout.startswith(f"Wrote 0 of {len(PAGES)} pages")
    assert (gone.exists(), theirs.exists()) == (False, True)


def test_a_page_of_another_origin_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "connmon-agent.1").write_text(".TH THEIRS 1\n")
    result = run_man(str(tmp_path))
    assert result.exit_code == 1
    assert "has connmon-agent.1, not written by this command; nothing was written" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["connmon-agent.1"]


def test_without_a_directory_the_first_page_is_printed() -> None:
    assert run_man().stdout == PAGES["connmon-agent.1"]
