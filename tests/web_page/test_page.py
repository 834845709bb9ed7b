"""What a person sees on the page, and what they can do there: with a mouse, a keyboard, a phone or a screen reader."""

from __future__ import annotations

import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.fakes.pasts import Past, live_through_a_year
from tests.web_page.browsing import press, violations
from tests.web_page.conftest import Open

from connmon_agent.store import DATABASE_FILE

expect = pytest.importorskip("playwright.sync_api", reason="needs the dependency group `browser`").expect
OUTAGES = 10_000
# Whether the timeline's link is drawn in lines at an instant: two colours in one column, neither of them a state's.
PIXELS = """
async (part) => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  await frame(); await frame();  // whatever is to be drawn has been
  const canvas = document.querySelector('#sight canvas');
  const ratio = canvas.width / canvas.clientWidth;
  const top = document.querySelector('#track-names li').offsetTop + 12;
  const at = Math.min(canvas.width - 9, Math.round(part * canvas.width) - 4);
  const { data } = canvas.getContext('2d').getImageData(at, top * ratio, 8, 40 * ratio);
  const found = new Set();
  for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 250) found.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
  return [...found];
}
"""

# How many buttons and links end beyond the window.
BEYOND = """
[...document.querySelectorAll('main button, main a')]
  .filter((one) => one.offsetParent && one.getBoundingClientRect().right > innerWidth + 1).length
"""


def is_coloured(pixel: str) -> bool:
    """Whether it is a state's colour, not a grey."""
    red, green, blue = map(int, pixel.split(","))
    return max(red, green, blue) - min(red, green, blue) > 60


def test_one_glance_says_the_state_since_when_why_and_what_to_do(living: Past, visit: Open, tmp_path: Path) -> None:
    page = visit(tmp_path).open()
    expect(page.locator("#word")).to_have_text("ONLINE")
    expect(page.locator("#since")).to_contain_text("for 1 h")
    expect(page.locator("#reason")).to_contain_text("gave up: grafana")
    expect(page.locator("#shape svg")).to_have_count(1)
    expect(page.locator("#advice")).to_contain_text("connmon-agent rearm grafanaCopy resets the restart attempts")
    expect(page.locator("#connection")).to_have_text("live")
    expect(page).to_have_title("ONLINE · " + (page.locator("#site").text_content() or ""))
    grafana = page.locator("#services li").filter(has=page.get_by_role("link", name="grafana", exact=True))
    expect(grafana).to_contain_text("GAVE_UP")
    expect(grafana).to_contain_text("3/3 restarts used")
    expect(page.get_by_role("link", name="port 8081")).to_have_attribute("href", "http://127.0.0.1:8081")
    expect(page.locator("#outage-body")).to_contain_text("unreachable")
    expect(page.locator("#services-title")).to_have_text("Services, 6 of 7 ready")


def test_a_dead_agent_is_unknown_and_its_gap_is_drawn_in_lines_and_never_green(morning: Path, visit: Open) -> None:
    page = visit(morning).open()
    expect(page.locator("#word")).to_have_text("UNKNOWN")
    expect(page.locator("#reason")).to_contain_text("No agent is running. Last state, 1 h")
    expect(page.locator("#reason")).to_contain_text("ago: ONLINE.")
    expect(page.locator("#advice")).to_contain_text("connmon-agent start")
    expect(page.locator("#services-title")).to_contain_text("(last known)")
    page.get_by_role("button", name="Hour", exact=True).click()
    expect(page.locator("#readout")).to_have_text("no outage")
    gap = page.evaluate(PIXELS, 0.9)
    assert len(gap) > 1 and not any(map(is_coloured, gap)), gap
    page.get_by_role("button", name="Day", exact=True).click()
    expect(page.locator("#readout")).to_have_text("2 outages")
    assert any(map(is_coloured, page.evaluate(PIXELS, 0.85))), "what was watched has its colour"


