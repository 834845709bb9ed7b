"""The examples of the pages are run: commands on the state of a day, configurations by the reader, output by form."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tests.fakes.calls import find_calls
from tests.fakes.hard_days import live_through_a_hard_day
from tests.fakes.mornings import offline_snapshot

from connmon_agent.cli import connmon_agent
from connmon_agent.cli.rendering.plugin_line import check_line
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.loading.configuration import load_settings
from connmon_agent.loading.keys import ROOT as KEYS
from connmon_agent.runtime.log_records import LogRecord, Mark
from connmon_agent.runtime.logs.lines import to_text

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:^ {4}.*\n)+", re.MULTILINE)

# Commands that only read: what they need is a state file and a configuration.
READING = {"status", "replay", "history", "explain", "ports", "metrics", "config", "chart", "completion", "man", "url"}
PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b")


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks_of(kind: str) -> Iterator[tuple[str, str]]:
    """The blocks of all pages in this language, with the page's name."""
    for page in PAGES:
        for language, text in BLOCK.findall(read(page)):
            if language == kind:
                yield page.name, text


def reading_calls() -> set[tuple[str, ...]]:
    """The calls that the pages show in blocks of code, of commands that only read and whose words are all given."""
    calls = set()
    for page in PAGES:
        blocks = [text for _, text in BLOCK.findall(read(page))] + INDENTED.findall(BLOCK.sub("", read(page)))
        for line in "".join(blocks).splitlines():
            for words in find_calls(" ".join(line.split())):
                plain = words and words[0] in READING and not any(PLACEHOLDER.search(word) for word in words)
                if plain and not {"--watch", "import", "--textfile"} & set(words) and words[0:1] != ["man"]:
                    calls.add(tuple(words))
    return calls


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("day")
    live_through_a_hard_day(folder)
    return folder


@pytest.mark.parametrize("words", sorted(reading_calls()), ids=" ".join)
def test_a_command_that_only_reads_works_as_shown(day: Path, words: tuple[str, ...]) -> None:
    given = ["--config", str(ROOT / "config" / "connmon.yaml"), "--state-dir", str(day)]
    result = CliRunner().invoke(connmon_agent, [*given, *words])
    fine = (2,) if "--check" in words else (0, 1, 3)  # no agent is running there
    assert result.exit_code in fine, result.output
    assert "internal error (" not in result.output
    assert result.output.strip()


def test_the_pages_show_commands_that_only_read() -> None:
    assert {("status",), ("replay",), ("history",), ("ports",), ("config", "check")} <= reading_calls()


def configurations() -> list[tuple[str, str]]:
    """The blocks that are a connmon.yaml: those that begin with keys of it."""
    return [(page, text) for page, text in blocks_of("yaml") if set(yaml.safe_load(text)) <= set(KEYS.keys)]


def test_every_yaml_block_is_yaml() -> None:
    blocks = list(blocks_of("yaml"))
    assert len(blocks) >= 6
    for page, text in blocks:
        assert isinstance(yaml.safe_load(text), dict), page


def test_every_configuration_that_a_page_shows_loads(tmp_path: Path) -> None:
    shown = configurations()
    assert {"README.md", "configuration.md", "monitoring.md"} <= {page for page, _ in shown}
    for page, text in shown:
        file = tmp_path / "connmon.yaml"
        file.write_text(text, encoding="utf-8")
        settings = load_settings(file, state_dir=tmp_path, environment={})
        assert settings.source == str(file), page


def test_every_json_file_of_the_documentation_is_a_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema") if sys.platform != "win32" else pytest.skip("Wine lacks a DLL")
    files = sorted((ROOT / "docs").glob("*.json"))
    assert files
    for file in files:
        jsonschema.Draft202012Validator.check_schema(json.loads(read(file)))


def example_in(page: str, beginning: str) -> list[str]:
    """The lines of the block, fenced or indented, of a page in which a line begins so; from that line on."""
    text = read(ROOT / "docs" / page)
    blocks = [block for _, block in BLOCK.findall(text)] + INDENTED.findall(text)
    for lines in (block.splitlines() for block in blocks):
        stripped = [line.strip() for line in lines]
        for number, line in enumerate(stripped):
            if line.startswith(beginning):
                return stripped[number:]
    raise AssertionError(f"{page} shows nothing that begins with {beginning!r}")


def test_the_line_of_the_log_has_the_form_that_is_shown() -> None:
    shown = example_in("logs.md", "2026-11-23 19:04:05")[0]
    text = "ONLINE -> DEGRADED: 1 of 3 counted targets answered, quorum is 2"
    line = to_text(LogRecord(Timestamp(0.0, 1e9), "warning", "link", text, mark=Mark("link-degraded", 118)))
    assert shown[19:] == line[19:]


def test_the_line_for_nagios_has_the_form_that_is_shown() -> None:
    shown = example_in("monitoring.md", "CONNMON OK")[0]
    _, line = check_line(offline_snapshot())
    names = [re.findall(r"'(\w+)'=", one.partition("|")[2]) for one in (shown, line)]
    assert names[0] == names[1]
    assert shown.partition(":")[0].split()[0] == line.partition(":")[0].split()[0]


def test_mistakes_are_told_as_they_are_shown(tmp_path: Path) -> None:
    shown = example_in("configuration.md", "connmon.yaml:2:")
    file = tmp_path / "connmon.yaml"
    file.write_text(
        "link:\n  check_interval: 5 seconds\n  fall: 3\n  fall: 4\nrecovery:\n  act: yes\n"
        "services:\n  frontend:\n    port: 8080\n    depend_on: [grafana]\n  grafana:\n    port: 8080\n",
        encoding="utf-8",
    )
    result = CliRunner().invoke(connmon_agent, ["--config", str(file), "config", "check"])
    told = result.stderr.replace(f"{file}", "connmon.yaml").removeprefix("Error: ").splitlines()
    assert result.exit_code == 2
    assert [line.removesuffix(" ...") for line in shown] == [
        line[: len(example.removesuffix(" ..."))] for line, example in zip(told, shown, strict=True)
    ]


def test_the_keys_of_the_erps_file_are_told_as_they_are_shown(tmp_path: Path) -> None:
    first, *shown = example_in("configuration.md", "config/system_config.json: good")
    content = json.loads(read(ROOT / "config" / "system_config.json"))
    del content["ConnectionMonitor"]["CheckInterval"]
    content["ConnectionMonitor"]["CheckIntervall"] = 5
    content["Database"] = {"Password": "secret"}
    file = tmp_path / "config" / "system_config.json"
    file.parent.mkdir()
    file.write_text(json.dumps(content), encoding="utf-8")
    result = CliRunner().invoke(connmon_agent, ["--config", str(file), "--state-dir", str(tmp_path), "config", "check"])
    head, *told = [line.strip() for line in result.stdout.splitlines()]
    assert head.removeprefix(str(file)).startswith(first.partition("json")[2].partition("state in")[0])
    assert [line for line in shown if line.partition(" ...")[0] not in "\n".join(told)] == []
