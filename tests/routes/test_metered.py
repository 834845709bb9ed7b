"""What NetworkManager says of the connection, and what is made of no answer, a strange one and one that never comes."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import psutil
import pytest

from connmon_agent.routes.metered import ask_network_manager, parse_answer


@pytest.mark.parametrize(
    ("answer", "metered"),
    [
        (b"u 0\n", None),
        (b"u 1\n", True),
        (b"u 2\n", False),
        (b"u 3\n", True),
        (b"u 4\n", False),
        (b"u 5\n", None),
        (b"", None),
        (b"u", None),
        (b"u -1\n", None),
        (b"s \"yes\"\n", None),
        (b"\xff\xfe\n", None),
        ("u ²\n".encode(), None),
    ],
)  # fmt: skip
def test_what_an_answer_means(answer: bytes, metered: bool | None) -> None:
    assert parse_answer(answer) is metered


def program(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


@pytest.mark.parametrize(
    ("question", "metered"),
    [
        pytest.param(program("print('u 1')"), True, id="yes"),
        pytest.param(program("print('u 4')"), False, id="no, as it is guessed"),
        pytest.param(program("print('u 1'); raise SystemExit(1)"), None, id="it failed"),
        pytest.param(("/no/such/program",), None, id="it is not installed"),
        pytest.param(program("print('u 1' * 1_000_000)"), None, id="a long answer is not read to its end"),
    ],
)
def test_it_is_asked_by_a_program(question: tuple[str, ...], metered: bool | None) -> None:
    assert asyncio.run(ask_network_manager(question, timeout=60.0)) is metered


def test_one_that_does_not_end_is_ended(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    endless = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    assert asyncio.run(ask_network_manager((*program(endless), str(told)), timeout=0.5)) is None
    pid = told.read_text() if told.exists() else ""  # it may have been ended before it could tell
    assert not pid or not psutil.pid_exists(int(pid))
