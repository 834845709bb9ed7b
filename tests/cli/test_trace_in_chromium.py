"""A browser reads the trace and draws it: a second opinion, by other code and another parser of JSON."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.fakes.hard_days import live_through_a_hard_day
from tests.fakes.traces import load, slices, titles

from connmon_agent.cli import connmon_agent

PAGE = Path(__file__).with_name("trace_page.html")
CHROMIUM = os.environ.get("CONNMON_TEST_CHROMIUM") or shutil.which("chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium in the PATH (CONNMON_TEST_CHROMIUM names one)")


def read_in_browser(trace: str, folder: Path) -> dict[str, Any]:
    """What the page found in the trace."""
    page = folder / "page.html"
    page.write_text(PAGE.read_text(encoding="utf-8").replace("TRACE", trace.replace("<", "\\u003c")), encoding="utf-8")
    assert CHROMIUM is not None
    shown = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", page.as_uri()],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True, encoding="utf-8",
    ).stdout  # fmt: skip
    found = re.search(r'<pre id="result">(.*?)</pre>', shown, re.DOTALL)
    assert found is not None, shown[:2000]
    result: dict[str, Any] = json.loads(html.unescape(found[1]))
    return result


@pytest.mark.parametrize("arguments", [("--since", "2000-01-01"), ("1",), ("--since", "2100-01-01")], ids=" ".join)
def test_a_browser_shows_the_tracks(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    live_through_a_hard_day(tmp_path)
    command = ["--state-dir", str(tmp_path), "replay", *arguments, "--format", "chrome-trace"]
    trace = CliRunner().invoke(connmon_agent, command).stdout
    events = load(trace)["traceEvents"]
    expected: dict[str, list[list[object]]] = {}
    for tid, name, begun, ended in slices(events):
        expected.setdefault(titles(events)[tid], []).append([name, begun, ended])
    shown = read_in_browser(trace, tmp_path)
    assert shown == {"faults": [], "tracks": expected, "drawn": sum(map(len, expected.values()))}
