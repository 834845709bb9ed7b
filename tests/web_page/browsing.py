"""The page in a real browser: Debian's Chromium by Playwright, on the real server in a process of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

ROOT = Path(__file__).parents[2]
PATIENCE = 120_000  # milliseconds that a busy machine may take for anything; only a failing test waits so long
ZONE = "Europe/Berlin"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def find_chromium() -> str | None:
    """The browser: CONNMON_TEST_CHROMIUM, or the one of the PATH. None: there is none, or no Playwright."""
    if find_spec("playwright") is None:  # the group `browser` of pyproject.toml, which Windows does not install
        return None
    return os.environ.get("CONNMON_TEST_CHROMIUM") or shutil.which("chromium")


@contextmanager
def browser_of(chromium: str) -> Iterator[Browser]:
    """The browser, headless, with an empty profile."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served(folder: Path, *, config: Path | None = None, port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`connmon-agent web` on the state file in ``folder``: the page's address, and the process."""
    command = [sys.executable, "-m", "connmon_agent", *(["--config", str(config)] if config else [])]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONNMON_")}
    environment["PYTHONPATH"] = str(ROOT / "agent")
    process = subprocess.Popen(
        [*command, "--state-dir", str(folder), "web", "--listen", f"127.0.0.1:{port}"],
        stdout=subprocess.PIPE, text=True, cwd=folder, env=environment,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://"), address
        yield address, process
    finally:
        process.terminate()
        process.communicate()


class Visit:
    """One page, and everything that it must not do: errors in its console, requests to another origin."""

    def __init__(self, browser: Browser, address: str, **context: Any) -> None:
        self.context = browser.new_context(
            **{"locale": "en-GB", "timezone_id": ZONE, "viewport": {"width": 1280, "height": 900}, **context}
        )
        self.context.set_default_timeout(PATIENCE)
        self.address = address
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.streams: list[Page] = []  # that asked for the stream, one after another
        self.server: subprocess.Popen[str] | None = None
        self.page = self.new_page()

    def new_page(self) -> Page:
        """One more tab of the same browser."""
        page = self.context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._see(page, request.url))
        return page

    def open(self, place: str = "") -> Page:
        """Load the page, and wait until it shows a state and its timeline."""
        return self.load(self.page, place)

    def load(self, page: Page, place: str = "") -> Page:
        """The same in another tab."""
        from playwright.sync_api import expect

        page.goto(self.address + place)
        expect(page.locator("#word")).not_to_have_text("…")
        expect(page.locator("#sight")).to_have_attribute("aria-label", re.compile("Timeline of"))
        return page

    def require_clean(self) -> None:
        """No error was logged, and all requests went to the page's own server."""
        assert self.errors == [], "in the console"
        assert self.foreign == []

    def _hear(self, message: ConsoleMessage) -> None:
        own = "getImageData" in message.text  # of the test, which looks at the canvas twice
        if message.type in ("error", "warning") and not own:
            self.errors.append(message.text)

    def _see(self, page: Page, url: str) -> None:
        if "/api/stream" in url:
            self.streams.append(page)
        if not url.startswith((self.address, "data:")):
            self.foreign.append(url)


def press(page: Page, keys: Sequence[str]) -> None:
    """Press one key after the other."""
    for key in keys:
        page.keyboard.press(key)


def violations(page: Page) -> list[str]:
    """What axe-core finds on the page as it is now: each rule with the elements that break it."""
    package = find_spec("axe_playwright_python")
    assert package is not None and package.origin is not None
    page.evaluate(Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {[node['html'][:120] for node in one['nodes']]}" for one in found["violations"]]
