"""A browser for each worker, the state files that are looked at, and a visit that must be clean."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.pasts import Past, live_through_a_bad_morning
from tests.web_page.browsing import Visit, browser_of, find_chromium, served

from connmon_agent.presence import AgentLock

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Open = Callable[..., Visit]


@pytest.fixture(scope="session")
def browser_and_its_loop() -> Iterator[tuple[Browser, asyncio.AbstractEventLoop]]:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("needs Chromium (apt-get install chromium) and the dependency group `browser`")
    with browser_of(chromium) as found:
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)
        yield found, loop
        asyncio._set_running_loop(loop)


@pytest.fixture
def browser(browser_and_its_loop: tuple[Browser, asyncio.AbstractEventLoop]) -> Iterator[Browser]:
    """Playwright's loop runs while a test uses it, and not in the tests of others that the same process runs between:
    in them asyncio would refuse to begin another.
    """
    found, loop = browser_and_its_loop
    with running(loop):
        yield found


@contextmanager
def running(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(None)


@pytest.fixture(scope="session")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state file of an agent that was killed hours after its start, with a service that gave up: an hour and 25
    minutes ago, and still more than one hour and less than two when the last test looks at it.
    """
    folder = tmp_path_factory.mktemp("morning")
    with Past(folder, time.time() + 1_800) as past, AgentLock(folder):
        live_through_a_bad_morning(past)
    return folder


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Past]:
    """The same, but the agent is alive: the test itself holds its lock and writes what it decides."""
    with Past(tmp_path, time.time()) as past, AgentLock(tmp_path):
        live_through_a_bad_morning(past)
        past.pass_until(0.0)
        past.heartbeat()
        yield past


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Serve a state directory and visit its page. After the test nothing may have gone wrong on it."""
    with ExitStack() as stack:
        visits: list[Visit] = []

        def begin(folder: Path, *, config: Path | None = None, **context: Any) -> Visit:
            address, process = stack.enter_context(served(folder, config=config))
            visits.append(Visit(browser, address, **context))
            visits[-1].server = process
            stack.callback(visits[-1].context.close)
            return visits[-1]

        yield begin
        for one in visits:
            one.require_clean()
