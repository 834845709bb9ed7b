"""The child that sends a notice: whatever becomes of it is an answer."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from connmon_agent.core.notices import SendAnswer, SendResult
from connmon_agent.notices.jobs import Job, Notice
from connmon_agent.runtime.notice_children import run_child
from connmon_agent.settings import ChannelSettings, CommandChannel


def send(script: str, *, state_file: str = "connmon.db", limit: float = 60.0) -> SendAnswer:
    """The answer where ``script`` is in the child's place."""
    job = Job(state_file, Notice("test", "sms", number=1), ChannelSettings(CommandChannel(Path("program"))))
    return run_child(job, environment=os.environ, command=[sys.executable, "-c", script], limit=limit)


def test_what_the_child_says_is_the_answer() -> None:
    said = """print('{"result": "refused", "detail": "no"}')"""
    assert send(said) == SendAnswer(SendResult.REFUSED, "no")


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        ("", "the sending process ended with code 0: no output"),
        ("raise SystemExit('out of memory')", "the sending process ended with code 1: out of memory"),
    ],
)
def test_a_child_that_says_nothing_has_failed_for_now(script: str, detail: str) -> None:
    assert send(script) == SendAnswer(SendResult.FAILED, detail)


def test_a_child_that_does_not_end_is_killed() -> None:
    answer = send("import time; time.sleep(600)", limit=0.05)
    assert answer == SendAnswer(SendResult.FAILED, "no result within 0.05 s; the sending process was killed")


def test_a_state_file_whose_name_is_not_utf_8_is_named() -> None:
    answer = send("", state_file="/var/lib/\udcff/connmon.db")
    assert answer.result is SendResult.FAILED
    assert "/var/lib/\\udcff/connmon.db has a name that is not UTF-8" in answer.detail
