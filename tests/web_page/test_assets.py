"""What the page consists of: its size, where it comes from, and that a strict policy allows all of it."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "agent/connmon_agent/web/static"
OWN = sorted(path for path in STATIC.iterdir() if not path.name.startswith("uplot"))
MOST = 150_000  # bytes of everything, compressed
# uPlot 1.6.32 as on npm: dist/uPlot.iife.min.js, dist/uPlot.min.css, LICENSE.
VENDORED = {
    "uplot.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uplot.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uplot.LICENSE.txt": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}


def test_what_is_vendored_is_as_it_was_published() -> None:
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in STATIC.glob("uplot*")}
    assert found == VENDORED


def test_everything_together_is_small() -> None:
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in STATIC.iterdir()) <= MOST


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere_and_nothing_is_inline(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert (
        re.findall(
            r"(?:https?:)?//(?!www\.w3\.org/2000/svg)[a-z0-9-]+\.[a-z]+", text.replace("http://www.w3.org/2000/svg", "")
        )
        == []
    )
    assert (
        re.findall(
            r"\b(?:eval|Function)\(|insertAdjacentHTML|document\.write|\.outerHTML\s*=|\.innerHTML\s*=[^=]", text
        )
        == []
    )
    if path.suffix == ".html":
        assert re.findall(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]* src=)", text) == []


def test_the_page_loads_its_modules_at_once_and_all_of_them_exist() -> None:
    """A module that is only found by an import of another one comes a round trip later."""
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    named = set(re.findall(r'(?:href|src)="/static/([^"]+)"', page))
    assert {path.name for path in STATIC.glob("*.js")} | {path.name for path in STATIC.glob("*.css")} == named


@pytest.mark.parametrize("path", [path for path in OWN if path.suffix == ".js"], ids=lambda path: path.name)
def test_a_module_is_no_longer_than_any_other_file_here(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