def test_a_copy_that_may_not_be_written_says_so(morning: Path, visit: Open, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    with (
        closing(sqlite3.connect(morning / DATABASE_FILE)) as source,
        closing(sqlite3.connect(copy / DATABASE_FILE)) as target,
    ):
        source.backup(target)
    page = visit(copy).open()
    expect(page.locator("#badges")).to_contain_text("copy")
    expect(page.locator("#notes")).to_contain_text("This is a copy")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_page_its_tables_and_its_sheets(
    living: Past, visit: Open, tmp_path: Path, scheme: str
) -> None:
    page = visit(tmp_path, color_scheme=scheme, reduced_motion="reduce").open()
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    expect(page.locator("#timeline-table td").first).to_be_visible()
    assert violations(page) == []
    for place in ("#link", "#service/grafana", "#outage/2", "#event/40") if scheme == "light" else ("#event/40",):
        page.evaluate("(place) => { location.hash = place; }", place)
        expect(page.locator("#sheet-body")).not_to_contain_text("Loading")
        assert violations(page) == [], place


@pytest.mark.parametrize("width", [360, 768, 1280, 3840])
def test_no_width_scrolls_sideways(living: Past, visit: Open, tmp_path: Path, width: int) -> None:
    phone = width < 500
    visited = visit(tmp_path, viewport={"width": width, "height": 800}, is_mobile=phone, has_touch=phone)
    page = visited.open("#event/40")
    expect(page.locator("#sheet-body")).to_contain_text("Evidence")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#sheet-close").click()
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    expect(page.locator("#timeline-table td").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(BEYOND) == 0


def test_a_decision_opens_by_its_address_with_its_guards(living: Past, visit: Open, tmp_path: Path) -> None:
    page = visit(tmp_path).open("#outage/2")
    expect(page.locator("#sheet-title")).to_have_text("Outage 2")
    expect(page.locator("#sheet-body")).to_contain_text("gave up: grafana".replace("gave up: ", ""))
    page.locator("#sheet-body").get_by_role("link", name="event").first.click()
    expect(page.locator("#sheet-title")).to_contain_text("Event")
    expect(page.locator("#sheet-body")).to_contain_text("ONLINE")
    expect(page.locator("#sheet-body th", has_text="Guard").first).to_be_visible()
    assert page.url.rpartition("#")[2].startswith("event/")
    page.go_back()
    expect(page.locator("#sheet-title")).to_have_text("Outage 2")
    page.keyboard.press("Escape")
    expect(page.locator("#sheet")).to_be_hidden()
    expect(page).to_have_url(re.compile("^[^#]*$"))  # it hears of the end of a dialog a little later


@pytest.mark.parametrize(
    ("place", "said"),
    [("#event/99999", "no event 99999"), ("#service/50%", "50%"), ("#service/a%00b", "cannot be asked")],
)
def test_what_does_not_exist_is_said_in_the_sheet(
    living: Past, visit: Open, tmp_path: Path, place: str, said: str
) -> None:
    visited = visit(tmp_path)
    page = visited.open(place)
    expect(page.locator("#sheet-body [role=alert]")).to_contain_text(said)
    assert [error for error in visited.errors if "404" not in error] == []
    visited.errors.clear()  # the browser itself logs the 404


def test_the_keyboard_alone_reaches_a_decision(living: Past, visit: Open, tmp_path: Path) -> None:
    page = visit(tmp_path).open()
    press(page, ["Tab", "Enter"])
    expect(page.locator("#state")).to_be_focused()  # the link at the top skips to it
    reached: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        if reached[-1] == "sight":
            break
    assert reached[-1] == "sight", reached
    assert {"frontend", "grafana", "port 8081", "Hour", "Year", "Now"} <= set(reached), reached
    before = page.locator("#window").text_content() or ""
    press(page, ["+", "+", "ArrowLeft", "Home"])
    expect(page.locator("#window")).not_to_have_text(before)
    press(page, ["-", "-", "p"])
    expect(page.locator("#readout")).to_contain_text("outage 2")
    page.keyboard.press("Enter")
    expect(page.locator("#sheet-title")).to_have_text("Outage 2")
    expect(page.locator("#sheet-title")).to_be_focused()


def test_the_table_behind_the_timeline_has_what_is_drawn(living: Past, visit: Open, tmp_path: Path) -> None:
    page = visit(tmp_path).open()
    page.get_by_text("Timeline as a table").click()
    rows = page.locator("#timeline-table tbody tr")
    expect(rows.filter(has_text="OFFLINE").first).to_be_visible()
    expect(rows.filter(has_text="GAVE_UP").first).to_be_visible()
    rows.filter(has_text="link").filter(has_text="OFFLINE").first.get_by_role("link").click()
    expect(page.locator("#sheet-body")).to_contain_text("OFFLINE")


def test_two_fingers_zoom_and_a_mouse_moves(living: Past, visit: Open, tmp_path: Path) -> None:
    page = visit(tmp_path).open()
    pinch = """
    () => {
      const sight = document.getElementById('sight');
      const { left, top } = sight.getBoundingClientRect();
      sight.setPointerCapture = () => {};
      const at = (id, x) => ({ pointerId: id, clientX: left + x, clientY: top + 20, bubbles: true });
      const send = (type, id, x) => sight.dispatchEvent(new PointerEvent(type, at(id, x)));
      send('pointerdown', 1, 300); send('pointerdown', 2, 400);
      send('pointermove', 1, 250); send('pointermove', 2, 450);
      send('pointerup', 1, 250); send('pointerup', 2, 450);
    }
    """
    expect(page.get_by_role("button", name="Day", exact=True)).to_have_attribute("aria-pressed", "true")
    page.evaluate(pinch)
    expect(page.get_by_role("button", name="Day", exact=True)).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Show the present").click()
    page.get_by_role("button", name="Hour", exact=True).click()
    expect(page.locator("#window")).to_contain_text("to now")
    box = page.locator("#sight").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 30, steps=4)
    page.mouse.up()
    expect(page.locator("#window")).not_to_contain_text("to now")
    page.get_by_role("button", name="Show the present").click()
    expect(page.locator("#window")).to_contain_text("to now")


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("year")
    live_through_a_year(folder, time.time(), outages=OUTAGES)
    yield folder
    shutil.rmtree(folder)  # 80 MB


def test_a_year_with_ten_thousand_outages(year: Path, visit: Open) -> None:
    page = visit(year).open()
    page.get_by_role("button", name="Year", exact=True).click()
    expect(page.locator("#readout")).to_have_text(f"{OUTAGES:,} outages")
    assert any(map(is_coloured, page.evaluate(PIXELS, 0.5)))
    rows = page.locator("#outages tbody tr")
    expect(rows).to_have_count(10)
    expect(rows.first).to_contain_text(f"Outage {OUTAGES}")
    page.get_by_role("button", name="Show older outages").click()
    expect(rows).to_have_count(60)
    expect(rows.last).to_contain_text(f"Outage {OUTAGES - 59}")
    page.get_by_text("Timeline as a table").click()
    expect(page.locator("#timeline-table")).to_contain_text("OFFLINE")
