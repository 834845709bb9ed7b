"""The page beside the real agent, which lives through the demo's outage on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.web_page.browsing import ROOT, Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

expect = pytest.importorskip("playwright.sync_api", reason="needs the dependency group `browser`").expect
STORY = 300_000  # milliseconds for all of it
# Notes every word that the state has, from now on.
OBSERVE = """
() => {
  const word = document.getElementById('word');
  self.words = [word.textContent];
  const note = () => self.words.push(word.textContent);
  new MutationObserver(note).observe(word, { childList: true, characterData: true, subtree: true });
}
"""


def test_the_whole_outage_is_seen_as_it_happens(browser: Browser, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.web_page.demo_story", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'agent'}:{ROOT}"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as story:
        assert story.stdout is not None
        try:
            address = story.stdout.readline().strip()
            visit = Visit(browser, address)
            page = visit.page
            page.goto(address)
            page.evaluate(OBSERVE)
            first = page.locator("#outages tbody tr").filter(has_text="Outage 1")
            expect(first).to_be_visible(timeout=STORY)
            expect(first).not_to_contain_text("still open", timeout=STORY)
            expect(page.locator("#reason")).not_to_be_empty()
            words = page.evaluate("self.words")
            visit.require_clean()
            visit.context.close()
        finally:
            story.terminate()
    stages = iter(words)
    for stage in ("ONLINE", "OFFLINE", "RECOVERING"):
        assert stage in stages, words
