"""Every command beside a running agent, on every platform: it does its work or says in words why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import Result
from tests.fakes.local_sites import LocalAgent

from connmon_agent.cli import COMMANDS

# The words behind the program's name, and the exit codes that are no failure of the command itself.
GIVEN: dict[str, tuple[int, ...]] = {
    "status": (0,),
    "status --json": (0,),
    "status --check": (0,),
    "replay": (0,),
    "replay latest --json": (0,),
    "replay --since 1970-01-01": (0,),
    "replay --until 1969-12-31T23:59:59": (0,),
    "replay --at 9999-12-31": (0,),
    "replay --verify": (0,),
    "history": (0,),
    "history --json": (0,),
    "history --csv": (0,),
    "report": (0,),
    "report --format json --lang de": (0,),
    "explain": (0,),
    "explain web": (0,),
    "explain --json": (0,),
    "metrics": (0,),
    "metrics --openmetrics": (0,),
    "pause": (0,),
    "resume": (0,),
    "rearm web": (0,),
    "recover web": (0,),
    "notify test": (1,),  # no channel is configured
    "notify list": (0,),
    "notify list --json": (0,),
    "notify drop --all": (0,),
    "notify drop 7": (1,),  # there is none
    "log level": (0,),
    "log level probes=debug --for 1m": (0,),
    "log level --reset": (0,),
    "doctor": (0, 1),  # the machine's own
    "doctor --role": (0,),
    "ports": (0,),
    "ports --json": (0,),
    "url web": (1,),  # it has no port
    "config check": (0,),
    "config show": (0,),
    "config schema": (0,),
    "autostart": (0, 1),  # there is no file of the ERP
    "integrate nowhere": (1,),
    "chart": (0,),
    "chart link --format mermaid": (0,),
    "service show": (0, 1),
    "service status": (0, 1, 3),
    "completion bash": (0,),
    "man": (0,),
    "reload": (0,),
}
ELSEWHERE = {
    "demo": "test_demo.py",
    "start": "test_start.py",
    "stop": "test_start.py",
    "restart": "test_modes.py",
    "web": "test_web.py",
}


def test_no_command_is_forgotten() -> None:
    assert {words.split()[0] for words in GIVEN} | set(ELSEWHERE) == set(COMMANDS)
    assert all((Path(__file__).parent / place).is_file() for place in ELSEWHERE.values())


def test_each_works_beside_a_running_agent(running: LocalAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(running.folder)
    for words, codes in GIVEN.items():
        assert_in_words(running.run(*words.split()), codes)
    running.until_service("web", "READY")
    running.until_link("ONLINE")


def assert_in_words(result: Result, codes: tuple[int, ...]) -> None:
    assert result.exit_code in codes, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    # The schema of the configuration speaks of them, in the plural.
    assert not re.search(r"internal error\b", result.output) and "Traceback" not in result.output
    assert result.output
