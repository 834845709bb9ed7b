"""The page as things happen: transitions, a server that goes and returns, several tabs, and orders."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.fakes.pasts import Past
from tests.web_page.browsing import served
from tests.web_page.conftest import Open

expect = pytest.importorskip("playwright.sync_api", reason="needs the dependency group `browser`").expect


def test_a_transition_appears_without_a_reload(living: Past, visit: Open, tmp_path: Path) -> None:
    page = visit(tmp_path).open()
    expect(page.locator("#word")).to_have_text("ONLINE")
    living.rounds(3, good=False)
    expect(page.locator("#word")).to_have_text("OFFLINE")
    expect(page.locator("#outage-title")).to_have_text("Current outage")
    expect(page.locator("#outages tbody tr").first).to_contain_text("Outage 3")
    expect(page.locator("#readout")).to_have_text("3 outages")
    expect(page.locator("#probes")).to_contain_text("FAILED: no answer within 1 s")
    expect(page).to_have_title(re.compile("OFFLINE"))


def test_a_lost_connection_is_said_at_once_and_heals(living: Past, visit: Open, tmp_path: Path) -> None:
    visited = visit(tmp_path)
    page = visited.open()
    expect(page.locator("#connection")).to_have_text("live")
    assert visited.server is not None
    visited.server.terminate()
    expect(page.locator("#connection")).to_have_text("connection to the page lost")
    expect(page.locator("#word")).to_have_text("UNKNOWN")
    expect(page.locator("#reason")).to_contain_text("The connection to the page is lost. Last state,")
    visited.server.wait()
    port = urlsplit(visited.address).port
    assert port is not None
    with served(tmp_path, port=port):
        expect(page.locator("#connection")).to_have_text("live")
        expect(page.locator("#word")).to_have_text("ONLINE")
        visited.context.close()
    visited.errors.clear()  # the browser itself logs what it could not reach


def test_of_two_tabs_one_has_the_stream_and_the_other_takes_it_over(living: Past, visit: Open, tmp_path: Path) -> None:
    visited = visit(tmp_path)
    first = visited.open()
    expect(first.locator("#connection")).to_have_text("live")
    second = visited.load(visited.new_page())
    expect(second.locator("#connection")).to_have_text("live")
    living.rounds(3, good=False)
    expect(first.locator("#word")).to_have_text("OFFLINE")
    expect(second.locator("#word")).to_have_text("OFFLINE")
    assert all(page == first for page in visited.streams), "which may have connected again"
    with second.expect_request("**/api/stream*"):
        first.close(run_before_unload=True)
    living.rounds(3, good=True)
    expect(second.locator("#word")).to_have_text("RECOVERING")


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """A configuration with a token."""
    token = tmp_path / "token"
    token.write_text("open sesame 1234567890\n", encoding="utf-8")
    token.chmod(0o600)
    config = tmp_path / "connmon.yaml"
    config.write_text(f"web: {{token_file: {token}}}\nservices: {{}}\n", encoding="utf-8")
    return config


def test_orders_are_confirmed_and_need_the_token_once(morning: Path, visit: Open, orders: Path, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    shutil.copytree(morning, folder)
    visited = visit(folder, config=orders)
    page = visited.open()
    page.get_by_role("button", name="Pause restarts").click()
    dialog = page.locator("#confirm")
    expect(dialog).to_contain_text("restarts nothing until you resume")
    page.get_by_label("Token").fill("wrong")
    dialog.get_by_role("button", name="Pause restarts").click()
    expect(page.locator("#confirm-error")).not_to_be_empty()
    page.get_by_label("Token").fill("open sesame 1234567890")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator("#toast")).not_to_be_empty()
    expect(page.locator("#badges")).to_contain_text("paused")
    page.get_by_role("button", name="Resume restarts").click()
    expect(page.get_by_label("Token")).to_be_hidden()
    dialog.get_by_role("button", name="Resume restarts").click()
    expect(page.get_by_role("button", name="Pause restarts")).to_be_visible()
    assert "open sesame" not in page.content()
    assert [error for error in visited.errors if "403" not in error] == []
    visited.errors.clear()  # the browser itself logs the 403


def test_without_a_token_nothing_can_be_ordered(morning: Path, visit: Open) -> None:
    page = visit(morning).open()
    expect(page.locator("#orders")).to_be_hidden()
    assert page.locator("#orders button").count() == 0
