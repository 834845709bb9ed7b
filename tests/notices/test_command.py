"""A command: what it is given, and what its exit code means."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from tests.fakes.notices import TEXT, a_message

from connmon_agent.core.notice_fields import FIELDS
from connmon_agent.core.notices import SendResult
from connmon_agent.notices.command import make_environment, send
from connmon_agent.notices.outcomes import NotSentError
from connmon_agent.settings import CommandChannel

WRITES = """
import json, os, sys
found = [dict(os.environ), sys.stdin.buffer.read().decode(), sys.argv[2:]]
open(sys.argv[1], "w", encoding="utf-8").write(json.dumps(found))
"""


def run(script: str, *arguments: str, timeout: float = 60.0) -> str:
    message = a_message(environment={**os.environ, "NOTIFY_SOCKET": "/run/x", "KEPT": "yes"})
    return send(CommandChannel(Path(sys.executable), ("-c", script, *arguments), timeout), message)


def fail_with(script: str, *, timeout: float = 60.0) -> NotSentError:
    with pytest.raises(NotSentError) as found:
        run(script, timeout=timeout)
    return found.value


def test_it_gets_the_fields_in_variables_and_the_text_on_its_input(tmp_path: Path) -> None:
    said = run(WRITES, str(tmp_path / "given"), "$HOME; `x`", "")
    environment, given, arguments = json.loads((tmp_path / "given").read_text(encoding="utf-8"))
    assert said.endswith("exited with code 0")
    assert (environment["CONNMON_SUBJECT"], environment["CONNMON_BODY"]) == (TEXT.subject, TEXT.body)
    assert (environment["CONNMON_OUTAGE"], environment["CONNMON_NUMBER"]) == ("7", "3")
    assert environment["CONNMON_ID"] == "k7k7k7k7-7-digest-office"
    assert environment["CONNMON_GAVE_UP"] == "grafana"
    assert given == TEXT.body + "\n"
    assert arguments == ["$HOME; `x`", ""], "no shell reads them"
    assert environment["KEPT"] == "yes"
    assert "NOTIFY_SOCKET" not in environment


def test_every_field_has_a_variable_and_what_is_not_known_is_empty() -> None:
    environment = make_environment(a_message())
    assert set(environment) == {f"CONNMON_{name.upper()}" for name in FIELDS}
    assert environment["CONNMON_CAUSE"] == ""


@pytest.mark.parametrize("code", [64, 65, 67, 68, 77, 78])
def test_codes_of_sysexits_that_blame_the_message_refuse_it(code: int) -> None:
    failure = fail_with(f"import sys; print('no such number', file=sys.stderr); sys.exit({code})")
    assert failure.result is SendResult.REFUSED
    assert failure.detail.endswith(f"exited with code {code}: no such number")


@pytest.mark.parametrize("code", [1, 2, 69, 71, 74, 75, 127])
def test_every_other_code_may_pass(code: int) -> None:
    assert fail_with(f"raise SystemExit({code})").result is SendResult.FAILED


def test_one_that_does_not_end_is_killed() -> None:
    failure = fail_with("import time; time.sleep(600)", timeout=0.05)
    assert failure.result is SendResult.FAILED
    assert failure.detail.endswith("did not end within 0.05 s and was killed")


def test_one_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotSentError, match="cannot be started") as found:
        send(CommandChannel(tmp_path / "missing"), a_message())
    assert found.value.result is SendResult.FAILED
