"""The browser's tests leave nothing behind for the tests of others in the same process."""

from __future__ import annotations

import asyncio


def test_a_loop_can_begin_beside_a_browser_that_is_open(browser_and_its_loop: object) -> None:
    assert asyncio.run(asyncio.sleep(0, "done")) == "done"
