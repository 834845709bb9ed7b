"""The examples of docs/what-if.md are what the commands print, for the month that the page is about."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from tests.docs.what_if import PAGE, record, with_examples
from tests.fakes.recorded_months import record_months


@pytest.mark.skipif(sys.platform == "win32", reason="the machine's time zone cannot be set there")
@pytest.mark.skipif("CONNMON_MONTH" not in os.environ, reason="CONNMON_MONTH=1 asks for it: it takes half a minute")
def test_the_examples_are_what_the_commands_print(tmp_path: Path) -> None:
    record(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("<!-- example:") == 4
    assert with_examples(text, tmp_path) == text


def test_the_examples_have_the_form_of_what_the_commands_print(tmp_path: Path) -> None:
    """Of two days, which have other figures."""
    record_months(tmp_path, days=2, interval=20.0)
    text = PAGE.read_text(encoding="utf-8")
    shown, printed = _labels_of(text), _labels_of(with_examples(text, tmp_path))
    assert len(shown) > 10
    assert shown == printed


def _labels_of(text: str) -> list[str]:
    """What begins the lines of the first three examples that are no rows of a table, without figures."""
    blocks = re.findall(r"^```\n(\$ .*?)\n```", text, re.DOTALL | re.MULTILINE)[:3]
    lines = [line for block in blocks for line in block.splitlines() if re.match(r"\s*[A-Z$]|exact|\*:", line)]
    labels = (re.sub(r"[\d:.-]+", "#", re.split(r"\s{2,}", line.strip())[0]) for line in lines)
    return [label for label in labels if not label.startswith(("No suggestion", "To try"))]
