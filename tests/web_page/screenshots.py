"""``python -m tests.web_page.screenshots``: the pictures of docs/web.md, taken anew in docs/screenshots.

Needs Chromium, and makes them small with pngquant where that is installed; fonts-noto-core gives them the font that
Android and most Linux desktops have.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fakes.pasts import PORTS, Past, live_through_a_bad_morning, live_through_a_year, live_through_weeks
from tests.web_page.browsing import ROOT, Visit, browser_of, find_chromium, served

from connmon_agent.presence import AgentLock

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOLDER = ROOT / "docs/screenshots"
MOST = 150_000  # bytes of a picture
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1440, "height": 1240}}
COLOURS = "128"
SERVICES = ("frontend",)  # of the year, whose state file must not get so long that its oldest events are removed

Live = Callable[[Past], None]


def _weeks(past: Past) -> None:
    live_through_weeks(past)
    past.calm(60, every=300)


def _morning(past: Past) -> None:
    live_through_a_bad_morning(past)
    past.calm(60, every=120)


def _outage(past: Past) -> None:
    live_through_a_bad_morning(past)
    past.calm(760, every=60)
    past.outage(700, None)
    for ago in range(660, 0, -15):
        past.pass_until(ago)
        past.round(good=False)


def _period(name: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("button", name=name, exact=True).click()


def _event(page: Page) -> None:
    page.goto(page.url + "#outage/2")
    page.locator("#sheet-body").get_by_role("link", name="event").nth(3).click()


def take(
    browser: Browser,
    name: str,
    live: Live | None,
    *,
    dead: bool = False,
    act: Callable[[Page], None] | None = None,
    **context: Any,
) -> None:
    """One picture of what an agent has lived through; ``live`` None: a year."""
    from playwright.sync_api import expect

    with tempfile.TemporaryDirectory() as made, ExitStack() as stack:
        folder = Path(made)
        if live is None:
            live_through_a_year(folder, time.time(), outages=10_000, services=SERVICES)
        past = stack.enter_context(Past(folder, time.time(), services=tuple(PORTS) if live else SERVICES))
        if live is not None:
            live(past)
        lock = AgentLock(folder)
        lock.acquire()
        stack.callback(lock.release)
        if dead:
            lock.release()  # its file stays, as of an agent that was killed
        else:
            past.pass_until(0.0)
            past.heartbeat()
        address, _ = stack.enter_context(served(folder))
        visit = Visit(browser, address, **context)
        page = visit.open()
        if act is not None:
            act(page)
        expect(page.locator("#readout")).to_contain_text("outage")
        page.wait_for_timeout(2000)
        page.mouse.move(0, 0)
        path = FOLDER / f"{name}.png"
        page.screenshot(path=path)
        visit.context.close()
        visit.require_clean()
    if quantiser := shutil.which("pngquant"):
        subprocess.run(
            [quantiser, "--force", "--speed", "1", "--strip", "--ext", ".png", COLOURS, str(path)], check=True
        )
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {size / 1000:.0f} kB")
    assert size <= MOST, path


def main(names: list[str]) -> None:
    """Take all of them, or those named."""
    chromium = find_chromium()
    if chromium is None:
        raise SystemExit("This needs Chromium and the dependency group `browser`.")
    FOLDER.mkdir(exist_ok=True)
    wishes: dict[str, tuple[Live | None, dict[str, Any]]] = {
        "phone": (_outage, PHONE),
        "desktop": (_weeks, {**DESKTOP, "act": _period("Week")}),
        "dark": (_morning, {**DESKTOP, "color_scheme": "dark", "act": _event}),
        "year": (None, {"viewport": {"width": 1440, "height": 790}, "act": _period("Year")}),
        "outage": (_outage, {**DESKTOP, "act": _period("Hour")}),
        "dead-agent": (
            live_through_a_bad_morning,
            {**DESKTOP, "dead": True, "color_scheme": "dark", "act": _period("Day")},
        ),
    }
    with browser_of(chromium) as browser:
        for name, (live, options) in wishes.items():
            if not names or name in names:
                take(browser, name, live, **options)


if __name__ == "__main__":
    main(sys.argv[1:])
