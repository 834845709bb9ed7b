"""The examples of docs/what-if.md: ``python -m tests.docs.what_if`` lets them be answered anew, and writes them."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
import time
from pathlib import Path

from click.testing import CliRunner
from tests.fakes.recorded_months import record_months

from connmon_agent.cli import connmon_agent

PAGE = Path(__file__).parents[2] / "docs" / "what-if.md"
WIDTH = "100"


def record(folder: Path) -> None:
    """The month of the page."""
    record_months(folder, days=30, interval=5.0, seed=11)


def answer(folder: Path, words: str) -> str:
    """What the command prints, in UTC."""
    surroundings = {"TZ": "UTC", "COLUMNS": WIDTH}
    before = {name: os.environ.get(name) for name in surroundings}
    os.environ.update(surroundings)
    _set_zone()
    try:
        arguments = ["--state-dir", str(folder), "replay", *shlex.split(words)]
        result = CliRunner().invoke(connmon_agent, arguments)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        _set_zone()
    assert result.exit_code == 0, result.output
    return result.output


def _set_zone() -> None:
    if hasattr(time, "tzset"):  # not on Windows
        time.tzset()


def with_examples(text: str, folder: Path) -> str:
    """The page with the examples as they are answered now."""

    def show(match: re.Match[str]) -> str:
        words = match[1]
        output = "\n".join(line.rstrip() for line in answer(folder, words).splitlines())
        return f"<!-- example: {words} -->\n```\n$ connmon-agent replay {words}\n{output}\n```\n"

    return re.sub(r"<!-- example: ([^\n]*) -->\n(?:```\n.*?\n```\n)?", show, text, flags=re.DOTALL)


def main() -> None:
    """Write the page."""
    with tempfile.TemporaryDirectory() as made:
        record(Path(made))
        PAGE.write_text(with_examples(PAGE.read_text(encoding="utf-8"), Path(made)), encoding="utf-8")


if __name__ == "__main__":
    main()
