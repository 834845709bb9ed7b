"""How long a browser takes to draw the timeline of a year with ten thousand outages."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench.agents import BenchError
from tests.bench.figures import Figure, Limit
from tests.fakes.pasts import live_through_a_year
from tests.web_page.browsing import Visit, browser_of, find_chromium, served

OUTAGES = 10_000
LONGEST = 100.0  # milliseconds
_DRAWN = "performance.getEntriesByName('timeline').map((one) => one.duration)"


def measure_drawing(folder: Path, *, runs: int) -> list[Figure]:
    """The page moves to and fro over the year; each move draws all of it once. Raises BenchError: no browser."""
    chromium = find_chromium()
    if chromium is None:
        raise BenchError("it needs Chromium and the dependency group `browser`")
    live_through_a_year(folder, time.time(), outages=OUTAGES, services=("frontend",))
    with browser_of(chromium) as browser, served(folder) as (address, _):
        visit = Visit(browser, address, viewport={"width": 1440, "height": 900})
        page = visit.open()
        page.get_by_role("button", name="Year", exact=True).click()
        page.get_by_text(f"{OUTAGES:,} outages").wait_for()
        page.locator("#sight").focus()
        taken = []
        for run in range(runs):
            page.keyboard.press("ArrowRight" if run % 2 else "ArrowLeft")
            taken += page.evaluate(_DRAWN)
        visit.context.close()
    note = "link, restarts, a service and its port; headless Chromium without a graphics processor"
    return [Figure("a year drawn", "ms", tuple(taken), Limit(LONGEST), note=note)]
